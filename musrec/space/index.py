"""Neighbours among vectors, corrected so that no song is a neighbour of everything.

In high dimensions a few songs, the hubs, come out near almost every other. Mutual proximity
(D. Schnitzer, A. Flexer, M. Schedl, G. Widmer, "Local and global scaling reduce hubs in space",
JMLR 13, 2012) measures how alike two songs are by how unusual their likeness is to *both*: with
the likenesses of song x to all songs taken as normal with mean m(x) and deviation s(x),

    similarity(x, y) = Phi((l - m(x)) / s(x)) * Phi((l - m(y)) / s(y)),    l = likeness(x, y)

Here every likeness is an inner product of `x` with a stored row, so m and s over the whole
catalogue follow from the mean and the second moment of its rows: no song has to be compared with
all others to know them, queries from outside need nothing more, and new rows only add to two sums.

Some songs have a fine embedding (`Place.fine`) beside the vector. Between two of these the likeness
is the mean of both cosines, that of the fine embedding counting twice, for the two views that it is
made of. Such likenesses have another mean and spread than those of vectors alone, so the two kinds
cannot be ranked together as they are. They are brought to the same scale by linear equating
(M. Kolen, R. Brennan, "Test Equating, Scaling, and Linking", 2004): for each song, its likenesses
to the rows with a fine embedding are given the mean and the deviation of the likenesses of its
vector to the same rows. Whether a song has one changes who its neighbours are, not how many it has.

Rhythm and harmony (`musrec.space.parts`) add to either likeness: nothing where they are not known
of both songs, which is also what they add on average where they are.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from musrec.space import parts as song_parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from musrec.model import FloatArray, Place

Distance = Literal["cosine", "correlation", "euclidean"]

_ENOUGH_ROWS = 30
"""Fewer have no distribution to speak of: plain likeness is used."""

STILL = 1.01
"""Growth up to which old rows keep their scales: the catalogue has hardly changed."""

_BLOCK = 65_536  # rows in double precision at a time

_NEARBY = 4_096  # rows that are compared at a time: what is computed of them stays in the cache

FINE_SHARE = 2 / 3
"""Of the likeness of two songs with a fine embedding: each of the three views counts the same."""


class Index:
    """Vectors of a catalogue; rows are never changed, `extended` makes a new index.

    Parameters
    ----------
    vectors : FloatArray, shape (n, d)
        Finite.
    distance : str
        ``"cosine"``, ``"correlation"`` (cosine after each vector's own mean is taken away) or
        ``"euclidean"`` (squared).
    fine : FloatArray, shape (n, e), optional
        Fine embeddings of length 1, for the distance ``"cosine"``; NaN in rows without one.
    parts : FloatArray, shape (n, p), optional
        From `musrec.space.parts.of`, for the distance ``"cosine"``.
    corrected : bool
        Whether hubs are corrected by mutual proximity.
    """

    def __init__(
        self,
        vectors: FloatArray,
        distance: Distance = "cosine",
        *,
        fine: FloatArray | None = None,
        parts: FloatArray | None = None,
        corrected: bool = True,
    ) -> None:
        vectors = np.asarray(vectors, dtype=np.float32)
        if vectors.ndim != 2 or not np.isfinite(vectors).all():
            raise ValueError("finite vectors of shape (n, d) are needed")
        if fine is None:
            fine = np.full((len(vectors), 0), np.nan, dtype=np.float32)
        elif len(fine) != len(vectors) or distance != "cosine":
            raise ValueError("one fine embedding per row is needed, and the distance cosine")
        if parts is None:
            parts = np.zeros((len(vectors), 0), dtype=np.float32)
        elif len(parts) != len(vectors) or distance != "cosine":
            raise ValueError("the parts of every row are needed, and the distance cosine")
        rows = Rows.of(vectors, np.asarray(fine, dtype=np.float32), parts, distance)
        self._set(rows, Sums.of(rows), vectors.shape[1], parts.shape[1], distance, corrected)
        self._settle(_Scales.none(), (0, 0))

    @classmethod
    def over(cls, rows: Rows, sums: Sums, scales: Sequence[FloatArray], *, n_parts: int) -> Index:
        """Return an index of the distance cosine over columns that were computed before.

        Parameters
        ----------
        sums : Sums
            Of `rows`.
        scales : sequence of four FloatArray, shape (n,)
            From `scales`.
        n_parts : int
            How many columns of the keys are parts.
        """
        index = cls.__new__(cls)
        index._set(rows, sums, rows.keys.shape[1] - n_parts, n_parts, "cosine", corrected=True)
        index._scales = _Scales(*scales) if index.corrected else _Scales.none()
        index._settled = sums.counts
        return index

    def _set(
        self,
        rows: Rows,
        sums: Sums,
        width: int,
        n_parts: int,
        distance: Distance,
        corrected: bool,
    ) -> None:
        self.distance: Distance = distance
        self._wanted = corrected
        self._width, self._n_parts = width, n_parts
        self._keys, self._fine, self._has_fine = rows
        self._all, self._some = sums
        self.corrected = corrected and len(self) >= _ENOUGH_ROWS

    def _settle(self, before: _Scales, settled: tuple[int, int]) -> None:
        """Set the scales; the first rows keep theirs if the catalogue has hardly grown."""
        counts = self._all.count, self._some.count
        grown = any(now > STILL * then for now, then in zip(counts, settled, strict=True))
        self._scales, self._settled = _Scales.none(), counts
        if self.corrected and not grown:
            self._settled = settled
            more = _Scales(*self.scales(len(before.slope), len(self)))
            self._scales = _Scales.joined([before, more])
        elif self.corrected:
            self._scales = _Scales(*self.scales(0, len(self)))

    @property
    def _shares(self) -> FloatArray:
        """What each column of the keys counts between two songs with a fine embedding."""
        shares = np.full(self._keys.shape[1], 1 - FINE_SHARE, dtype=np.float32)
        shares[len(shares) - self._n_parts :] = 1
        return shares

    def __len__(self) -> int:
        return len(self._keys)

    def similarities(
        self,
        vector: FloatArray,
        fine: FloatArray | None = None,
        parts: FloatArray | None = None,
    ) -> FloatArray:
        """How alike a song and every row are, 0 (not at all) to 1 (the same).

        Parameters
        ----------
        vector : FloatArray, shape (d,)
        fine : FloatArray, shape (e,), optional
            Fine embedding of length 1; NaN or None for a song without one.
        parts : FloatArray, shape (p,), optional

        Returns
        -------
        FloatArray, shape (n,)
        """
        similarities: FloatArray = np.float32(1) - self._unlike(vector, fine, parts)
        return similarities

    def alike(self, place: Place) -> FloatArray:
        """Return `similarities` of a song's place."""
        return self.similarities(place.vector, place.fine, self._parts_of(place))

    def between(
        self, place: Place, vectors: FloatArray, fine: FloatArray | None, parts: FloatArray
    ) -> FloatArray:
        """Return `similarities` (m,) of a song to songs that are not in the catalogue.

        Parameters
        ----------
        vectors, fine, parts : FloatArray, shapes (m, d), (m, e) and (m, p)
            Each is compared as if it replaced one row: scales are those of the whole catalogue.
        """
        if fine is None or not self._fine.shape[1]:
            fine = np.full((len(vectors), self._fine.shape[1]), np.nan, dtype=np.float32)
        rows = Rows.of(vectors, fine, parts, self.distance)
        unlike = self._compared(
            self._query(place.vector, self._parts_of(place)),
            self._checked_fine(place.fine),
            rows,
            self._scale(self._queries_of(rows.keys), rows) if self.corrected else _Scales.none(),
        )
        return np.asarray(1 - unlike)

    def _parts_of(self, place: Place) -> FloatArray | None:
        return song_parts.of_place(place) if self._n_parts else None

    def nearest(
        self,
        vector: FloatArray,
        k: int,
        fine: FloatArray | None = None,
        parts: FloatArray | None = None,
    ) -> tuple[NDArray[np.intp], FloatArray]:
        """Return the k most similar rows, most similar first, and their similarities.

        Returns
        -------
        rows : array of int, shape (min(k, n),)
        similarities : FloatArray, of the same shape
        """
        unlike = self._unlike(vector, fine, parts)
        k = min(k, len(unlike))
        best = np.argpartition(unlike, k - 1)[:k] if k else np.empty(0, dtype=np.intp)
        best = best[np.argsort(unlike[best], kind="stable")]
        return best, 1 - unlike[best]

    def extended(
        self,
        vectors: FloatArray,
        *,
        fine: FloatArray | None = None,
        parts: FloatArray | None = None,
    ) -> Index:
        """Return an index with more rows after the present ones.

        As if built from all of them, but cheaper: the scales of old rows are brought up to date
        only once the catalogue has grown by a hundredth.
        """
        if fine is None and self._fine.shape[1]:
            fine = np.full((len(vectors), self._fine.shape[1]), np.nan, dtype=np.float32)
        if parts is None and self._n_parts:
            parts = np.zeros((len(vectors), self._n_parts), dtype=np.float32)
        more = Index(vectors, self.distance, fine=fine, parts=parts, corrected=False)
        if more._width != self._width:
            raise ValueError(f"vectors of {self._width} dimensions are needed")
        if more._fine.shape[1] != self._fine.shape[1]:
            raise ValueError(f"fine embeddings of {self._fine.shape[1]} dimensions are needed")
        if more._n_parts != self._n_parts:
            raise ValueError(f"parts of {self._n_parts} dimensions are needed")
        rows = Rows(
            np.concatenate([self._keys, more._keys]),
            np.concatenate([self._fine, more._fine]),
            np.concatenate([self._has_fine, more._has_fine]),
        )
        sums = Sums(self._all + more._all, self._some + more._some)
        grown = Index.__new__(Index)
        grown._set(rows, sums, self._width, self._n_parts, self.distance, self._wanted)
        grown._settle(self._scales, self._settled if self.corrected else (0, 0))
        return grown

    def _unlike(
        self, vector: FloatArray, fine: FloatArray | None, parts: FloatArray | None
    ) -> FloatArray:
        """Return 1 - similarity, exact near 0, where similarities would all round to 1."""
        return self._compared(
            self._query(vector, parts),
            self._checked_fine(fine),
            Rows(self._keys, self._fine, self._has_fine),
            self._scales,
        )

    def _compared(
        self, query: FloatArray, own_fine: FloatArray | None, rows: Rows, own: _Scales
    ) -> FloatArray:
        """Return 1 - similarity of a query (1, d) to rows with these scales."""
        scale = None
        if self.corrected:
            own_rows = None if own_fine is None else Rows(query, own_fine, np.ones(1, np.bool_))
            scale = self._scale(query, own_rows)
        query, fine = query[0], None
        if own_fine is not None and self._some.count:
            fine = np.float32(FINE_SHARE) * own_fine[0]
        unlike = np.empty(len(rows.keys), dtype=np.float32)
        for first in range(0, len(unlike), _NEARBY):
            last = first + _NEARBY
            part = rows.part(first, last)
            unlike[first:last] = self._unlike_of(query, fine, scale, part, own.part(first, last))
        return unlike

    def _unlike_of(
        self,
        query: FloatArray,
        fine: FloatArray | None,
        scale: _Scales | None,
        rows: Rows,
        own: _Scales,
    ) -> FloatArray:
        """Return what `_compared` does, for so few rows that all of it stays in the cache."""
        both = rows.has_fine
        if fine is None or not both.any():
            likeness = rows.keys @ query
            if scale is None:
                return _plainly_unlike(likeness, self.distance)
            to_query = likeness * scale.slope + scale.intercept
            to_row = likeness * own.slope + own.intercept
        else:
            whole = rows.keys @ (self._shares * query) + rows.fine @ fine
            if mixed := not both.all():
                likeness = rows.keys @ query
                whole = np.where(both, whole, likeness)
            if scale is None:
                return _plainly_unlike(whole, self.distance)
            to_query = whole * scale.whole_slope + scale.whole_intercept
            if mixed:
                np.copyto(to_query, likeness * scale.slope + scale.intercept, where=~both)
            to_row = whole * own.whole_slope + own.whole_intercept
        to_query, to_row = _upper_tail(to_query), _upper_tail(to_row)
        unlike: FloatArray = to_query + to_row - to_query * to_row
        return unlike

    def _query(self, vector: FloatArray, parts: FloatArray | None) -> FloatArray:
        """Return a query (1, d + p)."""
        queries = _queries(self._checked(vector)[None], self.distance)
        if not self._n_parts:
            return queries
        own = np.zeros(self._n_parts, dtype=np.float32) if parts is None else parts
        if own.shape != (self._n_parts,) or not np.isfinite(own).all():
            raise ValueError(f"finite parts of {self._n_parts} dimensions are needed")
        return np.concatenate([queries, own[None]], axis=1, dtype=np.float32)

    def _checked(self, vector: FloatArray) -> FloatArray:
        vector = np.asarray(vector, dtype=np.float32)
        if vector.shape != (self._width,) or not np.isfinite(vector).all():
            raise ValueError(f"a finite vector of {self._width} dimensions is needed")
        return vector

    def _checked_fine(self, fine: FloatArray | None) -> FloatArray | None:
        """Return a query's fine embedding (1, e), or None if it has none."""
        if fine is None or not self._fine.shape[1]:
            return None
        fine = np.asarray(fine, dtype=np.float32)
        if fine.shape != self._fine.shape[1:]:
            raise ValueError(f"a fine embedding of {self._fine.shape[1]} dimensions is needed")
        return fine[None] if np.isfinite(fine).all() else None

    def scales(self, first: int, last: int) -> tuple[FloatArray, ...]:
        """Return the four scales (last - first,) of some rows, computed a block at a time."""
        found = [_Scales.none()]
        for start in range(first, last, _BLOCK):
            block = slice(start, min(start + _BLOCK, last))
            rows = Rows(self._keys, self._fine, self._has_fine).part(block.start, block.stop)
            found.append(self._scale(self._queries_of(rows.keys), rows))
        joined = _Scales.joined(found)
        return joined.slope, joined.intercept, joined.whole_slope, joined.whole_intercept

    def _queries_of(self, keys: FloatArray) -> FloatArray:
        """Return rows as queries (n, d + p)."""
        if self.distance != "euclidean":
            return keys
        return np.concatenate([2 * keys[:, :-2], -keys[:, -1:], -keys[:, -2:-1]], axis=1)

    def _scale(self, queries: FloatArray, rows: Rows | None) -> _Scales:
        """Return how the likenesses of queries (q, d) to all rows spread, without and with `fine`.

        `rows` are the queries' own: which of them have a fine embedding; None if none has.
        """
        mean, deviation = self._all.moments(queries)
        slope = np.float32(1) / deviation
        intercept = -mean * slope
        if rows is None or not self._some.count:
            return _Scales(slope, intercept, slope, intercept)
        known = rows.has_fine
        fine = np.where(known[:, None], rows.fine, np.float32(0))
        alone = np.concatenate([queries, np.zeros_like(fine)], axis=1)
        whole = np.concatenate([self._shares * queries, FINE_SHARE * fine], axis=1)
        vector_mean, vector_deviation = self._some.moments(alone)
        whole_mean, whole_deviation = self._some.moments(whole)
        # z = (vector_mean + vector_deviation * (l - whole_mean) / whole_deviation - mean)
        #     / deviation
        whole_slope = vector_deviation / whole_deviation * slope
        whole_intercept = vector_mean * slope + intercept - whole_slope * whole_mean
        return _Scales(
            slope,
            intercept,
            np.where(known, whole_slope, slope),
            np.where(known, whole_intercept, intercept),
        )


class Rows(NamedTuple):
    """Songs as an index compares them.

    Attributes
    ----------
    keys : FloatArray, shape (n, d + p)
        Their inner product with a query is the likeness.
    fine : FloatArray, shape (n, e)
        Anything in rows without a fine embedding.
    has_fine : NDArray of bool, shape (n,)
    """

    keys: FloatArray
    fine: FloatArray
    has_fine: NDArray[np.bool_]

    def part(self, first: int, last: int) -> Rows:
        """Return the songs from one row up to another."""
        return Rows(self.keys[first:last], self.fine[first:last], self.has_fine[first:last])

    @classmethod
    def of(
        cls,
        vectors: FloatArray,
        fine: FloatArray,
        parts: FloatArray,
        distance: Distance = "cosine",
    ) -> Rows:
        """Return songs, given what `Index` takes."""
        keys = np.concatenate([_keys(vectors, distance), parts], axis=1, dtype=np.float32)
        known = np.zeros(len(fine), np.bool_)
        if fine.shape[1]:
            known = np.asarray(np.isfinite(fine).all(axis=1), np.bool_)
        return cls(keys, fine, known)


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Sums of rows and of their outer products: they give the mean and spread of likenesses."""

    count: int
    first: NDArray[np.float64]
    second: NDArray[np.float64]

    @staticmethod
    def of(keys: FloatArray) -> Moments:
        """Return the sums of rows (n, d), added up a block at a time in double precision."""
        second = np.zeros((keys.shape[1], keys.shape[1]))
        for start in range(0, len(keys), _BLOCK):
            block = keys[start : start + _BLOCK].astype(np.float64)
            second += block.T @ block
        return Moments(len(keys), keys.sum(axis=0, dtype=np.float64), second)

    def __add__(self, more: Moments) -> Moments:
        return Moments(self.count + more.count, self.first + more.first, self.second + more.second)

    def __sub__(self, less: Moments) -> Moments:
        return Moments(self.count - less.count, self.first - less.first, self.second - less.second)

    def moments(self, queries: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return mean and deviation (q,) of the likeness of each query (q, d) to all rows."""
        wide = queries.astype(np.float64)
        mean = wide @ (self.first / self.count)
        squares = np.einsum("ij,ij->i", wide @ (self.second / self.count), wide)
        deviation = np.sqrt(np.maximum(squares - mean**2, 1e-8))
        return mean.astype(np.float32), deviation.astype(np.float32)


class Sums(NamedTuple):
    """The moments of all keys, and those of keys and fine embeddings where there are both."""

    every: Moments
    both: Moments

    @classmethod
    def of(cls, rows: Rows) -> Sums:
        """Return the sums of some rows, added up a block at a time."""
        known = np.flatnonzero(rows.has_fine)
        both = Moments.of(np.empty((0, rows.keys.shape[1] + rows.fine.shape[1]), np.float32))
        for start in range(0, len(known), _BLOCK):
            block = known[start : start + _BLOCK]
            both += Moments.of(np.concatenate([rows.keys[block], rows.fine[block]], axis=1))
        return cls(Moments.of(rows.keys), both)

    @property
    def counts(self) -> tuple[int, int]:
        """How many rows there are, and how many with a fine embedding."""
        return self.every.count, self.both.count


@dataclass(frozen=True, slots=True, eq=False)
class _Scales:
    """How a likeness l of each of n songs becomes a standard score; each array of shape (n,).

    ``slope * l + intercept`` by vectors alone, ``whole_slope * l + whole_intercept`` against a song
    with a fine embedding; both are the same for songs without one.
    """

    slope: FloatArray
    intercept: FloatArray
    whole_slope: FloatArray
    whole_intercept: FloatArray

    def part(self, first: int, last: int) -> _Scales:
        """Return the scales of the songs from one row up to another."""
        return _Scales(
            self.slope[first:last],
            self.intercept[first:last],
            self.whole_slope[first:last],
            self.whole_intercept[first:last],
        )

    @staticmethod
    def none() -> _Scales:
        """Return the scales of no songs."""
        nothing = np.empty(0, dtype=np.float32)
        return _Scales(nothing, nothing, nothing, nothing)

    @staticmethod
    def joined(parts: Sequence[_Scales]) -> _Scales:
        """Return the scales of several groups of songs, one after another."""
        return _Scales(
            *(
                np.concatenate([getattr(part, field.name) for part in parts])
                for field in fields(_Scales)
            )
        )


def _directions(vectors: FloatArray, distance: Distance) -> FloatArray:
    """Return vectors whose Euclidean order is the order of the distance."""
    if distance == "euclidean":
        return vectors
    if distance == "correlation":
        vectors = vectors - vectors.mean(axis=1, keepdims=True)
    elif distance != "cosine":
        raise ValueError(f"no distance is called {distance!r}")
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: FloatArray = vectors / np.maximum(norm, np.finfo(np.float32).tiny)
    return scaled


def _keys(vectors: FloatArray, distance: Distance) -> FloatArray:
    """Return the rows as stored: their inner product with `_queries` is the likeness."""
    if distance != "euclidean":
        return _directions(vectors, distance)
    square = np.square(vectors).sum(axis=1, keepdims=True)
    return np.concatenate([vectors, square, np.ones_like(square)], axis=1)


def _queries(vectors: FloatArray, distance: Distance) -> FloatArray:
    if distance != "euclidean":
        return _directions(vectors, distance)
    square = np.square(vectors).sum(axis=1, keepdims=True)
    # -|x - y|^2 = 2 x.y - |y|^2 - |x|^2
    return np.concatenate([2 * vectors, -np.ones_like(square), -square], axis=1)


def _upper_tail(z: FloatArray) -> FloatArray:
    """Return the share of a normal distribution above z.

    Within 0.00014 of the exact value, and four times as fast.
    S. Bowling et al., "A logistic approximation to the cumulative normal distribution", 2009.
    """
    logit = np.minimum(z * (1.5976 + 0.07056 * z * z), 80)
    return np.asarray(1 / (1 + np.exp(logit)), dtype=np.float32)


def _plainly_unlike(likeness: FloatArray, distance: Distance) -> FloatArray:
    if distance == "euclidean":
        far = np.sqrt(np.maximum(-likeness, 0))
        return np.asarray(far / (1 + far), dtype=np.float32)
    return np.clip((1 - likeness) / 2, 0, 1)
