"""Routes, one module an area."""
