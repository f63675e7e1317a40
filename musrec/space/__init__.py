"""Where songs stand: an `Analysis` becomes a vector, vectors become neighbours."""
