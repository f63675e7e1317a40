"""Time of finding neighbours, as ratios of one NumPy matrix-vector product over the same rows.

``python -m benchmarks.search [--rows N ...]`` prints a table in Markdown. One thread; each query is
asked three times and its quickest run counts, then the median over queries. Vectors are drawn
around those of real songs; every song has a fine embedding, half a projection of its vector and
half chance. The baseline is the product of both at once. A million rows take about 3 GB of memory
and a few minutes to build.

``--postgres`` asks pgvector instead: `LISTED` candidates from ``halfvec(128)`` under HNSW, by the
first principal components, of all songs and of a tenth by genre and tempo. The baseline scores all
rows exactly; recall is that of its nearest ten among the candidates.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from musrec.evaluate.report import Cell, Report
from musrec.space import Index, Space, starter

SEED = 2026
K = 10
WIDTH = 128
"""Components in PostgreSQL."""
LISTED = 200
"""Candidates that an exact score would order again."""


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


async def in_postgres(n: int, url: str) -> list[tuple[Cell, ...]]:
    """Measure pgvector on songs that were copied into a table."""
    import asyncpg

    vectors = songs(n)
    fine = fine_of(vectors)
    index = Index(vectors, fine=fine)
    whole = np.concatenate([vectors / np.linalg.norm(vectors, axis=1, keepdims=True), fine], axis=1)
    queries = np.random.default_rng(SEED).choice(n, 50, replace=False)
    exact = median(lambda row: index.nearest(vectors[row], K, fine[row]), queries)
    wanted = [set(index.nearest(vectors[row], K, fine[row])[0].tolist()) for row in queries]
    centred = whole - whole.mean(axis=0)
    axes = np.linalg.eigh(np.cov(centred[:: max(1, n // 20_000)].T))[1][:, ::-1][:, :WIDTH]
    places = (centred @ axes).astype(np.float16)
    rng = np.random.default_rng(SEED)
    genres, tempos = rng.integers(0, 5, n), rng.uniform(60, 180, n)  # a fifth of them, and half
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    await connection.execute(
        f"CREATE EXTENSION vector; CREATE TABLE songs (id int, genre int, tempo real,"
        f" place halfvec({WIDTH})); SET maintenance_work_mem = '1GB'; SET jit = off"
    )
    rows: list[tuple[Cell, ...]] = [(f"{n:,}", "scored exactly (baseline)", exact, 1.0, 1.0)]

    async def took(what: str, work: Any) -> None:
        began = time.perf_counter()
        await work
        ms = 1e3 * (time.perf_counter() - began)
        rows.append((f"{n:,} x {WIDTH}", what, ms, ms / exact, None))

    text = io.BytesIO()
    for row, place in enumerate(places):
        numbers = ",".join(f"{one:.4g}" for one in place)
        text.write(f"{row}\t{genres[row]}\t{tempos[row]}\t[{numbers}]\n".encode())
    text.seek(0)
    await took("rows written", connection.copy_to_table("songs", source=text))
    await took(
        "HNSW built",
        connection.execute("CREATE INDEX ON songs USING hnsw (place halfvec_l2_ops)", timeout=3600),
    )
    one_more = "INSERT INTO songs VALUES ($1, 0, 100, $2::text::halfvec)"
    words = [str([round(float(one), 5) for one in places[row]]) for row in queries]
    await took("one row more", connection.execute(one_more, n, words[0]))
    for effort in (200, 800):
        for within in ("", "WHERE genre = $2 AND tempo BETWEEN 90 AND 150"):
            await connection.execute(
                f"SET hnsw.ef_search = {effort}; SET hnsw.iterative_scan = strict_order"
            )
            order = f"ORDER BY place <-> $1::text::halfvec LIMIT {LISTED}"
            query = f"SELECT id FROM songs {within} {order}"
            times, shares = [], []
            for row, word, best in zip(queries, words, wanted, strict=True):
                given = (word, int(genres[row])) if within else (word,)
                began = time.perf_counter()
                found = {one["id"] for one in await connection.fetch(query, *given)}
                times.append(time.perf_counter() - began)
                nearest = best
                if within:
                    fits = (genres == genres[row]) & (tempos >= 90) & (tempos <= 150)
                    alike = np.where(fits, index.similarities(vectors[row], fine[row]), -np.inf)
                    nearest = set(np.argsort(-alike)[:K].tolist())
                shares.append(len(nearest & found) / K)
            ms = 1e3 * float(np.median(times))
            what = f"{LISTED} candidates{' of a tenth' if within else ''}, ef_search {effort}"
            rows.append((f"{n:,} x {WIDTH}", what, ms, ms / exact, float(np.mean(shares))))
    await connection.close()
    return rows


def against_postgres(sizes: list[int]) -> Report:
    """Measure on a PostgreSQL of its own."""
    from tests.support.postgres import server

    rows: list[tuple[Cell, ...]] = []
    with server() as running, threadpool_limits(1):
        for n in sizes:
            rows += asyncio.run(in_postgres(n, running.empty()))
    return Report(
        title="pgvector",
        protocol=f"Vectors spread around the starter songs, 50 queries, seed {SEED}, wall time.",
        columns=("rows", "what", "ms", "x baseline", f"recall of {K}"),
        rows=tuple(rows),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--postgres", action="store_true", help="measure pgvector instead")
    chosen = parser.parse_args()
    if chosen.postgres:
        print(against_postgres(chosen.rows).markdown())
        return
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
