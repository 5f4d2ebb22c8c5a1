"""How to ask a crypto predictor, and what it says."""
