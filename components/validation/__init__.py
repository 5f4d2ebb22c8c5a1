"""What every family's validation shares: running expectations, telling what they found, and the page to read."""
