"""A first drop for a member who has liked nothing yet: artists to choose from."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from musrec import columns
from musrec.columns import Tracks
from musrec.drops.model import QUESTIONS
from musrec.model import Catalogue, Track
from musrec.titles import main_artist

ARTISTS_PER_QUESTION = 25
LONGEST = 100
"""Characters that a choice on Discord holds: artists with longer names are not asked about."""
SONGS_PER_ARTIST = 5
"""Songs that liking an artist likes, the best known first."""


def artists_to_ask(catalogue: Catalogue) -> list[list[tuple[str, str]]]:
    """Return questions, each a list of artists and their genre, to choose from.

    At most three questions of 25 artists each. Every question goes through all genres, the best
    known artists of each first; an empty catalogue has none.
    """
    tracks = Tracks.of(catalogue.tracks)
    rows = np.flatnonzero(tracks.artists > 0)
    artists, counts = np.unique(tracks.artists[rows], return_counts=True)
    _, songs = columns.most_frequent(tracks.artists[rows], tracks.stated[rows])
    songs = rows[songs]  # one of each artist, of the genre that most of theirs are
    known = np.zeros(len(artists), np.float32)
    np.maximum.at(known, np.searchsorted(artists, tracks.artists[rows]), tracks.popularity[rows])
    names = ("", *tracks.genre_names)
    number_of = {name: number for number, name in enumerate(sorted(names))}
    genres = np.array([number_of[name] for name in names], np.intp)[tracks.stated[songs] + 1]
    order = np.lexsort((songs, -counts, -known, genres))
    place = np.arange(len(order)) - np.searchsorted(genres[order], genres[order])
    dealt: list[tuple[str, str]] = []
    for at in order[np.lexsort((genres[order], place))].tolist():
        track = tracks[int(songs[at])]
        if len(track.artists[0]) <= LONGEST:
            dealt.append((track.artists[0], track.genre or ""))
        if len(dealt) == QUESTIONS * ARTISTS_PER_QUESTION:
            break
    size = min(ARTISTS_PER_QUESTION, -(-len(dealt) // QUESTIONS))
    return [dealt[start : start + size] for start in range(0, len(dealt), max(size, 1))]


def songs_of(catalogue: Catalogue, artists: Iterable[str]) -> list[Track]:
    """Return the songs that liking some artists likes, at most five per artist."""
    tracks, found = Tracks.of(catalogue.tracks), dict[str, Track]()
    for artist in artists:
        number = columns.number(main_artist(Track("", "", (artist,))))
        rows = np.flatnonzero(tracks.artists == number) if number else np.empty(0, np.intp)
        best = rows[np.argsort(-tracks.popularity[rows], kind="stable")][:SONGS_PER_ARTIST]
        found |= {track.id: track for track in map(tracks.__getitem__, best.tolist())}
    return list(found.values())
