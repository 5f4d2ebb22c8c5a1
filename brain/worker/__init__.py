"""The process that carries runs out: it holds them under leases, and a handler a kind does the work."""
