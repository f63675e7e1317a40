"""Neighbours among vectors, corrected so that no song is everybody's neighbour.

In high dimensions a few songs, the hubs, come out as near to almost everything. Mutual proximity
(D. Schnitzer, A. Flexer, M. Schedl, G. Widmer, "Local and global scaling reduce hubs in space",
JMLR 13, 2012) measures how alike two songs are by how unusual their likeness is to *both*: with
the likenesses of song x to all songs taken as normal with mean m(x) and deviation s(x),

    similarity(x, y) = Phi((l - m(x)) / s(x)) * Phi((l - m(y)) / s(y)),    l = likeness(x, y)

Here every likeness is an inner product of `x` with a stored row, so that m and s over the whole
catalogue follow from the mean and the second moment of its rows: no song is compared with all
others to know them, queries from outside need nothing more, and new rows only add to two sums.

Of some songs more is known than the vector: a detail (`Place.detail`). Between two of these the
likeness is the mean of both cosines, a detail counting twice as the two views it is made of. Such
likenesses have another mean and another spread than those of vectors alone, so that neither kind
could be ranked among the other. They are brought to the same scale by linear equating (M. Kolen,
R. Brennan, "Test Equating, Scaling, and Linking", 2004): for each song, its likenesses to the rows
with a detail are given the mean and the deviation that the likenesses of its vector to the same
rows have. What is known of a song changes who its neighbours are, but not how many it has.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from musrec.model import FloatArray, Place

Distance = Literal["cosine", "correlation", "euclidean"]

EXACT_ROWS = 200_000
"""Up to this many rows every search is exact; above, `nearest` asks faiss where it is installed."""

_ENOUGH_ROWS = 30
"""Fewer have no distribution to speak of: plain likeness is used."""

_STILL = 1.01
"""Growth up to which old rows keep what they know of the rest: it has hardly changed."""

_BLOCK = 65_536  # rows in double precision at a time

DETAIL = 2 / 3
"""Share of the detail in the likeness of two songs that have one: each view counts the same."""


class Index:
    """Vectors of a catalogue; rows are never changed, `extended` makes a new index.

    Parameters
    ----------
    vectors : FloatArray, shape (n, d)
        Finite.
    distance : str
        ``"cosine"``, ``"correlation"`` (cosine after each vector's own mean is taken away) or
        ``"euclidean"`` (squared).
    details : FloatArray, shape (n, e), optional
        Of length 1, for the distance ``"cosine"``; NaN in rows where it is not known.
    corrected : bool
        Whether hubs are corrected by mutual proximity.
    file : Path, optional
        Where the faiss index of a large catalogue is kept, mapped into memory instead of read;
        made where it is not there or belongs to other vectors. That of details lies beside it.
    """

    def __init__(
        self,
        vectors: FloatArray,
        distance: Distance = "cosine",
        *,
        details: FloatArray | None = None,
        corrected: bool = True,
        file: Path | None = None,
    ) -> None:
        vectors = np.asarray(vectors, dtype=np.float32)
        if vectors.ndim != 2 or not np.isfinite(vectors).all():
            raise ValueError("finite vectors of shape (n, d) are needed")
        if details is None:
            details = np.full((len(vectors), 0), np.nan, dtype=np.float32)
        elif len(details) != len(vectors) or distance != "cosine":
            raise ValueError("one detail for each row is needed, and the distance cosine")
        self.distance: Distance = distance
        self._wanted = corrected
        self._vectors = vectors
        self._keys = _keys(vectors, distance)
        self._details, self._detailed = _known(np.asarray(details, dtype=np.float32))
        self._all = _Sums.of(self._keys)
        self._some = self._sums_of_detailed()
        self._finish(file)

    def _sums_of_detailed(self) -> _Sums:
        rows = np.flatnonzero(self._detailed)
        total = _Sums.of(np.empty((0, self._keys.shape[1] + self._details.shape[1]), np.float32))
        for start in range(0, len(rows), _BLOCK):
            block = rows[start : start + _BLOCK]
            total += _Sums.of(np.concatenate([self._keys[block], self._details[block]], axis=1))
        return total

    def _finish(self, file: Path | None, before: Index | None = None) -> None:
        self.corrected = self._wanted and len(self) >= _ENOUGH_ROWS
        self._settled = len(self), self._some.count
        self._scales = _Scales.none()
        self._approximate: list[_Approximate] = []
        if self.corrected and before is not None and self._has_hardly_grown(before):
            self._settled = before._settled
            self._scales = _Scales.joined([before._scales, self._scales_of(len(before))])
        elif self.corrected:
            self._scales = self._scales_of(0)
        if len(self) > EXACT_ROWS and importlib.util.find_spec("faiss"):
            self._approximate = self._approximations(file)

    def _approximations(self, file: Path | None) -> list[_Approximate]:
        """Return what finds neighbours by vector among all rows, and by both among the detailed."""
        everything, detailed = np.arange(len(self)), np.flatnonzero(self._detailed)
        beside = file and file.with_name(f"{file.stem}-detailed{file.suffix}")
        by_vector = _faiss(self._directions_of, everything, file, one_in=128)
        found = [_Approximate(everything, by_vector)]
        if len(detailed):
            by_both = _faiss(self._wholes_of, detailed, beside, one_in=45)  # of more views
            found.append(_Approximate(detailed, by_both))
        return found

    def _directions_of(self, rows: NDArray[np.intp]) -> FloatArray:
        return _directions(self._vectors[rows], self.distance)

    def _wholes_of(self, rows: NDArray[np.intp]) -> FloatArray:
        return _wholes(self._keys[rows], self._details[rows])

    def _has_hardly_grown(self, before: Index) -> bool:
        counts = zip((len(self), self._some.count), before._settled, strict=True)
        return all(count <= _STILL * settled for count, settled in counts)

    def __len__(self) -> int:
        return len(self._keys)

    def similarities(self, vector: FloatArray, detail: FloatArray | None = None) -> FloatArray:
        """How alike a song and every row are, 0 (not at all) to 1 (the same).

        Parameters
        ----------
        vector : FloatArray, shape (d,)
        detail : FloatArray, shape (e,), optional
            Of length 1; NaN where it is not known.

        Returns
        -------
        FloatArray, shape (n,)
        """
        similarities: FloatArray = np.float32(1) - self._unlike(vector, detail, None)
        return similarities

    def alike(self, place: Place) -> FloatArray:
        """Return `similarities` of a song's place."""
        return self.similarities(place.vector, place.detail)

    def nearest(
        self, vector: FloatArray, k: int, detail: FloatArray | None = None
    ) -> tuple[NDArray[np.intp], FloatArray]:
        """The k most similar rows, most similar first, and their similarities.

        Above `EXACT_ROWS`, faiss finds the candidates: a few rows may be missed. `similarities`
        misses none.

        Returns
        -------
        rows : array of int, shape (min(k, n),)
        similarities : FloatArray, of the same shape
        """
        rows = self._candidates(vector, detail, k) if self._approximate else None
        unlike = self._unlike(vector, detail, rows)
        k = min(k, len(unlike))
        best = np.argpartition(unlike, k - 1)[:k] if k else np.empty(0, dtype=np.intp)
        best = best[np.argsort(unlike[best], kind="stable")]
        return (best if rows is None else rows[best]), 1 - unlike[best]

    def extended(
        self,
        vectors: FloatArray,
        *,
        details: FloatArray | None = None,
        file: Path | None = None,
    ) -> Index:
        """Return an index with more rows after those there are.

        As if built from all of them, but cheaper: what old rows know of the whole catalogue is
        brought up to date each time that it has grown by a hundredth.
        """
        if details is None and self._details.shape[1]:
            details = np.full((len(vectors), self._details.shape[1]), np.nan, dtype=np.float32)
        more = Index(vectors, self.distance, details=details, corrected=False)
        if more._vectors.shape[1] != self._vectors.shape[1]:
            raise ValueError(f"vectors of {self._vectors.shape[1]} dimensions are needed")
        if more._details.shape[1] != self._details.shape[1]:
            raise ValueError(f"details of {self._details.shape[1]} dimensions are needed")
        grown = Index.__new__(Index)
        grown.distance, grown._wanted = self.distance, self._wanted
        grown._vectors = np.concatenate([self._vectors, more._vectors])
        grown._keys = np.concatenate([self._keys, more._keys])
        grown._details = np.concatenate([self._details, more._details])
        grown._detailed = np.concatenate([self._detailed, more._detailed])
        grown._all = self._all + more._all
        grown._some = self._some + more._some
        grown._finish(file, self)
        return grown

    def _unlike(
        self, vector: FloatArray, detail: FloatArray | None, rows: NDArray[np.intp] | None
    ) -> FloatArray:
        """One minus similarity, exact near 0 where similarities would all round to 1."""
        query = _queries(self._checked(vector)[None], self.distance)
        known = self._detail(detail)
        keys, own = (
            (self._keys, self._scales) if rows is None else (self._keys[rows], self._scales[rows])
        )
        likeness = keys @ query[0]
        scale = self._scale(query, known) if self.corrected else None
        whole = None
        if known is not None and self._some.count:
            detailed = self._detailed if rows is None else self._detailed[rows]
            whole = (self._details if rows is None else self._details[rows]) @ known[0]
            whole -= likeness
            whole *= np.float32(DETAIL) * detailed
            whole += likeness
        if scale is None:
            return _plainly_unlike(likeness if whole is None else whole, self.distance)
        to_query = likeness * scale.slope + scale.intercept
        if whole is None:
            to_row = likeness * own.slope + own.intercept
        else:
            np.copyto(to_query, whole * scale.whole_slope + scale.whole_intercept, where=detailed)
            to_row = whole * own.whole_slope + own.whole_intercept
        to_query, to_row = _upper_tail(to_query), _upper_tail(to_row)
        unlike: FloatArray = to_query + to_row - to_query * to_row
        return unlike

    def _checked(self, vector: FloatArray) -> FloatArray:
        vector = np.asarray(vector, dtype=np.float32)
        if vector.shape != self._vectors.shape[1:] or not np.isfinite(vector).all():
            raise ValueError(f"a finite vector of {self._vectors.shape[1]} dimensions is needed")
        return vector

    def _detail(self, detail: FloatArray | None) -> FloatArray | None:
        """Return a query's detail (1, e), or None where it is not known."""
        if detail is None or not self._details.shape[1]:
            return None
        detail = np.asarray(detail, dtype=np.float32)
        if detail.shape != self._details.shape[1:]:
            raise ValueError(f"a detail of {self._details.shape[1]} dimensions is needed")
        values, known = _known(detail[None])
        return values if known[0] else None

    def _scales_of(self, first: int) -> _Scales:
        """Scales of the rows from `first`, a block at a time."""
        parts = [_Scales.none()]
        for start in range(first, len(self), _BLOCK):
            block = slice(start, start + _BLOCK)
            queries = _queries(self._vectors[block], self.distance)
            parts.append(self._scale(queries, self._details[block]))
        return _Scales.joined(parts)

    def _scale(self, queries: FloatArray, details: FloatArray | None) -> _Scales:
        """How the likenesses of queries (q, d) to all rows spread, and those of their details."""
        mean, deviation = self._all.moments(queries)
        slope = np.float32(1) / deviation
        intercept = -mean * slope
        if details is None or not self._some.count:
            return _Scales(slope, intercept, slope, intercept)
        alone = np.concatenate([queries, np.zeros_like(details)], axis=1)
        whole = np.concatenate([(1 - DETAIL) * queries, DETAIL * details], axis=1)
        vector_mean, vector_deviation = self._some.moments(alone)
        whole_mean, whole_deviation = self._some.moments(whole)
        # z = (vector_mean + vector_deviation * (l - whole_mean) / whole_deviation - mean)
        #     / deviation
        whole_slope = vector_deviation / whole_deviation * slope
        whole_intercept = vector_mean * slope + intercept - whole_slope * whole_mean
        known = details.any(axis=1)
        return _Scales(
            slope,
            intercept,
            np.where(known, whole_slope, slope),
            np.where(known, whole_intercept, intercept),
        )

    def _candidates(
        self, vector: FloatArray, detail: FloatArray | None, k: int
    ) -> NDArray[np.intp]:
        """Rows that are nearest before correction, enough that the corrected k are among them."""
        query, known = _directions(self._checked(vector)[None], self.distance), self._detail(detail)
        by_vector, *by_both = self._approximate
        if known is None or not by_both:
            return by_vector.nearest(query, 20 * k + 300)
        near = by_both[0].nearest(_wholes(query, known), 20 * k + 300)
        if len(by_both[0].rows) == len(self):
            return near
        return np.union1d(near, by_vector.nearest(query, 20 * k + 300))


class _Approximate(NamedTuple):
    """Some rows of an index, and what faiss knows of them."""

    rows: NDArray[np.intp]
    known: Any

    def nearest(self, query: FloatArray, k: int) -> NDArray[np.intp]:
        """Return about the k rows nearest to a query (1, d)."""
        _, found = self.known.search(query, min(k, len(self.rows)))
        rows: NDArray[np.intp] = self.rows[found[0][found[0] >= 0]]
        return rows


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """Of rows, and of their outer products: all that is needed for mean and spread of likeness."""

    count: int
    first: NDArray[np.float64]
    second: NDArray[np.float64]

    @staticmethod
    def of(keys: FloatArray) -> _Sums:
        """Add up rows (n, d), a block at a time, in double precision."""
        second = np.zeros((keys.shape[1], keys.shape[1]))
        for start in range(0, len(keys), _BLOCK):
            block = keys[start : start + _BLOCK].astype(np.float64)
            second += block.T @ block
        return _Sums(len(keys), keys.sum(axis=0, dtype=np.float64), second)

    def __add__(self, more: _Sums) -> _Sums:
        return _Sums(self.count + more.count, self.first + more.first, self.second + more.second)

    def moments(self, queries: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean and deviation (q,) of the likeness of each query (q, d) to all rows."""
        wide = queries.astype(np.float64)
        mean = wide @ (self.first / self.count)
        squares = np.einsum("ij,ij->i", wide @ (self.second / self.count), wide)
        deviation = np.sqrt(np.maximum(squares - mean**2, 1e-8))
        return mean.astype(np.float32), deviation.astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class _Scales:
    """Of songs, each (n,): how a likeness l of each becomes a standard score.

    ``slope * l + intercept`` for vectors alone, ``whole_slope * l + whole_intercept`` where the
    likeness to a song with a detail is asked for; the same for songs that have none.
    """

    slope: FloatArray
    intercept: FloatArray
    whole_slope: FloatArray
    whole_intercept: FloatArray

    @staticmethod
    def none() -> _Scales:
        """Scales of no songs."""
        nothing = np.empty(0, dtype=np.float32)
        return _Scales(nothing, nothing, nothing, nothing)

    @staticmethod
    def joined(parts: Sequence[_Scales]) -> _Scales:
        """Scales of songs one after the other."""
        return _Scales(
            *(
                np.concatenate([getattr(part, field.name) for part in parts])
                for field in fields(_Scales)
            )
        )

    def __getitem__(self, rows: NDArray[np.intp]) -> _Scales:
        if not len(self.slope):
            return self
        return _Scales(*(getattr(self, field.name)[rows] for field in fields(self)))


def _known(details: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return details with zeros where they are not known, and where they are."""
    known = np.asarray(np.isfinite(details).all(axis=1), dtype=np.bool_)
    if not details.shape[1]:
        known = np.zeros(len(details), dtype=np.bool_)
    return np.where(known[:, None], details, np.float32(0)), known


def _directions(vectors: FloatArray, distance: Distance) -> FloatArray:
    """Vectors whose plain Euclidean order is the order of the distance."""
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
    """What is stored of a row: its inner product with `_queries` is the likeness."""
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
    """Share of a normal distribution above z, within 0.00014 and four times as fast as exactly.

    S. Bowling et al., "A logistic approximation to the cumulative normal distribution", 2009.
    """
    logit = np.minimum(z * (1.5976 + 0.07056 * z * z), 80)
    return np.asarray(1 / (1 + np.exp(logit)), dtype=np.float32)


def _plainly_unlike(likeness: FloatArray, distance: Distance) -> FloatArray:
    if distance == "euclidean":
        far = np.sqrt(np.maximum(-likeness, 0))
        return np.asarray(far / (1 + far), dtype=np.float32)
    return np.clip((1 - likeness) / 2, 0, 1)


def _wholes(directions: FloatArray, details: FloatArray) -> FloatArray:
    """Vectors whose inner product is the likeness by both."""
    of_vector, of_detail = np.sqrt(np.array([1 - DETAIL, DETAIL], np.float32))
    return np.concatenate([of_vector * directions, of_detail * details], axis=1)


def _faiss(
    directions: Callable[[NDArray[np.intp]], FloatArray],
    rows: NDArray[np.intp],
    file: Path | None,
    *,
    one_in: int,
) -> Any:
    """Inverted lists with eight bits a dimension of some rows, read from `file` where it fits.

    A search looks into one of so many lists, and at least sixteen.
    """
    import faiss

    index: Any
    n, d = len(rows), directions(rows[:1]).shape[1]
    if file is not None and file.is_file():
        try:
            index = faiss.read_index(str(file), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
        except RuntimeError:
            index = None  # damaged: made again below
        if index is not None and (index.ntotal, index.d) == (n, d):
            index.nprobe = max(16, index.nlist // one_in)
            if _same(index, directions, rows):
                return index
    lists = max(1, min(int(2 * np.sqrt(n)), n // 64))
    index = faiss.index_factory(d, f"IVF{lists},SQ8")
    rng = np.random.default_rng(0)
    sample = rng.choice(n, size=min(n, 40 * lists), replace=False)
    index.train(directions(rows[np.sort(sample)]))
    for start in range(0, n, 100_000):
        index.add(directions(rows[start : start + 100_000]))
    if file is not None:
        partial = file.with_name(f"{file.name}.part")
        faiss.write_index(index, str(partial))
        partial.replace(file)
    index.nprobe = max(16, lists // one_in)
    return index


def _same(
    index: Any, directions: Callable[[NDArray[np.intp]], FloatArray], rows: NDArray[np.intp]
) -> bool:
    """Whether a few rows find themselves: the file was made from these vectors."""
    places = np.linspace(0, len(rows) - 1, 16).astype(int)
    _, found = index.search(directions(rows[places]), 16)
    return bool(np.mean([place in near for place, near in zip(places, found, strict=True)]) > 0.9)
