"""How good plans are, on the projects that the literature measures on."""
