"""The catalogue: its files, search, map, galleries and comparisons."""
