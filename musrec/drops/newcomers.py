"""A first drop for a member who has liked nothing yet: artists to choose from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from musrec.drops.model import QUESTIONS
from musrec.model import Catalogue, Track

ARTISTS_PER_QUESTION = 25
SONGS_PER_ARTIST = 5
"""Songs that liking an artist likes, the best known first."""


def artists_to_ask(catalogue: Catalogue) -> list[list[tuple[str, str]]]:
    """Return questions, each a list of artists and their genre, to choose from.

    At most three questions of 25 artists each. Every question goes through all genres, the best
    known artists of each first; an empty catalogue has none.
    """
    songs: dict[str, list[Track]] = {}
    for track in catalogue.tracks:
        if track.artists:
            songs.setdefault(track.artists[0], []).append(track)
    by_genre: dict[str, list[tuple[float, int, str]]] = {}
    for artist, theirs in songs.items():
        genre = Counter(track.genre or "" for track in theirs).most_common(1)[0][0]
        known = max(track.popularity or 0.0 for track in theirs)
        by_genre.setdefault(genre, []).append((-known, -len(theirs), artist))
    ranked = sorted(
        (place, genre, artist)
        for genre, artists in by_genre.items()
        for place, (_, _, artist) in enumerate(sorted(artists))
    )
    dealt = [(artist, genre) for _, genre, artist in ranked][: QUESTIONS * ARTISTS_PER_QUESTION]
    size = min(ARTISTS_PER_QUESTION, -(-len(dealt) // QUESTIONS))
    return [dealt[start : start + size] for start in range(0, len(dealt), max(size, 1))]


def songs_of(catalogue: Catalogue, artists: Iterable[str]) -> list[Track]:
    """Return the songs that liking some artists likes, at most five an artist."""
    found = []
    for artist in dict.fromkeys(artists):
        theirs = [track for track in catalogue.tracks if track.artists[:1] == (artist,)]
        theirs.sort(key=lambda track: (-(track.popularity or 0.0), track.id))
        found += theirs[:SONGS_PER_ARTIST]
    return found
