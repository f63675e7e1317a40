"""What recommending, learning and fitting cost, each against a plain baseline of the same run.

Wall time on made-up data from a fixed seed. A task and its baseline take turns, and the tenth
percentile of many turns counts, so that both meet the machine at its quietest.

``OMP_NUM_THREADS=1 python -m benchmarks.recommend [--small | --full]`` prints a table in Markdown.
"""

from __future__ import annotations

import argparse
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
from musrec.recommend.taste import l2_normalise
from musrec.space import Index

NOW = datetime(2026, 1, 1, tzinfo=UTC)

Row = tuple[str, float, str, float]


def timed(work: Callable[[], object]) -> float:
    """Return the milliseconds of one run."""
    start = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - start)


def turns(
    what: str,
    work: Callable[[], object],
    named: str,
    baseline: Callable[[], object],
    runs: int = 100,
) -> Row:
    """Return the milliseconds of a task and of its baseline; the first turn does not count."""
    both = np.array([(timed(work), timed(baseline)) for _ in range(runs + 1)])[1:]
    ours, its = np.quantile(both, 0.1, axis=0)
    return what, float(ours), named, float(its)


def catalogue(n: int, d: int) -> Catalogue:
    rng = np.random.default_rng(0)
    vectors = l2_normalise(rng.normal(size=(n, d)).astype(np.float32))
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


def learning(members: int, tracks: int, count: int) -> list[Row]:
    songs = catalogue(tracks, 32)
    likes = events(members, tracks, count)
    made: list[Recommender] = []

    def load() -> None:
        made.append(Recommender(songs, likes, lambda place: songs.vectors @ place.vector))

    loading = timed(load)
    (recommender,) = made
    model = recommender._fitted.model
    row, matrix = model.likes[0], model.likes
    thumb = Feedback("m0", "7", FeedbackKind.LIKE, NOW)
    request = Request("m0", now=NOW)
    size = f"{members} x {tracks} x {count}"

    def fold() -> object:
        return model.scores(row)

    return [
        turns(f"one thumb, {size}", lambda: recommender.learn(thumb), "fold-in alone", fold),
        turns(
            f"answer a member, {size}",
            lambda: recommender.recommend(request),
            "fold-in alone",
            fold,
        ),
        (f"load and fit, {size}", loading, "one pass over the likes", timed(matrix.sum)),
    ]


def answering(n: int, d: int) -> list[Row]:
    songs = catalogue(n, d)
    vectors, query = songs.vectors, songs.vectors[5]
    likes = events(500, n, 20_000)
    plain = Recommender(songs, likes, lambda place: vectors @ place.vector)
    corrected = Recommender(songs, likes, Index(vectors).alike)
    request = Request("m1", (Seed(Place(query, {}), songs.tracks[5], Profile()),), now=NOW)
    nobody, drop = replace(request, member=None), replace(request, seeds=())

    def product() -> object:
        return vectors @ query

    return [
        turns(f"{what}, {n} x {d}", work, "one exact product", product)
        for what, work in (
            ("answer a member", lambda: plain.recommend(request)),
            ("answer nobody", lambda: plain.recommend(nobody)),
            ("a member's drop", lambda: plain.recommend(drop)),
            ("answer a member, hubs corrected", lambda: corrected.recommend(request)),
        )
    ]


def fitting(members: int, tracks: int) -> list[Row]:
    rng = np.random.default_rng(2)
    rows = np.repeat(np.arange(members), 50)
    likes = csr_matrix(
        (np.ones(len(rows), np.float32), (rows, rng.zipf(1.3, len(rows)) % tracks)),
        shape=(members, tracks),
    )
    likes.sum_duplicates()

    def on_items() -> None:
        gram = (likes.T @ likes).toarray()
        gram[np.diag_indices_from(gram)] += 100
        weights = np.linalg.inv(gram)
        weights /= -np.diag(weights)

    size = f"{members} x {tracks}"
    ours = min(timed(lambda: Ease.fit(likes)) for _ in range(2))
    return [(f"fit EASE, {size}", ours, "on items, float32", timed(on_items))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--small", action="store_true", help="a tenth of everything")
    size.add_argument("--full", action="store_true", help="fit to 17,632 tracks: minutes, 9 GB")
    chosen = parser.parse_args()
    part = 10 if chosen.small else 1
    rows = [
        *answering(100_000 // part, 128),
        *fitting(1_892 // part, 17_632 if chosen.full else 6_000 // part),
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
