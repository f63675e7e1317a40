"""The one small interface behind which every provider stands, one file each.

A provider overrides what it can do; all else raises `Unsupported`, so that a chain asks each in
turn and need not know who can do what.
"""

# ruff: noqa: ARG002 - the defaults of an interface name arguments that they do not use

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from musrec.model import Track, track_id
from musrec.sources.gate import Deadline, Gate, Unsupported
from musrec.sources.links import Link


@dataclass(frozen=True, slots=True)
class Preview:
    """Audio of about 30 s; never stored.

    Attributes
    ----------
    data : bytes
        As it came: hostile until decoded.
    provider : str
    page_url : str
        The public page that must be shown beside what came from it.
    track : Track
        The one that was asked for, with what the provider knows of it besides: its id there, its
        ISRC, its popularity.
    """

    data: bytes
    provider: str
    page_url: str
    track: Track

    def __repr__(self) -> str:
        return f"Preview({len(self.data)} bytes, {self.page_url!r})"


@dataclass(frozen=True, slots=True)
class Heading:
    """What a page says of itself, where nobody told title and artist apart.

    Attributes
    ----------
    title : str
    author : str or None
        Who published the page: an artist, a label or a fan.
    duration : float or None
        Seconds.
    """

    title: str
    author: str | None = None
    duration: float | None = None


@dataclass(frozen=True, slots=True)
class ForeignFeatures:
    """Somebody else's numbers for a sound: shown with their origin, and used for nothing.

    The terms of their source forbid models and listening profiles made from them.

    Attributes
    ----------
    origin : str
        Provider.
    values : mapping of str to float
        In the provider's own units: ``danceability`` 0 to 1, ``tempo`` in beats per minute ...
    """

    origin: str
    values: Mapping[str, float]


FEATURES = (
    "acousticness",
    "danceability",
    "energy",
    "instrumentalness",
    "key",
    "liveness",
    "loudness",
    "mode",
    "speechiness",
    "tempo",
    "valence",
)
"""Names that Spotify gave its audio features, and that ReccoBeats took over."""


class Provider:
    """A service that is asked about songs.

    Every method may raise `Absent`, `Refused` or `Unsupported`.

    Attributes
    ----------
    name : str
        Key in identities, links, provenance and settings.
    label : str
        Name for people.
    tells_isrc : bool
        Whether opening a track there can tell its ISRC.
    off : str
        Why it is not asked; empty where it is.
    gate : Gate
    """

    name: ClassVar[str]
    label: str
    tells_isrc: ClassVar[bool] = True
    off: str = ""
    gate: Gate

    def speaks_for(self, site: str) -> bool:
        """Whether what it does not know of a site's link is not there."""
        return site == self.name

    @property
    def gates(self) -> tuple[Gate, ...]:
        """All gates that lead to it."""
        return (self.gate,)

    async def open(self, link: Link, deadline: Deadline) -> tuple[Track, ...]:
        """Return the track that a link names, or the first tracks of a longer list."""
        raise Unsupported(f"{self.label} cannot open {link.provider} {link.kind} links")

    async def by_isrc(self, isrc: str, deadline: Deadline) -> Track:
        """Return the recording with this code."""
        raise Unsupported(f"{self.label} cannot look up {isrc}")

    async def search(self, query: str, deadline: Deadline) -> tuple[Track, ...]:
        """Return songs for free text, best first by the provider's own lights."""
        raise Unsupported(f"{self.label} has no search for {query!r}")

    async def heading(self, link: Link, deadline: Deadline) -> Heading:
        """Return what the page behind a link says of itself."""
        raise Unsupported(f"{self.label} does not read {link.provider} pages")

    async def audio(self, track: Track, deadline: Deadline) -> Preview:
        """Return some 30 s of this very recording."""
        raise Unsupported(f"{self.label} has no audio of {track}")

    async def similar(self, track: Track, deadline: Deadline) -> tuple[Track, ...]:
        """Return songs that may suit who likes this one, best first."""
        raise Unsupported(f"{self.label} does not know what is like {track}")

    async def genre(self, track: Track, deadline: Deadline) -> str:
        """Return the genre that the provider files this song under."""
        raise Unsupported(f"{self.label} does not know the genre of {track}")

    async def features(self, track: Track, deadline: Deadline) -> ForeignFeatures:
        """Return the provider's own numbers for the sound."""
        raise Unsupported(f"{self.label} has no audio features of {track}")


def make_track(
    provider: str,
    identifier: str,
    title: str,
    artists: Sequence[str | None],
    *,
    scheme: str | None = None,
    link: str | None = None,
    album: str | None = None,
    genre: str | None = None,
    year: int | None = None,
    isrc: str | None = None,
    duration: float | None = None,
    popularity: float | None = None,
) -> Track:
    """Make a track of what one provider said, each known field with that provenance.

    Parameters
    ----------
    provider : str
    identifier : str
        Its identity there.
    title : str
    artists : sequence of str or None
        Main artist first; None and repeated names are dropped.
    scheme : str, optional
        Of the identity, where it is not the provider's name.
    link : str, optional
        Public page; must be written by us or lie at a host that we know.
    """
    names = tuple(dict.fromkeys(name for name in artists if name))
    known: dict[str, object] = {
        "title": title,
        "artists": names or None,
        "album": album,
        "genre": genre,
        "year": year,
        "isrc": isrc,
        "duration": duration,
        "popularity": popularity,
    }
    return Track(
        id=track_id("isrc", isrc) if isrc else track_id(scheme or provider, identifier),
        title=title,
        artists=names,
        album=album,
        genre=genre,
        year=year,
        isrc=isrc,
        duration=duration,
        popularity=popularity,
        identities={scheme or provider: identifier} | ({"isrc": isrc} if isrc else {}),
        links={provider: link} if link else {},
        provenance={name: provider for name, value in known.items() if value is not None},
    )
