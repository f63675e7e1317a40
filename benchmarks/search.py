"""Time of finding neighbours, as ratios of one NumPy matrix-vector product over the same rows.

``python -m benchmarks.search [--rows N ...]``: prints a table in Markdown. One thread; the median
of many queries. Vectors are drawn around those of real songs; recall is measured against exact
search of the same index. A million rows take about 3 GB of memory and some minutes to build.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from musrec.evaluate.report import Cell, Report
from musrec.space import Index, Space, starter
from musrec.space.index import EXACT_ROWS

SEED = 2026
K = 10


def songs(n: int) -> np.ndarray:
    """Vectors spread around those of the starter catalogue as these are around each other."""
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


def median(work: Callable[[np.ndarray], object], queries: np.ndarray) -> float:
    """Milliseconds a query."""
    work(queries[0])
    taken = []
    for query in queries:
        start = time.perf_counter()
        work(query)
        taken.append(time.perf_counter() - start)
    return 1e3 * float(np.median(taken))


def measure(n: int, folder: Path) -> list[tuple[Cell, ...]]:
    vectors = songs(n)
    queries = vectors[np.random.default_rng(SEED).choice(n, 50, replace=False)] + np.float32(0.01)
    product = median(lambda query: vectors @ query, queries)
    start = time.perf_counter()
    index = Index(vectors, file=folder / f"{n}.faiss")
    built = time.perf_counter() - start
    similarities = median(index.similarities, queries)
    nearest = median(lambda query: index.nearest(query, K), queries)
    recalls = []
    for query in queries:
        best = np.argpartition(-index.similarities(query), K)[:K]
        recalls.append(len(set(best) & set(index.nearest(query, K)[0])) / K)
    start = time.perf_counter()
    index.extended(vectors[:10]) if n <= EXACT_ROWS else None
    grown = (time.perf_counter() - start) * 1e3 if n <= EXACT_ROWS else None
    return [
        (f"{n:,} x {vectors.shape[1]}", what, ms, ms / product, recall)
        for what, ms, recall in (
            ("NumPy product, nothing corrected (baseline)", product, None),
            ("similarities of all rows, corrected", similarities, None),
            (f"nearest {K}, corrected", nearest, float(np.mean(recalls))),
            ("ten rows more", grown, None),
            ("built", built * 1e3, None),
        )
        if ms is not None
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    chosen = parser.parse_args()
    rows: list[tuple[Cell, ...]] = []
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        for n in chosen.rows:
            rows += measure(n, Path(folder))
    report = Report(
        title="Search",
        protocol=(
            f"Vectors spread around the starter songs, 50 queries, seed {SEED}, median wall time, "
            "one thread."
        ),
        columns=("rows", "what", "ms", "x baseline", f"recall@{K}"),
        rows=tuple(rows),
        notes=(f"Above {EXACT_ROWS:,} rows, `nearest` asks faiss where it is installed.",),
    )
    print(report.markdown())


if __name__ == "__main__":
    main()
