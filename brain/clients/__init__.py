"""Small typed clients of the processes that the gateway asks."""
