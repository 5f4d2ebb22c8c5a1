"""How many replicas each service gets of what there is."""
