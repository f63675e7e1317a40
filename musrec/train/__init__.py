"""Commands that make what the package ships: the space, the genre head, the blend, the starter."""
