"""Time of finding neighbours, as ratios of one NumPy matrix-vector product over the same rows.

``python -m benchmarks.search [--rows N ...]`` prints a table in Markdown. One thread; each query is
asked three times and its quickest run counts, then the median over queries. Vectors are drawn
around those of real songs; every song has a fine embedding, half a projection of its vector and
half chance. The baseline is the product of both at once. A million rows take about 3 GB of memory
and a few minutes to build.

``--postgres`` asks pgvector instead, and ``--faiss`` faiss: for `LISTED` candidates by the first
principal components, from ``halfvec(128)`` under HNSW, and from lists and HNSW; of all songs, of a
tenth by genre and tempo, and of a sixtieth by key too. The baseline scores all rows exactly; recall
is that of its nearest ten among the candidates, which an exact score would find again. The time of
candidates is without that score. Indexes are built on all cores.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from musrec.evaluate.report import Cell, Report
from musrec.space import Index, Space, starter

SEED = 2026
K = 10
WIDTH = 128
"""Components of an approximate search."""
LISTED = 200
"""Candidates that an exact score would order again."""
SLOWEST, FASTEST = 90, 150
"""Tempo that filters let through, in beats per minute."""
TENTH, SIXTIETH = " of a tenth", " of a sixtieth"
FILTERS = ("", TENTH, SIXTIETH)


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


@dataclass(frozen=True, slots=True)
class Asked:
    """Songs, what is asked of them, and what scoring all of them answers."""

    index: Index
    vectors: np.ndarray
    fine: np.ndarray
    places: np.ndarray
    """Rows reduced to `WIDTH` components."""
    genres: np.ndarray
    tempos: np.ndarray
    keys: np.ndarray
    queries: np.ndarray

    def fit(self, row: int, within: str) -> np.ndarray:
        """Which rows a filter lets through: a tenth by genre and tempo, a sixtieth by key too."""
        fits = np.ones(len(self.places), dtype=bool)
        if within:
            tempos = (self.tempos >= SLOWEST) & (self.tempos <= FASTEST)
            fits = tempos & (self.genres == self.genres[row])
        if within == SIXTIETH:
            fits &= self.keys % 6 == self.keys[row] % 6
        return fits

    def nearest(self, row: int, within: str) -> np.ndarray:
        """Return the rows nearest to one, of those that fit."""
        alike = self.index.similarities(self.vectors[row], self.fine[row])
        if within:
            alike[~self.fit(row, within)] = -1
        best = np.argpartition(-alike, K)[:K]
        return best[np.argsort(-alike[best])]


def asked(n: int) -> Asked:
    vectors = songs(n)
    fine = fine_of(vectors)
    whole = np.concatenate([vectors / np.linalg.norm(vectors, axis=1, keepdims=True), fine], axis=1)
    whole -= whole.mean(axis=0)
    axes = np.linalg.eigh(np.cov(whole[:: max(1, n // 20_000)].T))[1][:, ::-1][:, :WIDTH]
    rng = np.random.default_rng(SEED)
    queries = rng.choice(n, 50, replace=False)
    genres, tempos = rng.integers(0, 5, n), rng.uniform(60, 180, n)  # a fifth of them, and half
    return Asked(
        index=Index(vectors, fine=fine),
        vectors=vectors,
        fine=fine,
        places=whole @ axes.astype(np.float32),
        genres=genres,
        tempos=tempos,
        keys=rng.integers(0, 24, n),
        queries=queries,
    )


Find = Callable[[int, str], Awaitable[np.ndarray]]
"""Finds `LISTED` candidates for a row under a filter."""


class Measured:
    """Rows of the table of approximate searches."""

    def __init__(self, of: Asked) -> None:
        self.of = of
        self.rows: list[tuple[Cell, ...]] = []
        self._exact: dict[str, float] = {}
        self._best: dict[str, list[set[int]]] = {}
        for within in FILTERS:
            times = []
            self._best[within] = []
            for row in of.queries:
                began = time.perf_counter()
                best = of.nearest(row, within)
                times.append(time.perf_counter() - began)
                self._best[within].append(set(best.tolist()))
            self._exact[within] = 1e3 * float(np.median(times))
            self._add(f"all scored{within} (baseline)", self._exact[within], 1.0, 1.0)

    def _add(self, what: str, ms: float, ratio: float | None, recall: float | None) -> None:
        self.rows.append((f"{len(self.of.places):,}", what, ms, ratio, recall))

    async def took(self, what: str, work: Awaitable[object]) -> None:
        """Add how long something took that is no search."""
        began = time.perf_counter()
        await work
        self._add(what, 1e3 * (time.perf_counter() - began), None, None)

    async def search(self, what: str, find: Find) -> None:
        """Add how long candidates take, and how many of the nearest are among them."""
        for within in FILTERS:
            times, shares = [], []
            for row, best in zip(self.of.queries, self._best[within], strict=True):
                began = time.perf_counter()
                found = await find(row, within)
                times.append(time.perf_counter() - began)
                shares.append(len(best & set(found.tolist())) / K)
            ms = 1e3 * float(np.median(times))
            self._add(f"{what}{within}", ms, ms / self._exact[within], float(np.mean(shares)))


async def in_postgres(measured: Measured, url: str) -> None:
    """Measure pgvector on songs that were copied into a table."""
    import asyncpg

    of = measured.of
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    await connection.execute(
        "CREATE EXTENSION vector; SET maintenance_work_mem = '3GB'; SET jit = off;"
        f" CREATE TABLE songs (id int, genre int, tempo real, key int, place halfvec({WIDTH}))"
    )
    text = io.BytesIO()
    columns = zip(of.genres, of.tempos, of.keys, of.places, strict=True)
    for row, (genre, tempo, key, place) in enumerate(columns):
        numbers = ",".join(f"{one:.4g}" for one in place)
        text.write(f"{row}\t{genre}\t{tempo}\t{key}\t[{numbers}]\n".encode())
    text.seek(0)
    await measured.took("pgvector: written", connection.copy_to_table("songs", source=text))
    text.close()
    made = "CREATE INDEX ON songs USING hnsw (place halfvec_l2_ops)"
    await measured.took("pgvector: HNSW built", connection.execute(made, timeout=3600))
    await connection.execute("CREATE INDEX ON songs (genre, key, tempo); ANALYZE songs")
    words = {row: str([round(float(one), 5) for one in of.places[row]]) for row in of.queries}
    more = "INSERT INTO songs VALUES ($1, 0, 100, 0, $2::text::halfvec)"
    word = words[of.queries[0]]
    one_more = connection.execute(more, len(of.places), word)
    await measured.took("pgvector: a row more", one_more)
    where = {
        "": "",
        TENTH: f"WHERE genre = $2 AND tempo BETWEEN {SLOWEST} AND {FASTEST}",
        SIXTIETH: f"WHERE genre = $2 AND tempo BETWEEN {SLOWEST} AND {FASTEST} AND key % 6 = $3",
    }

    async def find(row: int, within: str) -> np.ndarray:
        given = [words[row], int(of.genres[row]), int(of.keys[row]) % 6]
        found = await connection.fetch(
            f"SELECT id FROM songs {where[within]} ORDER BY place <-> $1::text::halfvec"
            f" LIMIT {LISTED}",
            *given[: 1 + ("$2" in where[within]) + ("$3" in where[within])],
        )
        return np.array([one["id"] for one in found])

    for effort in (200, 800):
        await connection.execute(
            f"SET hnsw.ef_search = {effort}; SET hnsw.iterative_scan = relaxed_order"
        )
        await measured.search(f"pgvector: ef_search {effort}", find)
    await connection.close()


async def in_faiss(measured: Measured) -> None:
    """Measure faiss on the same components: lists, and a graph like pgvector's."""
    faiss: Any = import_module("faiss")  # its stubs lack what is used here
    of = measured.of
    places = np.ascontiguousarray(of.places, dtype=np.float32)
    lists = round(4 * len(places) ** 0.5)
    split = faiss.IndexIVFFlat(faiss.IndexFlatL2(WIDTH), WIDTH, lists)
    graph = faiss.IndexHNSWFlat(WIDTH, 16)
    graph.hnsw.efConstruction = 64

    async def build(index: Any, train: bool) -> None:
        if train:
            index.train(places[:: max(1, len(places) // (40 * lists))])
        index.add(places)

    def finder(index: Any, of_filter: Callable[[Any], Any]) -> Find:
        async def find(row: int, within: str) -> np.ndarray:
            fits = np.flatnonzero(of.fit(row, within)) if within else None
            selector = None if fits is None else faiss.IDSelectorBatch(fits)
            found = index.search(places[row : row + 1], LISTED, params=of_filter(selector))[1]
            return np.asarray(found[0])

        return find

    faiss.omp_set_num_threads(os.cpu_count() or 1)
    await measured.took(f"faiss: {lists:,} lists built", build(split, train=True))
    await measured.took("faiss: HNSW built", build(graph, train=False))
    faiss.omp_set_num_threads(1)
    for probes in (16, 64):

        def some(selector: Any, probes: int = probes) -> Any:
            return faiss.SearchParametersIVF(nprobe=probes, sel=selector)

        await measured.search(f"faiss: {probes} lists", finder(split, some))
    for effort in (200, 800):

        def deep(selector: Any, effort: int = effort) -> Any:
            return faiss.SearchParametersHNSW(efSearch=effort, sel=selector)

        await measured.search(f"faiss: HNSW, efSearch {effort}", finder(graph, deep))


def approximate(sizes: list[int], *, postgres: bool) -> Report:
    """Measure approximate searches beside scoring everything."""
    from tests.support.postgres import server

    rows: list[tuple[Cell, ...]] = []
    with threadpool_limits(1):
        for n in sizes:
            measured = Measured(asked(n))
            if postgres:
                with server() as running:
                    running.stop()
                    running.start("shared_buffers=2GB", "max_wal_size=8GB")
                    asyncio.run(in_postgres(measured, running.empty()))
            else:
                asyncio.run(in_faiss(measured))
            rows += measured.rows
    return Report(
        title="Approximate search",
        protocol=f"Vectors spread around the starter songs, 50 queries, seed {SEED}, wall time.",
        columns=("rows", "what", "ms", "x baseline", f"recall of {K}"),
        rows=tuple(rows),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--postgres", action="store_true", help="measure pgvector instead")
    parser.add_argument("--faiss", action="store_true", help="measure faiss instead")
    chosen = parser.parse_args()
    if chosen.postgres or chosen.faiss:
        print(approximate(chosen.rows, postgres=chosen.postgres).markdown())
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
