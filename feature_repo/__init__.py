"""Feast: entities, sources, views, services; one definition, local and production profiles."""
