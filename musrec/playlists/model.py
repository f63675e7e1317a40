"""Records of playlists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from musrec.model import MusrecError, Track

LONGEST_NAME = 80
"""Characters."""

MOST_PLAYLISTS = 100
"""Of one member; more than anyone asked for, and few enough to be shown."""

MOST_SONGS = 10_000
"""In one playlist."""

MOST_AROUND = 200
"""In a playlist made from one song: an evening of music."""

Format = Literal["m3u8", "csv", "json", "spotify"]
FORMATS: Mapping[Format, str] = {
    "m3u8": "m3u8: for players",
    "csv": "csv: for tables",
    "json": "JSON: everything, with links",
    "spotify": "Spotify: addresses to paste into a playlist of its desktop app",
}


class PlaylistError(MusrecError):
    """A playlist cannot be made or changed like that."""


@dataclass(frozen=True, slots=True)
class Playlist:
    """A member's list of songs.

    Attributes
    ----------
    member : str
        Whose it is.
    songs : int
        How many are in it.
    """

    id: int
    member: str
    name: str
    made_at: datetime
    songs: int


@dataclass(frozen=True, slots=True)
class Export:
    """A playlist as a file.

    Attributes
    ----------
    file : str
        A name that is safe on every system.
    data : bytes
    missing : tuple of Track
        Songs that this format cannot hold: the address that it needs is not known.
    """

    file: str
    data: bytes
    missing: tuple[Track, ...] = ()
