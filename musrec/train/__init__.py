"""Commands that make what the package ships: space, genre head, hybrid weights, starter."""
