"""The laptop: starts the platform's processes under a supervisor, and imports none of them."""
