"""Where songs stand: an `Analysis` becomes a vector, and vectors find their neighbours."""

from musrec.space import parts
from musrec.space.catalogue import Starter, starter, starter_ids
from musrec.space.genre import GenreHead, genre_head, genre_said
from musrec.space.index import Index
from musrec.space.place import Space
from musrec.space.profiles import guesses, profile, profiles
from musrec.space.without import Without

__all__ = [
    "GenreHead",
    "Index",
    "Space",
    "Starter",
    "Without",
    "genre_head",
    "genre_said",
    "guesses",
    "parts",
    "profile",
    "profiles",
    "starter",
    "starter_ids",
]
