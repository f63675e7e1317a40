"""Time of finding neighbours, as ratios of one NumPy matrix-vector product over the same rows.

``python -m benchmarks.search [--rows N ...]`` prints a table in Markdown. One thread; each query is
asked three times and its quickest run counts, then the median over queries. Vectors are drawn
around those of real songs; every song has a fine embedding, half a projection of its vector and
half chance. The baseline is the product of both at once. A million rows take about 3 GB of memory
and a few minutes to build.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from musrec.evaluate.report import Cell, Report
from musrec.space import Index, Space, starter

SEED = 2026
K = 10


def songs(n: int) -> np.ndarray:
    """Vectors around those of the starter catalogue, spread as these are."""
    rng = np.random.default_rng(SEED)
    known = starter()
    centres = Space.load("full").place_all(
        np.stack([song.statistics for song in known.analyses]),
        np.stack([song.tag_mean for song in known.analyses if song.tag_mean is not None]),
    )
    spread = 0.6 * np.linalg.cholesky(np.cov(centres.T) + 1e-6 * np.eye(centres.shape[1]))
    vectors = np.empty((n, centres.shape[1]), dtype=np.float32)
    for start in range(0, n, 100_000):
        part = vectors[start : start + 100_000]
        noise = rng.normal(size=part.shape) @ spread.T
        part[:] = centres[rng.integers(len(centres), size=len(part))] + noise
    return vectors


def fine_of(vectors: np.ndarray) -> np.ndarray:
    """Fine embeddings as wide as the space's: half a projection of the vectors, half chance."""
    empty = Space.load("full").empty_place().fine
    assert empty is not None
    rng = np.random.default_rng(SEED)
    fine = vectors @ rng.normal(size=(vectors.shape[1], len(empty))).astype(np.float32)
    fine += fine.std() * rng.standard_normal(fine.shape, dtype=np.float32)
    fine /= np.linalg.norm(fine, axis=1, keepdims=True)
    return fine


def median(work: Callable[[Any], object], queries: np.ndarray) -> float:
    """Milliseconds per query."""
    work(queries[0])
    taken = np.empty((3, len(queries)))
    for at in np.ndindex(taken.shape):
        start = time.perf_counter()
        work(queries[at[1]])
        taken[at] = time.perf_counter() - start
    return 1e3 * float(np.median(taken.min(axis=0)))


def measure(n: int) -> list[tuple[Cell, ...]]:
    vectors = songs(n)
    fine = fine_of(vectors)
    whole = np.concatenate([vectors, fine], axis=1)
    queries = np.random.default_rng(SEED).choice(n, 50, replace=False)
    product = median(lambda row: whole @ whole[row], queries)
    width = whole.shape[1]
    start = time.perf_counter()
    index = Index(vectors, fine=fine)
    built = time.perf_counter() - start
    near = np.float32(0.01)  # a query is a song that is almost one of these
    similarities = median(lambda row: index.similarities(vectors[row] + near, fine[row]), queries)
    alone = median(lambda row: index.similarities(vectors[row] + near), queries)
    nearest = median(lambda row: index.nearest(vectors[row] + near, K, fine[row]), queries)
    nearest_alone = median(lambda row: index.nearest(vectors[row] + near, K), queries)

    start = time.perf_counter()
    index.extended(vectors[:10], fine=fine[:10])
    grown = (time.perf_counter() - start) * 1e3
    return [
        (f"{n:,} x {width}", what, ms, ms / product)
        for what, ms in (
            ("NumPy product, nothing corrected (baseline)", product),
            ("similarities of all rows, corrected", similarities),
            ("the same for a song without fine embedding", alone),
            (f"nearest {K}, corrected", nearest),
            ("the same for a song without fine embedding", nearest_alone),
            ("ten rows more, in memory", grown),
            ("built", built * 1e3),
        )
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    chosen = parser.parse_args()
    rows: list[tuple[Cell, ...]] = []
    with threadpool_limits(1):
        for n in chosen.rows:
            rows += measure(n)
    report = Report(
        title="Search",
        protocol=(
            f"Vectors spread around the starter songs, 50 queries, seed {SEED}, wall time, one "
            "thread."
        ),
        columns=("rows", "what", "ms", "x baseline"),
        rows=tuple(rows),
    )
    print(report.markdown())


if __name__ == "__main__":
    main()
