"""Time to make weekly drops, as ratios of one exact matrix-vector product for each of them.

``python -m benchmarks.drops [--tracks N] [--drops N]``: prints a table in Markdown. One thread, one
process, a real SQLite file. Songs are those of the starter catalogue with noise on what was heard;
every member likes twenty of one genre. Twenty thousand tracks take a few minutes to lay out.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from musrec.drops.choice import personal
from musrec.drops.model import Drop, Part, Schedule
from musrec.drops.ports import Unposted
from musrec.evaluate.report import Cell, Report
from musrec.model import Analysis, Catalogue, Feedback, FeedbackKind, Heard, Place, Track, track_id
from musrec.recommend import Recommender
from musrec.service import Service
from musrec.settings import Settings
from musrec.space import starter
from musrec.store import schema
from tests.support.stores import store_of

SEED = 2026
MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
LIKES = 20


def songs(count: int) -> list[tuple[Track, Analysis]]:
    """Songs that sound like those of the starter catalogue, four per artist."""
    rng = np.random.default_rng(SEED)
    known = starter()
    spread = 0.3 * np.nan_to_num(np.stack([song.statistics for song in known.analyses])).std(axis=0)
    made = []
    for number, row in enumerate(rng.integers(len(known.tracks), size=count)):
        track, analysis = known.tracks[row], known.analyses[row]
        id_ = track_id("benchmark", str(number))
        noise = spread * rng.normal(size=len(spread))
        made.append(
            (
                Track(id_, f"Song {number}", (f"Artist {number // 4}",), genre=track.genre),
                replace(analysis, digest=id_, statistics=analysis.statistics + np.float32(noise)),
            )
        )
    return made


async def lay_out(folder: Path, tracks: int, members: int) -> None:
    """Keep songs, members, their likes and their subscriptions."""
    rng = np.random.default_rng(SEED)
    async with Service.open(Settings.model_validate({"paths": {"data": folder}})) as service:
        made = songs(tracks)
        async with store_of(service) as store:
            await store.analyses.add_starter(made)
        by_genre = defaultdict(list)
        for track, _ in made:
            by_genre[track.genre].append(track.id)
        genres = sorted(by_genre, key=str)
        names = [f"member {number}" for number in range(members)]
        liked = [
            Feedback(name, str(id_), FeedbackKind.LIKE, MONDAY - timedelta(days=int(days)))
            for number, name in enumerate(names)
            for id_, days in zip(
                rng.choice(by_genre[genres[number % len(genres)]], LIKES, replace=False),
                rng.integers(7, 300, LIKES),
                strict=True,
            )
        ]
        async with store_of(service) as store, store.database.write() as connection:
            await connection.execute(
                schema.members.insert(),
                [
                    {"id": name, "listening": False, "paused": False, "since": MONDAY}
                    for name in names
                ],
            )
            await connection.execute(
                schema.feedback.insert(),
                [
                    {"member_id": e.member, "track_id": e.track, "kind": e.kind, "at": e.at}
                    for e in liked
                ],
            )
        schedule = Schedule(2, 18, "Europe/Berlin")
        for name in names:
            await service.drops.keep(Drop(name, None, schedule, MONDAY))


def choose(recommender: Recommender, catalogue: Catalogue, likes: dict[str, list[int]]) -> int:
    """Choose the songs of every member's drop; return how many there are."""
    count = 0
    for member, rows in likes.items():
        seeds = [
            Heard(
                catalogue.tracks[row],
                starter().analyses[0],
                catalogue.profiles[row],
                Place(catalogue.vectors[row], {k: v[row] for k, v in catalogue.facets.items()}),
            )
            for row in rows[:5]
        ]
        genres = list(dict.fromkeys(str(catalogue.tracks[row].genre) for row in rows))
        count += len(personal(recommender, member, seeds, genres=genres, now=MONDAY))
    return count


async def measure(folder: Path) -> tuple[list[tuple[Cell, ...]], str]:
    async with Service.open(Settings.model_validate({"paths": {"data": folder}})) as service:
        catalogue = service.catalogue.songs
        row_of = {track.id: row for row, track in enumerate(catalogue.tracks)}
        likes: dict[str, list[int]] = defaultdict(list)
        async with store_of(service) as store:
            for event in await store.feedback.events():
                likes[event.member].append(row_of[event.track])
        queries = catalogue.vectors[[rows[0] for rows in likes.values()]]

        def products() -> float:
            start = time.perf_counter()
            for query in queries:
                catalogue.vectors @ query
            return time.perf_counter() - start

        baseline = min(products() for _ in range(3))

        start = time.perf_counter()
        picked = await service.drops._library.think(lambda r, c: choose(r, c, likes))
        choosing = time.perf_counter() - start

        start = time.perf_counter()
        done = await service.drops.tick(Unposted(), lambda: MONDAY + timedelta(days=2, hours=20))
        whole = time.perf_counter() - start
        assert done == len(likes)
        parts: dict[str, int] = defaultdict(int)
        async with store_of(service) as store, store.database.read() as connection:
            for row in await connection.execute(schema.drop_posts.select()):
                parts[row.part] += 1
    rows: list[tuple[Cell, ...]] = [
        (what, len(likes), seconds, 1e3 * seconds / len(likes), seconds / baseline)
        for what, seconds in (
            ("exact matrix-vector products (baseline)", baseline),
            ("songs chosen", choosing),
            ("drops claimed, chosen, kept, marked and finished", whole),
        )
    ]
    shape = f"{len(catalogue):,} x {catalogue.vectors.shape[1]}"
    made = ", ".join(f"{count:,} {Part(part).value}" for part, count in sorted(parts.items()))
    return rows, f"Catalogue {shape}; {picked:,} songs chosen; posts: {made}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=20_000)
    parser.add_argument("--drops", type=int, default=1_000)
    chosen = parser.parse_args()
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        asyncio.run(lay_out(Path(folder), chosen.tracks, chosen.drops))
        rows, note = asyncio.run(measure(Path(folder)))
    report = Report(
        title="Drops",
        protocol=f"Wall time of all, one thread; five songs a drop, {LIKES} likes a member.",
        columns=("what", "how many", "seconds", "ms each", "x baseline"),
        rows=tuple(rows),
        notes=(note,),
    )
    print(report.markdown())


if __name__ == "__main__":
    main()
