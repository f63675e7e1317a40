"""The catalogue as a shelf to browse: facets with counts, orders and pages."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from musrec.audio import descriptors
from musrec.catalogue import search
from musrec.catalogue.model import FACETS, Order, Shelf, SongFilter
from musrec.columns import SINGING, Profiles, Tracks
from musrec.model import Catalogue, Constraints, NotFound
from musrec.recommend import variety
from musrec.titles import fold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.catalogue.engine import Engine

TEMPI = ((40, 80), (80, 100), (100, 120), (120, 140), (140, 220))
"""Ranges that a shelf can be narrowed to, beats per minute."""


@dataclass(frozen=True, slots=True)
class Facets:
    """What each song is counted under, computed once for a catalogue.

    Attributes
    ----------
    values : mapping of str to (tuple of str, NDArray of bool, shape (n, values))
        For each of `FACETS`, its values and which songs have which.
    """

    values: Mapping[str, tuple[tuple[str, ...], NDArray[np.bool_]]]


def facets(engine: Engine) -> Facets:
    """Sort the songs of a catalogue under all `FACETS`, as a search does."""
    catalogue = engine.catalogue
    tracks, profiles = Tracks.of(catalogue.tracks), Profiles.of(catalogue.profiles)
    genres = sorted({name.lower() for name in tracks.genre_names})
    tempi = profiles.tempi
    columns: dict[str, Mapping[str, NDArray[np.bool_]]] = {
        "genre": {
            genre: variety.allowed(catalogue, Constraints(only_genres=frozenset((genre,))))[0]
            for genre in genres
        },
        "mood": descriptors.moods(profiles),
        "instrument": {
            word: np.isfinite(profiles.instrument(word)) for word in profiles.instrument_names
        },
        "voice": {word: np.isin(profiles.voices, at) for at, word in enumerate(SINGING) if word},
        "key": {
            profiles.key_names[key]: profiles.keys == key
            for key in sorted(set(profiles.keys[profiles.keys >= 0].tolist()))
        },
        "tempo": {
            f"{low}–{high}": np.any((tempi >= low) & (tempi <= high), axis=1) for low, high in TEMPI
        },
    }
    return Facets({facet: _sorted(has, len(catalogue)) for facet, has in columns.items()})


def _sorted(
    columns: Mapping[str, NDArray[np.bool_]], n: int
) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    known = sorted(name for name, has in columns.items() if has.any())
    return tuple(known), np.array([columns[name] for name in known], bool).T.reshape(n, len(known))


def browse(
    catalogue: Catalogue,
    names: search.Names,
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


def artists(engine: Engine) -> list[tuple[str, str, int]]:
    """Return every artist: folded name, name, and how many songs; in the order of folded names.

    Songs whose artists are called alike together have the same artists: only one of them is read.
    """
    catalogue, names = engine.catalogue, engine.names
    songs, first = Counter[str](), dict[str, int]()
    for start in range(0, len(catalogue), _TOGETHER):
        rows = np.arange(start, min(start + _TOGETHER, len(catalogue)))
        together = names.artists(rows)
        songs.update(together)
        rows_of = dict(zip(reversed(together), reversed(rows.tolist()), strict=True))
        first.update((credit, rows_of[credit]) for credit in rows_of.keys() - first.keys())
    found = Counter[str]()
    for credit, row in first.items():
        for name in catalogue.tracks[row].artists:
            found[name] += songs[credit]
    listed = [(fold(name), name, count) for name, count in found.items()]
    parts = (listed[at : at + _TOGETHER] for at in range(0, len(listed), _TOGETHER))
    return list(heapq.merge(*map(sorted, parts)))


_TOGETHER = 4_096  # songs that are counted, or artists that are sorted, while the event loop waits


def _counted(
    values: tuple[str, ...], has: NDArray[np.bool_], rows: NDArray[np.intp]
) -> dict[str, int]:
    counts = has[rows].sum(axis=0)
    order = np.argsort(-counts, kind="stable")
    return {values[at]: int(counts[at]) for at in order if counts[at]}


def _ordered(
    rows: NDArray[np.intp], catalogue: Catalogue, names: search.Names, order: Order
) -> NDArray[np.intp]:
    keys: Sequence[Any] | NDArray[Any]
    match order:
        case "best":
            return rows
        case "year":
            keys = -Tracks.of(catalogue.tracks).years[rows].astype(np.intp)
        case "tempo":
            keys = np.nan_to_num(Profiles.of(catalogue.profiles).tempi[rows, 0], nan=np.inf)
        case "title":
            keys = names.titles(rows)
        case "artist":
            keys = list(zip(names.artists(rows), names.titles(rows), strict=True))
    return rows[sorted(range(len(rows)), key=keys.__getitem__)]
