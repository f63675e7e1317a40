"""Neighbours among vectors, corrected so that no song is everybody's neighbour.

In high dimensions a few songs, the hubs, come out as near to almost everything. Mutual proximity
(D. Schnitzer, A. Flexer, M. Schedl, G. Widmer, "Local and global scaling reduce hubs in space",
JMLR 13, 2012) measures how alike two songs are by how unusual their likeness is to *both*: with
the likenesses of song x to all songs taken as normal with mean m(x) and deviation s(x),

    similarity(x, y) = Phi((l - m(x)) / s(x)) * Phi((l - m(y)) / s(y)),    l = likeness(x, y)

Here every likeness is an inner product of `x` with a stored row, so that m and s over the whole
catalogue follow from the mean and the second moment of its rows: no song is compared with all
others to know them, queries from outside need nothing more, and new rows only add to two sums.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.model import FloatArray

Distance = Literal["cosine", "correlation", "euclidean"]

EXACT_ROWS = 200_000
"""Up to this many rows every search is exact; above, `nearest` asks faiss where it is installed."""

_ENOUGH_ROWS = 30
"""Fewer have no distribution to speak of: plain likeness is used."""

_STILL = 1.01
"""Growth up to which old rows keep what they know of the rest: it has hardly changed."""

_BLOCK = 65_536  # rows in double precision at a time


class Index:
    """Vectors of a catalogue; rows are never changed, `extended` makes a new index.

    Parameters
    ----------
    vectors : FloatArray, shape (n, d)
        Finite.
    distance : str
        ``"cosine"``, ``"correlation"`` (cosine after each vector's own mean is taken away) or
        ``"euclidean"`` (squared).
    corrected : bool
        Whether hubs are corrected by mutual proximity.
    file : Path, optional
        Where the faiss index of a large catalogue is kept, mapped into memory instead of read;
        made where it is not there or belongs to other vectors.
    """

    def __init__(
        self,
        vectors: FloatArray,
        distance: Distance = "cosine",
        *,
        corrected: bool = True,
        file: Path | None = None,
    ) -> None:
        vectors = np.asarray(vectors, dtype=np.float32)
        if vectors.ndim != 2 or not np.isfinite(vectors).all():
            raise ValueError("finite vectors of shape (n, d) are needed")
        self.distance: Distance = distance
        self._wanted = corrected
        self._vectors = vectors
        self._keys = _keys(vectors, distance)
        self._sum = self._keys.sum(axis=0, dtype=np.float64)
        self._outer = _outer(self._keys)
        self._finish(file)

    def _finish(self, file: Path | None, before: Index | None = None) -> None:
        self.corrected = self._wanted and len(self) >= _ENOUGH_ROWS
        self._settled = len(self)
        self._mean: FloatArray = np.empty(0, dtype=np.float32)
        self._deviation: FloatArray = self._mean
        self._approximate: Any = None
        if self.corrected and before is not None and len(self) <= _STILL * before._settled:
            self._settled = before._settled
            fresh = _queries(self._vectors[len(before) :], self.distance)
            mean, deviation = self._moments(fresh)
            self._mean = np.concatenate([before._mean, mean])
            self._deviation = np.concatenate([before._deviation, deviation])
        elif self.corrected:
            self._mean, self._deviation = self._moments(_queries(self._vectors, self.distance))
        if len(self) > EXACT_ROWS and importlib.util.find_spec("faiss"):
            self._approximate = _faiss(_directions(self._vectors, self.distance), file)

    def __len__(self) -> int:
        return len(self._keys)

    def similarities(self, vector: FloatArray) -> FloatArray:
        """How alike a vector and every row are, 0 (not at all) to 1 (the same).

        Parameters
        ----------
        vector : FloatArray, shape (d,)

        Returns
        -------
        FloatArray, shape (n,)
        """
        similarities: FloatArray = np.float32(1) - self._unlike(vector, None)
        return similarities

    def nearest(self, vector: FloatArray, k: int) -> tuple[NDArray[np.intp], FloatArray]:
        """The k most similar rows, most similar first, and their similarities.

        Returns
        -------
        rows : array of int, shape (min(k, n),)
        similarities : FloatArray, of the same shape
        """
        rows = self._candidates(vector, k) if self._approximate is not None else None
        unlike = self._unlike(vector, rows)
        k = min(k, len(unlike))
        best = np.argpartition(unlike, k - 1)[:k] if k else np.empty(0, dtype=np.intp)
        best = best[np.argsort(unlike[best], kind="stable")]
        return (best if rows is None else rows[best]), 1 - unlike[best]

    def extended(self, vectors: FloatArray, *, file: Path | None = None) -> Index:
        """Return an index with more rows after those there are.

        As if built from all of them, but cheaper: what old rows know of the whole catalogue is
        brought up to date each time that it has grown by a hundredth.
        """
        more = Index(vectors, self.distance, corrected=False)
        if more._vectors.shape[1] != self._vectors.shape[1]:
            raise ValueError(f"vectors of {self._vectors.shape[1]} dimensions are needed")
        grown = Index.__new__(Index)
        grown.distance, grown._wanted = self.distance, self._wanted
        grown._vectors = np.concatenate([self._vectors, more._vectors])
        grown._keys = np.concatenate([self._keys, more._keys])
        grown._sum = self._sum + more._sum
        grown._outer = self._outer + more._outer
        grown._finish(file, self)
        return grown

    def _unlike(self, vector: FloatArray, rows: NDArray[np.intp] | None) -> FloatArray:
        """One minus similarity, exact near 0 where similarities would all round to 1."""
        vector = np.asarray(vector, dtype=np.float32)
        if vector.shape != self._vectors.shape[1:] or not np.isfinite(vector).all():
            raise ValueError(f"a finite vector of {self._vectors.shape[1]} dimensions is needed")
        query = _queries(vector[None], self.distance)
        likeness = (self._keys if rows is None else self._keys[rows]) @ query[0]
        if not self.corrected:
            return _plainly_unlike(likeness, self.distance)
        mean, deviation = self._moments(query)
        own_mean, own_deviation = self._mean, self._deviation
        if rows is not None:
            own_mean, own_deviation = own_mean[rows], own_deviation[rows]
        to_query = _upper_tail((likeness - mean) / deviation)
        to_row = _upper_tail((likeness - own_mean) / own_deviation)
        unlike: FloatArray = to_query + to_row - to_query * to_row
        return unlike

    def _moments(self, queries: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean and deviation of each query's likeness to all rows."""
        centre, second = self._sum / len(self), self._outer / len(self)
        mean = np.empty(len(queries), dtype=np.float32)
        deviation = np.empty_like(mean)
        for start in range(0, len(queries), _BLOCK):
            block = queries[start : start + _BLOCK].astype(np.float64)
            means = block @ centre
            squares = np.einsum("ij,ij->i", block @ second, block)
            mean[start : start + _BLOCK] = means
            deviation[start : start + _BLOCK] = np.sqrt(np.maximum(squares - means**2, 1e-8))
        return mean, deviation

    def _candidates(self, vector: FloatArray, k: int) -> NDArray[np.intp]:
        """Rows that are nearest before correction, enough that the corrected k are among them."""
        query = _directions(np.asarray(vector, dtype=np.float32)[None], self.distance)
        _, rows = self._approximate.search(query, min(20 * k + 300, len(self)))
        found: NDArray[np.intp] = rows[0][rows[0] >= 0]
        return found


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


def _outer(keys: FloatArray) -> NDArray[np.float64]:
    """Sum of the outer products of all rows, a block at a time, in double precision."""
    total = np.zeros((keys.shape[1], keys.shape[1]))
    for start in range(0, len(keys), _BLOCK):
        block = keys[start : start + _BLOCK].astype(np.float64)
        total += block.T @ block
    return total


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


def _faiss(directions: FloatArray, file: Path | None) -> Any:
    """Inverted lists with eight bits a dimension, read from `file` where it fits."""
    import faiss

    n, d = directions.shape
    if file is not None and file.is_file():
        try:
            index = faiss.read_index(str(file), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
        except RuntimeError:
            index = None  # damaged: made again below
        if index is not None and (index.ntotal, index.d) == (n, d) and _same(index, directions):
            return _probing(index)
    lists = max(1, min(int(2 * np.sqrt(n)), n // 64))
    index = faiss.index_factory(d, f"IVF{lists},SQ8")
    rng = np.random.default_rng(0)
    sample = rng.choice(n, size=min(n, 40 * lists), replace=False)
    index.train(directions[np.sort(sample)])
    for start in range(0, n, 100_000):
        index.add(directions[start : start + 100_000])
    if file is not None:
        partial = file.with_name(f"{file.name}.part")
        faiss.write_index(index, str(partial))
        partial.replace(file)
    return _probing(index)


def _probing(index: Any) -> Any:
    index.nprobe = max(24, index.nlist // 64)
    return index


def _same(index: Any, directions: FloatArray) -> bool:
    """Whether a few rows find themselves: the file was made from these vectors."""
    _probing(index)
    rows = np.linspace(0, len(directions) - 1, 16).astype(int)
    _, found = index.search(directions[rows], 16)
    return bool(np.mean([row in near for row, near in zip(rows, found, strict=True)]) > 0.9)
