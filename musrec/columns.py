"""Tracks and profiles of a whole catalogue as parallel columns, each song made when asked for.

A million records of Python objects take gigabytes and minutes to make; their columns are arrays
that may lie in files. `Profiles.of` and `Tracks.of` work as `np.asarray` does: what is in columns
already is returned as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from threading import Lock
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from musrec import wording
from musrec.model import PITCH_CLASSES, Harmony, Profile, Singing, Track
from musrec.titles import main_artist, recording_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.model import FloatArray

KEYS = tuple(
    wording.key(Harmony(tonic, mode, 1.0, 0.0))
    for mode in ("major", "minor")
    for tonic in PITCH_CLASSES
)
"""Every key, as `Profile.key` is written."""

SINGING: tuple[Singing, ...] = ("", "sung", "instrumental")
"""Every value of `Profile.voice`."""


def number(name: str) -> int:
    """Return a number, 1 to 2**64 - 1, that stands for a name on every machine; 0 for ""."""
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return max(int.from_bytes(digest, "little"), 1) if name else 0


def numbers(names: Iterable[str]) -> NDArray[np.uint64]:
    """Return the `number` of each name."""
    return np.array([number(name) for name in names], np.uint64)


def among(values: NDArray[np.uint64], few: Iterable[int]) -> NDArray[np.bool_]:
    """Return which of many numbers (n,) are among a few.

    `numpy.isin` compares all of them with each of the few, or sorts all: ten times as long for 200
    of a million. Here most are ruled out by their last 16 bits.
    """
    wanted = np.array(sorted(set(few)), np.uint64)
    if len(wanted) < 4:
        return np.isin(values, wanted)
    endings = np.zeros(1 << 16, bool)
    endings[wanted.astype(np.uint16)] = True
    likely = np.flatnonzero(endings[values.astype(np.uint16)])
    has = np.zeros(len(values), bool)
    has[likely] = np.isin(values[likely], wanted)
    return has


def most_frequent(
    of: NDArray[np.integer], among: NDArray[np.integer]
) -> tuple[NDArray[np.integer], NDArray[np.intp]]:
    """Return each number of `of`, ascending, and a row with what stands beside it most often.

    Of several that do so equally often, the one that comes first; of its rows, the first.

    Parameters
    ----------
    of, among : NDArray of int, shape (n,)
    """
    order = np.lexsort((among, of))  # stable: rows of a pair stay in order
    begins = np.ones(len(order), bool)
    begins[1:] = (np.diff(of[order]) != 0) | (np.diff(among[order]) != 0)
    starts = np.flatnonzero(begins)
    rows, counts = order[starts], np.diff(np.append(starts, len(order)))
    rows = rows[np.lexsort((rows, -counts, of[rows]))]
    values, first = np.unique(of[rows], return_index=True)
    return values, rows[first]


@dataclass(frozen=True, slots=True, eq=False)
class Profiles(Sequence[Profile]):
    """How songs sound, as columns; a number that is not known is NaN.

    Attributes
    ----------
    tags : FloatArray, shape (n, len(tag_names))
    percentiles : array, shape (n, len(percentile_names))
    genres : array, shape (n, len(genre_names))
    tempi : array, shape (n, 2)
        Beats per minute: the tempo, and the other one that a listener may count.
    keys : NDArray of int8, shape (n,)
        Place in `key_names`; -1 if not known.
    instruments : FloatArray, shape (n, len(instrument_names))
        NaN where an instrument may not be said.
    voices : NDArray of int8, shape (n,)
        Place in `SINGING`.
    """

    tag_names: tuple[str, ...]
    percentile_names: tuple[str, ...]
    genre_names: tuple[str, ...]
    key_names: tuple[str, ...]
    instrument_names: tuple[str, ...]
    tags: FloatArray
    percentiles: NDArray[np.float64]
    genres: NDArray[np.float64]
    tempi: NDArray[np.float64]
    keys: NDArray[np.int8]
    instruments: FloatArray
    voices: NDArray[np.int8]

    @staticmethod
    def of(
        profiles: Sequence[Profile],
        tags: tuple[str, ...] = (),
        percentiles: tuple[str, ...] = (),
        genres: tuple[str, ...] = (),
        instruments: tuple[str, ...] = (),
    ) -> Profiles:
        """Return profiles as columns: of these names first, then of any others that there are."""
        if isinstance(profiles, Profiles):
            return profiles
        tag_names, tag_rows = _columns([p.tags for p in profiles], tags, np.float32)
        percentile_names, places = _columns([p.percentiles for p in profiles], percentiles)
        genre_names, shares = _columns([p.genres for p in profiles], genres)
        playing, heard = _columns([p.instruments for p in profiles], instruments, np.float32)
        key_names = tuple(dict.fromkeys((*KEYS, *(p.key for p in profiles if p.key))))
        place_of = {name: at for at, name in enumerate(key_names)}
        tempi = [(p.tempo or np.nan, p.other_tempo or np.nan) for p in profiles]
        return Profiles(
            tag_names,
            percentile_names,
            genre_names,
            key_names,
            playing,
            tag_rows,
            places,
            shares,
            np.array(tempi, np.float64).reshape(-1, 2),
            np.array([place_of.get(p.key or "", -1) for p in profiles], np.int8),
            heard,
            np.array([SINGING.index(p.voice) for p in profiles], np.int8),
        )

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, row: int) -> Profile: ...
    @overload
    def __getitem__(self, row: slice) -> Profiles: ...
    def __getitem__(self, row: int | slice) -> Profile | Profiles:
        if isinstance(row, slice):
            return self.take(row)
        genres = _known(self.genre_names, self.genres[row])
        playing = _known(self.instrument_names, self.instruments[row])
        tempo, other = (None if isnan(value) else value for value in self.tempi[row].tolist())
        key = int(self.keys[row])
        return Profile(
            _known(self.tag_names, self.tags[row]),
            _known(self.percentile_names, self.percentiles[row]),
            dict(sorted(genres.items(), key=lambda item: -item[1])),
            tempo,
            self.key_names[key] if key >= 0 else None,
            other,
            dict(sorted(playing.items(), key=lambda item: -item[1])),
            SINGING[int(self.voices[row])],
        )

    def take(self, rows: slice | NDArray[np.intp] | Sequence[int]) -> Profiles:
        """Return the profiles of some rows."""
        return Profiles(
            self.tag_names,
            self.percentile_names,
            self.genre_names,
            self.key_names,
            self.instrument_names,
            self.tags[rows],
            self.percentiles[rows],
            self.genres[rows],
            self.tempi[rows],
            self.keys[rows],
            self.instruments[rows],
            self.voices[rows],
        )

    def percentile(self, name: str) -> NDArray[np.float64]:
        """Return the percentile (n,) of a descriptor; NaN where it is not known."""
        if name not in self.percentile_names:
            return np.full(len(self), np.nan)
        return self.percentiles[:, self.percentile_names.index(name)]

    def instrument(self, name: str) -> FloatArray:
        """Return the share (n,) of an instrument or voice; NaN where it may not be said."""
        if name not in self.instrument_names:
            return np.full(len(self), np.nan, np.float32)
        return self.instruments[:, self.instrument_names.index(name)]

    def tag(self, name: str) -> FloatArray:
        """Return the share (n,) of a tag; NaN where it is not known."""
        if name not in self.tag_names:
            return np.full(len(self), np.nan, np.float32)
        return self.tags[:, self.tag_names.index(name)]


def _columns(
    rows: Sequence[Mapping[str, float]],
    names: tuple[str, ...],
    dtype: type[np.floating] = np.float64,
) -> tuple[tuple[str, ...], NDArray[Any]]:
    column = {name: at for at, name in enumerate(names)}
    for row in rows:
        for name in row:
            column.setdefault(name, len(column))
    values = np.full((len(rows), len(column)), np.nan, dtype)
    for at, row in enumerate(rows):
        if row:
            values[at, [column[name] for name in row]] = list(row.values())
    return tuple(column), values


def _known(names: tuple[str, ...], values: NDArray[np.floating]) -> dict[str, float]:
    return {name: v for name, v in zip(names, values.tolist(), strict=True) if not isnan(v)}


class RowOf(Mapping[str, int]):
    """The row of each id, read when one is first asked for.

    Parameters
    ----------
    ids : callable
        Takes a row, returns the ids from that row on.
    n : int
        How many songs there are.
    before : RowOf, optional
        That of the catalogue from which this one has grown: it shares what was read.
    """

    def __init__(
        self, ids: Callable[[int], Iterable[str]], n: int, before: RowOf | None = None
    ) -> None:
        self._ids, self._n = ids, n
        self._known: dict[str, int] = {} if before is None else before._known
        self._reading: Lock = Lock() if before is None else before._reading

    def read(self) -> dict[str, int]:
        """Return all that is known; a catalogue that has grown since may know more."""
        if len(self._known) < self._n:
            with self._reading:
                first = len(self._known)
                if first < self._n:
                    rows = enumerate(self._ids(first), start=first)
                    self._known.update((id_, row) for row, id_ in rows)
        return self._known

    def __getitem__(self, id_: str) -> int:
        row = self.read()[id_]
        if row >= self._n:
            raise KeyError(id_)
        return row

    def __contains__(self, id_: object) -> bool:
        return self.read().get(id_, self._n) < self._n  # type: ignore[call-overload,no-any-return]

    def __iter__(self) -> Iterator[str]:
        return (id_ for id_, row in list(self.read().items()) if row < self._n)

    def __len__(self) -> int:
        return self._n


@dataclass(frozen=True, slots=True, eq=False)
class Tracks(Sequence[Track]):
    """Which songs they are, as columns; a `Track` is made when it is asked for.

    Attributes
    ----------
    read : callable
        Takes a row, returns its `Track`.
    row_of : RowOf
    artists, recordings : NDArray of uint64, shape (n,)
        `number` of each `main_artist` (0: unknown) and `recording_key`.
    popularity : FloatArray, shape (n,)
        0 to 1; 0 where it is not known.
    stated : NDArray of int32, shape (n,)
        Place of the stated genre in `genre_names`; -1 for none.
    years : NDArray of int16, shape (n,)
        0 where it is not known.
    genre_names : sequence of str
        As stated.
    """

    read: Callable[[int], Track]
    row_of: RowOf
    artists: NDArray[np.uint64]
    recordings: NDArray[np.uint64]
    popularity: FloatArray
    stated: NDArray[np.int32]
    years: NDArray[np.int16]
    genre_names: Sequence[str]

    @staticmethod
    def of(tracks: Sequence[Track]) -> Tracks:
        """Return tracks as columns."""
        if isinstance(tracks, Tracks):
            return tracks
        genres = {
            genre: at for at, genre in enumerate(dict.fromkeys(t.genre for t in tracks if t.genre))
        }
        stated = [track.popularity or 0.0 for track in tracks]
        return Tracks(
            tracks.__getitem__,
            RowOf(lambda first: [track.id for track in tracks[first:]], len(tracks)),
            numbers(map(main_artist, tracks)),
            numbers(map(recording_key, tracks)),
            np.clip(np.nan_to_num(np.array(stated, np.float32)), 0, 1),
            np.array([genres.get(track.genre or "", -1) for track in tracks], np.int32),
            np.array([track.year or 0 for track in tracks], np.int16),
            tuple(genres),
        )

    def __len__(self) -> int:
        return len(self.artists)

    @overload
    def __getitem__(self, row: int) -> Track: ...
    @overload
    def __getitem__(self, row: slice) -> tuple[Track, ...]: ...
    def __getitem__(self, row: int | slice) -> Track | tuple[Track, ...]:
        if isinstance(row, slice):
            return tuple(self.read(at) for at in range(*row.indices(len(self))))
        at = int(row)
        if at < 0:
            at += len(self)
        if not 0 <= at < len(self):
            raise IndexError(row)  # ends a loop over all
        return self.read(at)

    def rows(self, ids: Iterable[str]) -> NDArray[np.intp]:
        """Return the rows of those ids that are here, in their order."""
        found = (self.row_of.get(id_, -1) for id_ in ids)
        return np.array([row for row in found if row >= 0], np.intp)
