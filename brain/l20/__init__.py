"""Plans: what turns an objective into a schedule that can be defended."""
