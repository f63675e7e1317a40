"""Compares ways to find similar songs: pixels, features, our space, a network's vectors.

A query counts only clips of other artists as candidates and of its own label as hits; a query
without any possible hit is left out, and the ceiling says what the best possible list would score.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from sklearn.decomposition import PCA
from sklearn.neighbors import BallTree, KDTree
from sklearn.preprocessing import StandardScaler

from musrec.audio.features import STATISTIC_NAMES
from musrec.evaluate import metrics
from musrec.evaluate.report import Cell, Report
from musrec.lab import extraction, splits
from musrec.space import Space

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.lab.extraction import Measured
    from musrec.model import FloatArray

K = 10


def systems(measured: Measured, train: NDArray[np.intp]) -> dict[str, FloatArray]:
    """Return vectors (n, d) of every clip by system; what is learned is learned from `train`.

    ``pixels``
        The small picture of the spectrogram, as it is.
    ``picture embedding``
        Principal components of the pictures: what a picture looks like rather than where each
        point is.
    ``features``
        Standardised statistics.
    ``tags`` and ``our space``
        What the tagger hears, and the product's own vectors, if the tagger was installed.
    """
    flat = measured.pictures.reshape(len(measured), -1)
    components = PCA(min(64, len(train) - 1), whiten=False, random_state=0).fit(flat[train])
    standard = StandardScaler().fit(measured.statistics[train])
    found = {
        "pixels": flat,
        "picture embedding": components.transform(flat),
        "features": standard.transform(measured.statistics),
    }
    ours = measured.statistics[:, [extraction.NAMES.index(name) for name in STATISTIC_NAMES]]
    if np.isfinite(measured.tags).all():
        found["tags"] = measured.tags[:, :50]
        found["our space"] = Space.load("full").place_all(ours, measured.tags[:, :50])
    else:
        found["our space"] = Space.load("statistics").place_all(ours)
    return {name: np.asarray(vectors, np.float32) for name, vectors in found.items()}


def distances(vectors: FloatArray, queries: NDArray[np.intp], kind: str) -> NDArray[np.float64]:
    """Return distances (q, n) from some rows to all rows.

    Parameters
    ----------
    kind : str
        ``cosine``, ``correlation`` (cosine after each row's own mean is taken away) or
        ``euclidean``.
    """
    x = vectors.astype(np.float64)
    if kind == "euclidean":
        squares = np.square(x).sum(axis=1)
        far = squares[queries, None] + squares - 2 * x[queries] @ x.T
        return np.asarray(np.sqrt(np.maximum(far, 0)))
    if kind == "correlation":
        x = x - x.mean(axis=1, keepdims=True)
    x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    return np.asarray(1 - x[queries] @ x.T)


def ranked(far: NDArray[np.float64], allowed: NDArray[np.bool_], k: int) -> list[NDArray[np.intp]]:
    """Return the nearest allowed rows of each query, at most k, nearest first."""
    masked = np.where(allowed, far, np.inf)
    order = np.argsort(masked, axis=1, kind="stable")[:, :k]
    return [
        row[np.isfinite(masked[number, row])].astype(np.intp) for number, row in enumerate(order)
    ]


def compared(
    measured: Measured,
    more: Mapping[str, FloatArray] | None = None,
    *,
    train: NDArray[np.intp] | None = None,
    queries: NDArray[np.intp] | None = None,
    predicted: NDArray[np.str_] | None = None,
    k: int = K,
) -> tuple[Report, Report, dict[str, list[NDArray[np.intp]]]]:
    """Return precision by system and distance, overlaps of the lists, and the lists by cosine.

    Parameters
    ----------
    more : mapping of str to FloatArray (n, d), optional
        Vectors of trained networks.
    train : NDArray of int, optional
        What projections are learned from; all clips that are no queries by default.
    queries : NDArray of int, optional
        All clips by default.
    predicted : NDArray of str, shape (n,), optional
        Labels that a model gave: then each system is tried inside the predicted class, too.
    """
    asked = np.arange(len(measured)) if queries is None else queries
    rest = np.setdiff1d(np.arange(len(measured)), asked) if queries is not None else asked
    learned = rest if train is None else train
    vectors = {**systems(measured, learned), **(more or {})}
    artists, labels = splits.groups(measured.clips), splits.labels(measured.clips)
    others = artists[asked, None] != artists
    hits = others & (labels[asked, None] == labels)
    fair = hits.any(axis=1)
    asked, others, hits = asked[fair], others[fair], hits[fair]
    ceiling = np.minimum(hits.sum(axis=1), k) / k
    rows: list[tuple[Cell, ...]] = []
    lists: dict[str, list[NDArray[np.intp]]] = {}
    for name, own in vectors.items():
        for kind in ("cosine", "correlation", "euclidean"):
            far = distances(own, asked, kind)
            found = ranked(far, others, k)
            share = _precision(found, hits, k)
            low, high = metrics.bootstrap(share, artists[asked])
            inside = None
            if predicted is not None:
                same = others & (predicted[asked, None] == predicted)
                inside = float(_precision(ranked(far, same, k), hits, k).mean())
            rows.append((name, kind, float(share.mean()), f"{low:.3f} to {high:.3f}", inside))
            if kind == "cosine":
                lists[name] = found
    chance = float((hits.sum(axis=1) / np.maximum(others.sum(axis=1), 1)).mean())
    precision = Report(
        "Retrieval",
        f"{len(asked)} queries among {len(measured)} clips; the {k} nearest by other artists; a "
        "hit has the query's label.",
        ("system", "distance", f"P@{k}", "95% CI", "inside the predicted class"),
        tuple(rows),
        (
            f"Best possible lists: {float(ceiling.mean()):.3f}; random ones: {chance:.3f}.",
            f"{int((~fair).sum())} clips have no possible hit and are no queries.",
            "Intervals: 95% bootstrap over the queries' artists.",
            "Our space was learned from GTZAN's training clips: on GTZAN most are familiar to it.",
        ),
    )
    return precision, _overlap(lists, k), lists


def _precision(
    found: Sequence[NDArray[np.intp]], hits: NDArray[np.bool_], k: int
) -> NDArray[np.float64]:
    return np.array([hits[number, own].sum() / k for number, own in enumerate(found)])


def _overlap(lists: Mapping[str, Sequence[NDArray[np.intp]]], k: int) -> Report:
    names = list(lists)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            one,
            *(
                float(
                    np.mean(
                        [
                            len(set(a.tolist()) & set(b.tolist())) / k
                            for a, b in zip(lists[one], lists[other], strict=True)
                        ]
                    )
                )
                for other in names
            ),
        )
        for one in names
    )
    return Report(
        "Overlap of the lists",
        f"Share of the {k} nearest that two systems have in common, by cosine.",
        ("system", *names),
        rows,
    )


def trees(vectors: FloatArray, *, queries: int = 100, k: int = K, seed: int = 0) -> Report:
    """Compare exact search, a KD tree, a ball tree and faiss on vectors (n, d): time and recall.

    Vectors are scaled to length 1, so that Euclidean order is that of the cosine.
    """
    x = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    x = np.ascontiguousarray(x, np.float32)
    rows = np.random.default_rng(seed).permutation(len(x))[:queries]
    k = min(k, len(x))
    asked = x[rows]

    def brute() -> NDArray[np.intp]:
        return np.asarray(np.argsort(-(asked @ x.T), axis=1, kind="stable")[:, :k])

    timed: dict[str, tuple[float, float, NDArray[np.intp]]] = {}
    began = time.perf_counter()
    exact = brute()
    timed["exact"] = (0.0, time.perf_counter() - began, exact)
    for name, kind in (("KD tree", KDTree), ("ball tree", BallTree)):
        began = time.perf_counter()
        tree = kind(x)
        built = time.perf_counter()
        found = tree.query(asked, k=k, return_distance=False)
        timed[name] = (built - began, time.perf_counter() - built, np.asarray(found))
    if (hnsw := _faiss(x, asked, k)) is not None:
        timed["faiss HNSW"] = hnsw
    base = timed["exact"][1]
    return Report(
        "Search",
        f"{len(rows)} queries for {k} neighbours among {len(x)} vectors of {x.shape[1]} numbers.",
        ("search", "build, ms", "query, ms each", "times exact", "recall"),
        tuple(
            (
                name,
                f"{1e3 * build:.1f}",
                f"{1e3 * ask / len(rows):.3f}",
                f"{ask / base:.2f}",
                float(
                    np.mean(
                        [
                            len(set(a.tolist()) & set(b.tolist())) / k
                            for a, b in zip(exact, found, strict=True)
                        ]
                    )
                ),
            )
            for name, (build, ask, found) in timed.items()
        ),
        ("Trees gain nothing in many dimensions; exact search is one product of matrices.",),
    )


def _faiss(
    x: FloatArray, asked: FloatArray, k: int
) -> tuple[float, float, NDArray[np.intp]] | None:
    try:
        import faiss
    except ImportError:
        return None
    began = time.perf_counter()
    index = faiss.IndexHNSWFlat(x.shape[1], 16, faiss.METRIC_INNER_PRODUCT)
    index.add(x)
    built = time.perf_counter()
    _, found = index.search(asked, k)
    return built - began, time.perf_counter() - built, np.asarray(found, np.intp)
