"""What recommending, learning and fitting cost, each beside a plain baseline of the same run.

``OMP_NUM_THREADS=1 python -m benchmarks.recommend [--small]``: prints a table in Markdown. Medians
of wall time; everything is made up from a fixed seed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
from scipy.sparse import csr_matrix

from musrec.evaluate.report import Report
from musrec.model import Catalogue, Feedback, FeedbackKind, Place, Profile, Track
from musrec.recommend import Recommender, Request, Seed
from musrec.recommend.collaborative import Ease
from musrec.recommend.taste import unit

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def median(work: Callable[[], object], runs: int = 15) -> float:
    """Milliseconds; the first run is left out."""
    work()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def catalogue(n: int, d: int) -> Catalogue:
    rng = np.random.default_rng(0)
    vectors = unit(rng.normal(size=(n, d)).astype(np.float32))
    tracks = tuple(Track(str(i), f"Song {i}", (f"Band {i // 5}",)) for i in range(n))
    return Catalogue(tracks, (Profile(),) * n, vectors, {})


def events(members: int, tracks: int, count: int) -> list[Feedback]:
    rng = np.random.default_rng(1)
    who, what = rng.integers(0, members, count), rng.zipf(1.3, count) % tracks
    at = NOW - timedelta(days=30)
    return [
        Feedback(f"m{u}", str(i), FeedbackKind.LIKE, at)
        for u, i in zip(who.tolist(), what.tolist(), strict=True)
    ]


def learning(members: int, tracks: int, count: int) -> list[tuple[str, float, str, float]]:
    songs = catalogue(tracks, 32)
    start = time.perf_counter()
    recommender = Recommender(
        songs, events(members, tracks, count), lambda place: songs.vectors @ place.vector
    )
    loading = 1e3 * (time.perf_counter() - start)
    likes = recommender._fitted.model.likes
    row = likes[0]
    thumb = Feedback("m0", "7", FeedbackKind.LIKE, NOW)
    size = f"{members} x {tracks} x {count}"
    fold = median(lambda: recommender._fitted.model.scores(row))
    return [
        (f"one thumb, {size}", median(lambda: recommender.learn(thumb)), "fold-in alone", fold),
        (f"load and fit, {size}", loading, "one pass over the likes", median(likes.sum)),
        (
            f"answer a member, {size}",
            median(lambda: recommender.recommend(Request("m0", now=NOW))),
            "fold-in alone",
            fold,
        ),
    ]


def answering(n: int, d: int) -> list[tuple[str, float, str, float]]:
    songs = catalogue(n, d)
    vectors, query = songs.vectors, songs.vectors[5]
    recommender = Recommender(songs, events(500, n, 20_000), lambda place: vectors @ place.vector)
    request = Request("m1", (Seed(Place(query, {}), songs.tracks[5], Profile()),), now=NOW)
    once = median(lambda: vectors @ query)
    return [
        (
            f"answer a member, {n} x {d}",
            median(lambda: recommender.recommend(request)),
            "one exact product",
            once,
        ),
        (
            f"answer nobody, {n} x {d}",
            median(lambda: recommender.recommend(replace(request, member=None))),
            "one exact product",
            once,
        ),
    ]


def fitting(members: int, tracks: int) -> list[tuple[str, float, str, float]]:
    rng = np.random.default_rng(2)
    rows = np.repeat(np.arange(members), 50)
    likes = csr_matrix(
        (np.ones(len(rows), np.float32), (rows, rng.zipf(1.3, len(rows)) % tracks)),
        shape=(members, tracks),
    )
    likes.sum_duplicates()

    def on_items() -> object:
        gram = (likes.T @ likes).toarray().astype(np.float64)
        gram[np.diag_indices_from(gram)] += 100
        precision = np.linalg.inv(gram)
        return precision / -np.diag(precision)

    size = f"{members} x {tracks}"
    return [
        (f"fit EASE, {size}", median(lambda: Ease.fit(likes), 1), "on items", median(on_items, 1))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--small", action="store_true", help="a tenth of everything")
    part = 10 if parser.parse_args().small else 1
    rows = [
        *answering(100_000 // part, 128),
        *fitting(1_892 // part, 6_000 // part),
        *learning(10_000 // part, 50_000 // part, 1_000_000 // part),
    ]
    print(
        Report(
            "Cost of recommending",
            __doc__.split("\n\n")[1].replace("\n", " "),
            ("what", "ms", "baseline", "its ms", "ratio"),
            tuple((a, b, c, d, b / d) for a, b, c, d in rows),
        ).markdown()
    )


if __name__ == "__main__":
    main()
