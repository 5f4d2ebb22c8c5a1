"""Which work first, and why."""
