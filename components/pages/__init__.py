"""Pages for a person to read: layouts, figures and rendering that every family shares."""
