"""Compares ways to find similar songs: pixels, features, our space, a network's vectors.

Only clips by other artists are candidates, and those with the query's label are hits. A query
without a possible hit is left out; the ceiling says what the best possible lists would score.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import BallTree, KDTree
from sklearn.preprocessing import StandardScaler

from musrec.audio.features import STATISTIC_NAMES
from musrec.audio.tagger.run import runtime
from musrec.evaluate import metrics
from musrec.evaluate.report import Cell, Report
from musrec.lab import extraction, splits
from musrec.model import MusrecError
from musrec.space import Space

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from musrec.lab.extraction import Measured
    from musrec.model import FloatArray

Search = Callable[[], "NDArray[np.intp]"]
"""Answers the same queries (q, d) with rows (q, k) each time."""

K = 10

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406])
IMAGENET_SCALE = np.array([0.229, 0.224, 0.225])
"""Mean and scale of red, green and blue in the photographs that networks are trained on."""

KINDS = ("cosine", "correlation", "euclidean")


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What each system finds for the same queries.

    Attributes
    ----------
    queries : NDArray of int, shape (q,)
        Rows.
    lists : mapping of system to a list per query
        Rows by cosine, nearest first.
    shares : mapping of system to NDArray, shape (q,)
        Precision of those lists.
    """

    precision: Report
    overlap: Report
    queries: NDArray[np.intp]
    lists: Mapping[str, Sequence[NDArray[np.intp]]]
    shares: Mapping[str, NDArray[np.float64]]


def systems(measured: Measured, train: NDArray[np.intp]) -> dict[str, FloatArray]:
    """Return vectors (n, d) of every clip by system; projections are learned from `train`.

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
    if measured.published_names:
        given = extraction.published(measured)
        found["published features"] = StandardScaler().fit(given[train]).transform(given)
    ours = measured.statistics[:, [extraction.NAMES.index(name) for name in STATISTIC_NAMES]]
    if np.isfinite(measured.tags).all():
        found["tags"] = measured.tags[:, :50]
        found["our space"] = Space.load("full").place_all(ours, measured.tags[:, :50])
    else:
        found["our space"] = Space.load("statistics").place_all(ours)
    return {name: np.asarray(vectors, np.float32) for name, vectors in found.items()}


def image_vectors(file: Path, pictures: FloatArray) -> FloatArray:
    """Return what a network for photographs makes of pictures (n, h, w) from 0 to 1, shape (n, d).

    Parameters
    ----------
    file : Path
        ONNX; one input (batch, 3, height, width), scaled as ImageNet's photographs are. Its first
        output is flattened: cut a classifier before its last layer.

    Raises
    ------
    MusrecError
        It is no such network.
    """
    onnxruntime = runtime()
    try:
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        [asked] = session.get_inputs()
        sides = [side if isinstance(side, int) else 224 for side in asked.shape[-2:]]
        rows, columns = (np.arange(n) * pictures.shape[i + 1] // n for i, n in enumerate(sides))
        vectors = []
        for picture in pictures:
            grey = picture[::-1][rows][:, columns]  # high frequencies at the top
            image = (grey - IMAGENET_MEAN[:, None, None]) / IMAGENET_SCALE[:, None, None]
            [found, *_] = session.run(None, {asked.name: image[None].astype(np.float32)})
            vectors.append(np.ravel(found))
        return np.stack(vectors).astype(np.float32)
    except Exception as error:  # noqa: BLE001 - onnxruntime has no common class for its errors
        raise MusrecError(
            f"{file} is no ONNX network for images: {error}",
            "It needs one input of shape (batch, 3, height, width).",
        ) from None


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


def guessed(measured: Measured, seed: int = 0) -> NDArray[np.str_]:
    """Return a label per clip (n,) from its features, by logistic regression on other artists."""
    x, labels = measured.statistics, splits.labels(measured.clips)
    out = np.empty(len(measured), labels.dtype)
    for fold in splits.by_artist(measured.clips, seed):
        known = np.concatenate([fold.train, fold.valid])
        standard = StandardScaler().fit(x[known])
        model = LogisticRegression(C=0.05, max_iter=2_000, random_state=seed)
        model.fit(standard.transform(x[known]), labels[known])
        out[fold.test] = model.predict(standard.transform(x[fold.test]))
    return out


def compared(
    measured: Measured,
    more: Mapping[str, FloatArray] | None = None,
    *,
    train: NDArray[np.intp] | None = None,
    queries: NDArray[np.intp] | None = None,
    predicted: NDArray[np.str_] | None = None,
    k: int = K,
) -> Found:
    """Return what each system finds, how precise it is by distance, and how lists overlap.

    Parameters
    ----------
    more : mapping of str to FloatArray (n, d), optional
        Vectors of networks.
    train : NDArray of int, optional
        What projections are learned from; all clips by default, or those that are no queries.
    queries : NDArray of int, optional
        All clips by default.
    predicted : NDArray of str, shape (n,), optional
        Labels that a model gave; by default what the features say (`guessed`). Each system is
        tried inside the predicted class, too.

    Raises
    ------
    MusrecError
        No query has a possible hit.
    """
    everything = np.arange(len(measured))
    asked = everything if queries is None else queries
    rest = everything if queries is None else np.setdiff1d(everything, asked)
    classes = guessed(measured) if predicted is None else predicted
    vectors = {**systems(measured, rest if train is None else train), **(more or {})}
    artists, labels = splits.groups(measured.clips), splits.labels(measured.clips)
    others = artists[asked, None] != artists
    hits = others & (labels[asked, None] == labels)
    fair = hits.any(axis=1)
    if not fair.any():
        raise MusrecError(
            "No clip has another one of its label by another artist: nothing can be found.",
            "Use a data set with two artists or more per label.",
        )
    asked, others, hits = asked[fair], others[fair], hits[fair]
    same = others & (classes[asked, None] == classes)
    rows: list[tuple[Cell, ...]] = []
    lists: dict[str, list[NDArray[np.intp]]] = {}
    shares: dict[str, NDArray[np.float64]] = {}
    for name, own in vectors.items():
        for kind in KINDS:
            far = distances(own, asked, kind)
            found = ranked(far, others, k)
            share = _precision(found, hits, k)
            low, high = metrics.bootstrap(share, artists[asked])
            inside = float(_precision(ranked(far, same, k), hits, k).mean())
            counts = metrics.occurrences(np.concatenate(found), len(measured))
            hubs = metrics.hubness_skew(counts)
            interval = f"{low:.3f} to {high:.3f}"
            rows.append((name, kind, float(share.mean()), interval, inside, hubs))
            if kind == "cosine":
                lists[name], shares[name] = found, share
    ceiling = float((np.minimum(hits.sum(axis=1), k) / k).mean())
    inner = float((np.minimum((hits & same).sum(axis=1), k) / k).mean())
    chance = float((hits.sum(axis=1) / np.maximum(others.sum(axis=1), 1)).mean())
    rows.append(("best possible", "", ceiling, "", inner, None))
    rows.append(("chance", "", chance, "", None, None))
    right = float((classes[asked] == labels[asked]).mean())
    precision = Report(
        "Retrieval",
        f"{len(asked)} queries among {len(measured)} clips; the {k} nearest by other artists; a "
        "hit has the query's label.",
        ("system", "distance", f"P@{k}", "95% CI", "genre first", "hubness"),
        tuple(rows),
        (
            f"{int((~fair).sum())} clips have no possible hit and are no queries.",
            "Genre first: candidates are the clips whose predicted genre is that of the query.",
            f"The predicted genre is right for {right:.3f} of the queries.",
            "Intervals: 95% bootstrap over the queries' artists.",
            "Hubness: skewness of how often a clip is in a list; above 1, a few are everywhere.",
            "Picture embedding: principal components of the pictures' pixels.",
            "Our space was learned from GTZAN's training clips: on GTZAN most are familiar to it.",
        ),
    )
    return Found(precision, _overlap(lists, k), asked, lists, shares)


def _precision(
    found: Sequence[NDArray[np.intp]], hits: NDArray[np.bool_], k: int
) -> NDArray[np.float64]:
    return np.array([hits[number, own].sum() / k for number, own in enumerate(found)])


def _overlap(lists: Mapping[str, Sequence[NDArray[np.intp]]], k: int) -> Report:
    names = list(lists)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            one,
            *(_common(lists[one], lists[other], k) for other in names),
        )
        for one in names
    )
    return Report(
        "Overlap of the lists",
        f"Share of the {k} nearest that two systems have in common, by cosine.",
        ("system", *names),
        rows,
    )


def _common(one: Iterable[NDArray[np.intp]], other: Iterable[NDArray[np.intp]], k: int) -> float:
    """Return the share of k rows that two systems have in common, averaged over the queries."""
    return float(np.mean([len(np.intersect1d(a, b)) / k for a, b in zip(one, other, strict=True)]))


def trees(vectors: FloatArray, *, queries: int = 100, k: int = K, seed: int = 0) -> Report:
    """Compare exact search, a KD tree, a ball tree and faiss on vectors (n, d): time and recall.

    Vectors are scaled to length 1, so that Euclidean order is that of the cosine. Each search takes
    the least of five runs, after one that is not timed.
    """
    x = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    x = np.ascontiguousarray(x, np.float32)
    rows = np.random.default_rng(seed).permutation(len(x))[:queries]
    k = min(k, len(x))
    asked = x[rows]

    def built_of(build: Callable[[], Search]) -> tuple[float, float, NDArray[np.intp]]:
        began = time.perf_counter()
        search = build()
        built = time.perf_counter()
        search()
        taken = []
        for _ in range(5):
            asking = time.perf_counter()
            found = search()
            taken.append(time.perf_counter() - asking)
        return built - began, min(taken), found

    def exact() -> Search:
        return lambda: np.asarray(np.argsort(-(asked @ x.T), axis=1, kind="stable")[:, :k])

    def tree(kind: type[KDTree] | type[BallTree]) -> Search:
        made = kind(x)
        return lambda: np.asarray(made.query(asked, k=k, return_distance=False), np.intp)

    timed = {
        "exact": built_of(exact),
        "KD tree": built_of(lambda: tree(KDTree)),
        "ball tree": built_of(lambda: tree(BallTree)),
    }
    if find_spec("faiss") is not None:
        timed["faiss HNSW"] = built_of(lambda: _faiss(x, asked, k))
    _, base, truth = timed["exact"]
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
                _common(truth, found, k),
            )
            for name, (build, ask, found) in timed.items()
        ),
        ("Exact search is one product of matrices. Times exact: above 1 is slower than that.",),
    )


def _faiss(x: FloatArray, asked: FloatArray, k: int) -> Search:
    import faiss

    index = faiss.IndexHNSWFlat(x.shape[1], 16, faiss.METRIC_INNER_PRODUCT)
    index.add(x)
    return lambda: np.asarray(index.search(asked, k)[1], np.intp)
