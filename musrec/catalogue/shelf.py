"""The catalogue as a shelf to browse: facets with counts, orders and pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from musrec.audio.descriptors import mood
from musrec.catalogue import search
from musrec.catalogue.model import FACETS, Order, Shelf, SongFilter
from musrec.model import Catalogue, NotFound
from musrec.titles import fold

if TYPE_CHECKING:
    from numpy.typing import NDArray

TEMPI = ((40, 80), (80, 100), (100, 120), (120, 140), (140, 220))
"""Ranges that a shelf can be narrowed to, beats per minute."""

MOODS = 3
"""Words that a song is counted under: those by which it is marked most."""


@dataclass(frozen=True, slots=True)
class Facets:
    """What each song is counted under, computed once for a catalogue.

    Attributes
    ----------
    values : mapping of str to (tuple of str, NDArray of bool, shape (n, values))
        For each of `FACETS`, its values and which songs have which.
    """

    values: Mapping[str, tuple[tuple[str, ...], NDArray[np.bool_]]]


def facets(catalogue: Catalogue) -> Facets:
    """Sort the songs of a catalogue under genres, moods, keys and tempi."""
    of: dict[str, list[tuple[str, ...]]] = {facet: [] for facet in FACETS}
    for track, profile in zip(catalogue.tracks, catalogue.profiles, strict=True):
        of["genre"].append((track.genre.lower(),) if track.genre else ())
        of["mood"].append(mood(profile.percentiles, MOODS))
        of["key"].append((profile.key,) if profile.key else ())
        tempo = profile.tempo or 0.0
        of["tempo"].append(tuple(f"{a}–{b}" for a, b in TEMPI if a <= tempo < b))
    values = {}
    for facet, rows in of.items():
        known = sorted({value for row in rows for value in row})
        column = {value: at for at, value in enumerate(known)}
        has = np.zeros((len(rows), len(known)), bool)
        for at, row in enumerate(rows):
            has[at, [column[value] for value in row]] = True
        values[facet] = tuple(known), has
    return Facets(values)


def browse(
    catalogue: Catalogue,
    names: tuple[search.Name, ...],
    known: Facets,
    wanted: SongFilter,
    order: Order,
    page: int,
    size: int,
) -> Shelf:
    """Return one page of the songs that are as wanted, and what all of them are counted under."""
    why = ""
    try:
        rows = search.rows(catalogue, names, wanted)
    except NotFound as none:
        rows, why = np.empty(0, np.intp), f"{none} {none.hint}"
    rows = _ordered(rows, catalogue, names, order)
    pages = max(1, -(-len(rows) // size))
    page = min(max(page, 0), pages - 1)
    shown = rows[page * size : (page + 1) * size].tolist()
    return Shelf(
        tuple((catalogue.tracks[row], catalogue.profiles[row]) for row in shown),
        {facet: _counted(*known.values[facet], rows) for facet in FACETS},
        len(rows),
        page,
        pages,
        why,
    )


def artists(catalogue: Catalogue, text: str = "") -> list[tuple[str, int]]:
    """Return every artist whose name holds a text, and how many songs there are of each."""
    found = Counter(artist for track in catalogue.tracks for artist in track.artists)
    part = fold(text)
    return sorted(
        ((name, count) for name, count in found.items() if part in fold(name)),
        key=lambda one: fold(one[0]),
    )


def _counted(
    values: tuple[str, ...], has: NDArray[np.bool_], rows: NDArray[np.intp]
) -> dict[str, int]:
    counts = has[rows].sum(axis=0)
    order = np.argsort(-counts, kind="stable")
    return {values[at]: int(counts[at]) for at in order if counts[at]}


def _ordered(
    rows: NDArray[np.intp], catalogue: Catalogue, names: tuple[search.Name, ...], order: Order
) -> NDArray[np.intp]:
    tracks, profiles = catalogue.tracks, catalogue.profiles
    keys = {
        "title": lambda row: names[row].title,
        "artist": lambda row: (names[row].artist, names[row].title),
        "year": lambda row: -(tracks[row].year or 0),
        "tempo": lambda row: profiles[row].tempo or np.inf,
    }
    if order == "best":
        return rows
    return np.array(sorted(rows.tolist(), key=keys[order]), np.intp)
