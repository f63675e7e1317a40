"""The contract that every provider keeps, and what a provider takes, declares and returns.

One file per provider. `musrec.sources.providers` lists them in the order in which they are asked;
settings, links, labels, health and the tests derive from that list.
"""

# ruff: noqa: ARG002 - the defaults of an interface name arguments that they do not use

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import SplitResult

from pydantic import SecretStr

from musrec.model import Track, track_id
from musrec.sources.fetch import Endpoints
from musrec.sources.gate import Deadline, Gate, Unsupported
from musrec.sources.lookups import Lookups

if TYPE_CHECKING:
    import aiohttp

    from musrec.sources.providers import SourcesSettings

# Links -------------------------------------------------------------------------------------------

NUMBER = re.compile(r"[0-9]{1,18}")
SLUG = re.compile(r"[0-9A-Za-z_\-]{1,200}")
LIST_ID = re.compile(r"[0-9A-Za-z_.\-]{1,100}")


class LinkKind(StrEnum):
    """What a link points at."""

    TRACK = "track"
    ALBUM = "album"
    PLAYLIST = "playlist"
    ARTIST = "artist"
    PODCAST = "podcast"
    SHORT = "short"
    """Says nothing by itself: it must be expanded first."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link to a site that some provider knows.

    Attributes
    ----------
    provider : str
        `Site.name`.
    kind : LinkKind
    id : str
        As the site writes it; ``user/song`` at SoundCloud, ``artist/song`` at Bandcamp.
    url : str
        The canonical public page, written by us from the other three.
    """

    provider: str
    kind: LinkKind
    id: str
    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class Site:
    """A site with pages of songs, and how its links are read.

    Attributes
    ----------
    name : str
        Key in identities and links; the provider's own name where the site is the provider's.
    label : str
        Name for people.
    hosts : tuple of str
        Hosts of its pages, without ``www.``; ``*.`` before a host stands for one or more labels.
    read : callable
        Given the segments of the path and the whole address, it returns the `Link`, or None where
        the address leads to no song and no list of songs. Only what it has matched against a
        pattern may enter the link's id and url, and it must read that url as the same link.
    short_hosts : tuple of str
        Hosts whose links only redirect to `hosts`.
    scheme : str
        Of addresses such as ``spotify:track:ID``, read as a path; empty where there are none.
    """

    name: str
    label: str
    hosts: tuple[str, ...]
    read: Callable[[list[str], SplitResult], Link | None]
    short_hosts: tuple[str, ...] = ()
    scheme: str = ""


# Answers -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Preview:
    """Audio of about 30 s, or of a whole song; never stored.

    Attributes
    ----------
    data : bytes
        As it came: hostile until decoded.
    provider : str
    page_url : str
        The public page that must be shown beside what came from it.
    track : Track
        The one that was asked for, with what else the provider knows of it: its id there, its
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
    """What a page says of itself, with title and artist not yet told apart.

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
    """Another service's numbers for a sound: shown with their origin, and used for nothing.

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
"""Names of Spotify's audio features, which ReccoBeats took over."""


# The contract ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Setup:
    """What providers are built from.

    Attributes
    ----------
    session : aiohttp.ClientSession
        The one session of all providers.
    endpoints : Endpoints
        Ask it for every address that is requested, so that tests can put a server there.
    lookups : Lookups
    settings : SourcesSettings
        The keys that the providers declare, and ``country``.
    """

    session: aiohttp.ClientSession
    endpoints: Endpoints
    lookups: Lookups
    settings: SourcesSettings


class Provider:
    """A service that is asked about songs.

    Subclass it in a file of its own, declare the attributes below, override the questions that the
    service can answer, and add the class to `musrec.sources.providers.PROVIDERS`. A question that
    is not overridden raises `Unsupported`, so that the chain can ask every provider in turn without
    knowing which of them can do what.

    The settings and links of the whole program derive from these classes, so importing the file
    must be fast: import aiohttp, spotipy and the like inside functions.

    **Outcomes.** A question returns its value, or raises one of three:

    - `Absent`: the service knows that there is none. Kept in the lookup cache, unless
      ``lasting=False``.
    - `Refused`: throttled, denied, broken, too slow, or an answer of unknown shape. Never kept; the
      breaker counts it and honours its ``retry_after``.
    - `Unsupported`: the service, or this key, cannot do it. The gate remembers it until the process
      ends, for the ``ability`` that was asked for.

    Raise nothing else: an exception of a library may hold a key or an address. Look for an error
    object before you trust HTTP 200 (``complaint`` of `Api.get`), and read every field with
    `musrec.sources.shapes`, because no answer need have the shape that was promised.

    **Identity.** Make tracks with `make_track`. ``identities[name]`` must equal the `Link.id` that
    `Site.read` finds in the track's public page: a link to a known song is answered by that id
    without a request, and a song is opened again by a link made from it. If the service uses
    another one's ids, pass that one's name as ``scheme``.

    **Gate and deadline.** Send every request through a `Gate`, as `Api.get` does, with half of the
    rate that the service allows. Services that fail independently have a gate each, all listed by
    `gates`. Never sleep or retry: pass the deadline on, and the gate gives each request at most
    half of the time left.

    **Provenance.** `make_track` records the provider for each field. Numbers for the sound are
    `ForeignFeatures`: shown with their origin, never part of a vector, a model or a profile.

    **Storage.** `Lookups` may keep what a `Track` holds: ids, names, numbers, public pages. Signed
    and short-lived addresses stay in memory, and audio is never kept.

    **Audio.** Subclass `musrec.sources.clips.ClipProvider`; its docstring says what to do for whole
    songs, signed addresses and audio behind redirects.

    Attributes
    ----------
    name : str
        Key in identities, links, provenance and settings.
    label : str
        Name for people.
    sites : tuple of Site
        Sites whose links it brings.
    key_free : bool
        Whether it works without a key. Then ``sources.NAME = false`` switches it off; otherwise it
        is on once all of `settings` are set.
    settings : mapping of str to bool, str or SecretStr
        Its own keys in the section ``[sources]``, beside that switch, with their defaults.
    tells_isrc : bool
        Whether opening a track there can tell its ISRC.
    off : str
        Why it is not asked; empty where it is.
    gate : Gate
    covers : frozenset of str
        Scheme and host of every address of a cover, see `fetch.permitted`; empty where it has none.
    """

    name: ClassVar[str]
    label: str
    sites: ClassVar[tuple[Site, ...]] = ()
    key_free: ClassVar[bool] = True
    settings: ClassVar[Mapping[str, bool | str | SecretStr]] = {}
    tells_isrc: ClassVar[bool] = True
    covers: ClassVar[frozenset[str]] = frozenset()
    off: str = ""
    gate: Gate

    def __init__(self, setup: Setup) -> None:
        if self.key_free:
            self.off = "" if getattr(setup.settings, self.name) else f"sources.{self.name} is false"
        elif not all(getattr(setup.settings, key) for key in self.settings):
            names = " and ".join(f"sources.{key}" for key in self.settings)
            self.off = f"{names} {'are' if len(self.settings) > 1 else 'is'} not set"

    @classmethod
    def build(cls, setup: Setup) -> Sequence[Provider]:
        """Return the provider; several, where one class stands for several services."""
        return (cls(setup),)

    def speaks_for(self, site: str) -> bool:
        """Whether a song of that site that it does not know does not exist."""
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
        """Return songs for free text, in the provider's own order, best first."""
        raise Unsupported(f"{self.label} has no search for {query!r}")

    async def heading(self, link: Link, deadline: Deadline) -> Heading:
        """Return what the page behind a link says of itself."""
        raise Unsupported(f"{self.label} does not read {link.provider} pages")

    async def audio(self, track: Track, deadline: Deadline) -> Preview:
        """Return audio of this very recording."""
        raise Unsupported(f"{self.label} has no audio of {track}")

    async def similar(self, track: Track, deadline: Deadline) -> tuple[Track, ...]:
        """Return songs for listeners who like this one, best first."""
        raise Unsupported(f"{self.label} does not know what is like {track}")

    async def genre(self, track: Track, deadline: Deadline) -> str:
        """Return the genre under which the provider files this song."""
        raise Unsupported(f"{self.label} does not know the genre of {track}")

    async def features(self, track: Track, deadline: Deadline) -> ForeignFeatures:
        """Return the provider's own numbers for the sound."""
        raise Unsupported(f"{self.label} has no audio features of {track}")

    async def cover(self, track: Track, deadline: Deadline) -> str:
        """Return where the provider serves the cover of this very recording.

        Keep the address in memory only: the terms of services differ in how long it may be kept.
        """
        raise Unsupported(f"{self.label} has no cover of {track}")


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
    """Make a track from one provider's answer, with that provenance for each known field.

    Parameters
    ----------
    provider : str
    identifier : str
        Its identity there: the id of its link.
    title : str
    artists : sequence of str or None
        Main artist first; None and repeated names are dropped.
    scheme : str, optional
        Of the identity, where it is not the provider's name.
    link : str, optional
        Public page; must be written by us or lie at a host that we know.
    album, genre : str, optional
    year : int, optional
    isrc : str, optional
    duration : float, optional
        Seconds.
    popularity : float, optional
        0 to 1.
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
