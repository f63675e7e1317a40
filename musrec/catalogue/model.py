"""Records of the catalogue: its files, and what is drawn of its songs."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from musrec.model import Closeness, NotFound, Profile, Spectrogram, Track

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from musrec.model import FloatArray


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What tells a changed file from an unchanged one without reading it."""

    path: str
    size: int
    modified_ns: int

    @classmethod
    def of(cls, path: Path | str, stat: os.stat_result | None = None) -> FileStamp:
        """Take the stamp of a file; raises `OSError` if it cannot be examined."""
        stat = stat or Path(path).stat()
        return cls(stored(path), stat.st_size, stat.st_mtime_ns)


def stored(path: Path | str) -> str:
    r"""Return a path as a database keeps it.

    A name may be any bytes, and a database takes UTF-8: other bytes are written as ``\xe9``.
    """
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def path_of(text: str) -> Path:
    r"""Return the path that `stored` wrote; a name that holds ``\xe9`` itself comes first."""
    path = Path(text)
    if os.sep == "\\" or "\\x" not in text or path.exists():
        return path
    raw = re.sub(rb"\\x([89a-f][0-9a-f])", lambda m: bytes.fromhex(m[1].decode()), text.encode())
    return Path(os.fsdecode(raw))


@dataclass(frozen=True, slots=True, eq=False)
class Atlas:
    """The catalogue in two dimensions.

    Attributes
    ----------
    points : FloatArray, shape (n, 2)
        The two directions in which songs differ most (principal components of unit vectors).
    groups : NDArray of intp, shape (n,)
        Row of `names` for each song (k-means on all dimensions).
    names : tuple of str
        What is heard in each group more than elsewhere.
    share : float
        0 to 1: how much of all variance the two directions show.
    key : str
        The same for the same songs in the same order: what their rows mean.
    """

    points: FloatArray
    groups: NDArray[np.intp]
    names: tuple[str, ...]
    share: float
    key: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One feature of two songs, written for people.

    Attributes
    ----------
    name : str
        With its unit.
    ours, theirs : str
        The two values.
    apart : float
        How far apart they are, in standard deviations of the catalogue; 0 is alike.
    """

    name: str
    ours: str
    theirs: str
    apart: float


@dataclass(frozen=True, slots=True)
class Feature:
    """One number of two songs.

    Attributes
    ----------
    ours, theirs : float or None
        None where not known.
    apart : float or None
        In standard deviations of the catalogue, where those are known.
    """

    name: str
    ours: float | None
    theirs: float | None
    apart: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Two songs feature by feature.

    Attributes
    ----------
    alike : float
        -1 to 1: the likeness of `musrec.space.Index`, before hubs are corrected: the cosine of
        their vectors, and of their fine embeddings if both have one.
    closeness : Closeness
        The word for the cosine of their vectors, as a recommendation has it.
    because : tuple of (str, float)
        Feature to what it adds to `alike`, largest first; together with what every song of the
        space has in common they sum to it.
    differences : tuple of Difference
        Everything that has a name and a unit for people, as a picture shows it.
    features : tuple of Feature
        Every statistic, tag and descriptor.
    """

    alike: float
    closeness: Closeness
    because: tuple[tuple[str, float], ...]
    differences: tuple[Difference, ...]
    features: tuple[Feature, ...]


class By(StrEnum):
    """What a song is compared by."""

    SOUND = "sound"
    SPECTROGRAM = "spectrogram"
    FEATURES = "features"


@dataclass(frozen=True, slots=True)
class SystemPair:
    """What the spectrogram alone and the statistics alone find for one song.

    Attributes
    ----------
    by_spectrogram, by_features : tuple of Track
        Most alike first.
    shared : int
        Songs in both.
    jaccard : float
        0 to 1: shared songs among all songs of both.
    correlation : float or None
        Spearman's rank correlation over all songs of both, -1 to 1; None for fewer than three.
    among : int
        Songs that both systems know.
    left_out : int
        Songs without a spectrogram, which were left out of both.
    """

    by_spectrogram: tuple[Track, ...]
    by_features: tuple[Track, ...]
    shared: int
    jaccard: float
    correlation: float | None
    among: int
    left_out: int


@dataclass(frozen=True, slots=True, eq=False)
class GalleryRow:
    """One row of a gallery: a label and the songs under it.

    Attributes
    ----------
    songs : tuple of (Track, Spectrogram, str)
        Each with a few words of why it stands here, such as ``"intensity 93"``.
    """

    label: str
    songs: tuple[tuple[Track, Spectrogram, str], ...]


@dataclass(frozen=True, slots=True)
class SongFilter:
    """What a song must be; empty means anything.

    Attributes
    ----------
    text : str
        Title, artist or both, nearly right.
    artist : str
        Part of an artist's name.
    mood : str
        One of `moods`.
    instrument : str
        One of `musrec.audio.instruments.WORDS`.
    voice : str
        ``"sung"`` or ``"instrumental"``.
    key : str
        Such as ``"A minor"``, or ``"A"`` for both modes.
    tempo : pair of float or None
        Beats per minute, both ends included.
    """

    text: str = ""
    artist: str = ""
    genre: str = ""
    mood: str = ""
    key: str = ""
    tempo: tuple[float, float] | None = None
    instrument: str = ""
    voice: str = ""


Near = tuple[Track, float]
"""A song, and how much it sounds like the one asked about: 0 to 1, 1 for the same song."""

Order = Literal["best", "title", "artist", "year", "tempo"]
ORDERS: Mapping[Order, str] = {
    "best": "best match",
    "title": "title",
    "artist": "artist",
    "year": "newest",
    "tempo": "slowest",
}

FACETS = ("genre", "mood", "instrument", "voice", "key", "tempo")


@dataclass(frozen=True, slots=True)
class Shelf:
    """One page of songs.

    Attributes
    ----------
    facets : mapping of str to mapping of str to int
        For each of `FACETS`, its values among all the songs found, the most frequent first.
    page, pages : int
        From 0; there is at least one page, which may be empty.
    why : str
        Why there is none; empty otherwise.
    """

    songs: tuple[tuple[Track, Profile], ...]
    facets: Mapping[str, Mapping[str, int]]
    total: int
    page: int
    pages: int
    why: str = ""


def tempo_range(text: str) -> tuple[float, float]:
    """Read ``"120"`` (a little either way) or ``"100-120"`` in beats per minute.

    Raises
    ------
    NotFound
        It is neither.

    Examples
    --------
    >>> tempo_range("100-120")
    (100.0, 120.0)
    >>> tempo_range("brisk")
    Traceback (most recent call last):
    musrec.model.NotFound: “brisk” is no tempo.
    """
    low, dash, high = text.replace("–", "-").replace(" ", "").partition("-")
    try:
        first = float(low)
        last = float(high) if dash else first
    except ValueError:
        first = last = math.nan
    if not (0 < first <= last < 1000):
        raise NotFound(f"“{text[:40]}” is no tempo.", "Write it as 120, or as 100-120.")
    return (first, last) if dash else (first * 0.97, first * 1.03)


@dataclass(frozen=True, slots=True)
class Reheard:
    """One song that was heard again, or the problem with it; then the older analysis serves on."""

    track: Track
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Added:
    """One file of those that were added.

    Attributes
    ----------
    path : Path
    track : Track or None
        None if the file could not be added.
    problem : str
        Why it could not; empty otherwise.
    known : bool
        Analysed before and unchanged since, so passed over; with a problem, the one found then.
    gone : bool
        It was heard before, and is no longer there. Its song is `track`.
    """

    path: Path
    track: Track | None = None
    problem: str = ""
    known: bool = False
    gone: bool = False


class JobKind(StrEnum):
    """Kinds of work that any process may do."""

    HEAR = "hear"
    """Hear a song from its preview."""
    AGAIN = "again"
    """Hear a song again that an older analyser or encoder heard."""
    EXPLORE = "explore"
    """Look for songs around what members liked."""
    DROP = "drop"
    """Decide what will be in a member's drop that is due soon."""


class JobState(StrEnum):
    """How far a job has come."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    """It was tried too often."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job that this process does.

    Attributes
    ----------
    key : str
        Tells it from others of its kind.
    track : Track or None
        The song that it is about.
    token : str
        Under which this process does it.
    """

    id: int
    kind: JobKind
    key: str
    track: Track | None
    token: str


@dataclass(frozen=True, slots=True)
class DeadJob:
    """A job that was given up.

    Attributes
    ----------
    why : str
        What went wrong the last time, in a sentence.
    tries : int
    at : datetime
        When it was given up.
    """

    kind: JobKind
    track: Track | None
    why: str
    tries: int
    at: datetime
