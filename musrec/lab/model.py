"""Records of the laboratory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from musrec.model import FloatArray


@dataclass(frozen=True, slots=True)
class Clip:
    """One audio file of a data set.

    Attributes
    ----------
    id : str
        Unique in its data set.
    label : str
        Genre, or whatever the folders stand for.
    artist, title : str
        Empty if not known.
    part : str
        ``train``, ``valid`` or ``test`` if the data set says so, else empty.
    columns : mapping of str to float
        Numbers that the data set gives, such as Spotify's ``energy`` or ``popularity``.
    genres : tuple of str
        Every genre that a hierarchy gives the clip, the most specific ones included.
    """

    id: str
    path: Path
    label: str
    artist: str = ""
    title: str = ""
    part: str = ""
    columns: Mapping[str, float] = field(default_factory=dict)
    genres: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """A file or a row that was left out, and why."""

    what: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Published:
    """Features that a data set comes with, such as FMA's ``features.csv``.

    Attributes
    ----------
    names : tuple of str, length f
        In the words of `extraction.NAMES`: ``mfcc_0_mean``.
    values : mapping of clip id to FloatArray, shape (f,)
    """

    names: tuple[str, ...] = ()
    values: Mapping[str, FloatArray] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DataSet:
    """Clips as a folder lists them, before any was heard.

    Attributes
    ----------
    layout : str
        ``gtzan``, ``fma``, ``spotify`` or ``folders``.
    parents : mapping of str to str
        Genre to the genre above it, where there is a hierarchy.
    published : Published
        Empty if the data set comes with no features.
    """

    layout: str
    folder: Path
    clips: tuple[Clip, ...]
    faults: tuple[Fault, ...] = ()
    parents: Mapping[str, str] = field(default_factory=dict)
    published: Published = Published()

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, in alphabetical order."""
        return tuple(sorted({clip.label for clip in self.clips}))
