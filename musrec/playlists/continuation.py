"""More songs for a whole playlist."""

from __future__ import annotations

from collections.abc import Sequence

from musrec.model import Pick, Track
from musrec.titles import main_artist

MOST_SEEDS = 40
"""Songs of a playlist that stand for all of it when it is continued."""

PER_ARTIST = 2
"""Songs of one artist among those that continue a playlist."""

ASKED_FOR = 6
"""Songs asked for per song wanted: enough are left when no artist may fill the list."""


def spread(tracks: Sequence[Track], most: int = MOST_SEEDS) -> list[Track]:
    """Return at most so many songs, evenly from the whole list, its last one included."""
    if len(tracks) <= most:
        return list(tracks)
    step = len(tracks) / most
    return [tracks[round((place + 1) * step) - 1] for place in range(most)]


def varied(picks: Sequence[Pick], count: int, most: int = PER_ARTIST) -> tuple[Pick, ...]:
    """Return the first `count` picks, of each artist at most `most`."""
    songs: dict[str, int] = {}
    chosen = []
    for pick in picks:
        artist = main_artist(pick.track)
        songs[artist] = songs.get(artist, 0) + 1
        if not artist or songs[artist] <= most:
            chosen.append(pick)
    return tuple(chosen[:count])
