"""Songs in rows, from one end of a descriptor to the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from musrec.columns import Profiles, Tracks
from musrec.model import Catalogue, Constraints, Track
from musrec.recommend import variety

Ranked = tuple[Track, float]


GALLERY = "intensity"
"""The descriptor that a gallery is ordered by."""


def ranked(catalogue: Catalogue, genre: str, among: set[str]) -> list[Ranked]:
    """Return songs with their percentile of `GALLERY`, highest first.

    Parameters
    ----------
    genre : str
        Lower case; empty for any.
    among : set of str
        Ids of the songs to choose from.
    """
    keep, _ = variety.allowed(
        catalogue, Constraints(only_genres=frozenset((genre,) if genre else ()))
    )
    tracks = Tracks.of(catalogue.tracks)
    places = Profiles.of(catalogue.profiles).percentile(GALLERY)
    found = [
        (tracks[row], float(places[row]))
        for row in tracks.rows(among).tolist()
        if keep[row] and np.isfinite(places[row])
    ]
    return sorted(found, key=lambda pair: (-pair[1], pair[0].id))


def ends(songs: Sequence[Ranked], end: str, across: int = 3) -> list[tuple[str, Sequence[Ranked]]]:
    """Return labelled rows of the first and the last of some songs, none twice, none empty.

    Parameters
    ----------
    songs : sequence of (Track, float)
        From `ranked`.
    end : str
        ``"high"`` or ``"low"`` for two rows of one end; empty for a row of each.
    """
    low = songs[::-1]
    if end:
        first, ranked = ("The most intense", songs) if end == "high" else ("The calmest", low)
        rows = [(first, ranked[:across]), ("The next", ranked[across : 2 * across])]
    else:
        top = songs[: min(across, (len(songs) + 1) // 2)]
        rest = low[: min(across, len(songs) - len(top))]
        rows = [("The most intense", top), ("The calmest", rest)]
    return [row for row in rows if row[1]]
