"""What the runs that were say about those that will be."""
