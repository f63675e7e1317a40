"""The catalogue: its files, its songs as a map, in rows, side by side and by what is asked for."""
