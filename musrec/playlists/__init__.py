"""Members' own lists of songs: their names, their files, and songs that continue them."""
