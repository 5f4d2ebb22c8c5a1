"""The same for every family: register, gate, promote, deploy."""
