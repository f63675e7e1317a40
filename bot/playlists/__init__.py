"""Members' own lists of songs: `/playlist`."""
