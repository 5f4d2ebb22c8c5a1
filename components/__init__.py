"""What a pipeline step does: plain typed Python, one folder a family."""
