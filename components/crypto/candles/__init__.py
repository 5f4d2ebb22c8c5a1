"""Candles: where they come from, what is wrong with them, and where they are kept."""
