"""What 100 million songs, 10 million members and 500 shards would take, from measured constants.

``python -m benchmarks.scale`` prints the tables of ``docs/scale.md``. Bytes per song follow from
the form of the columns. Bytes per member are measured here, on made-up histories. CPU per answer
and memory are measured by ``benchmarks.catalogue`` at a million songs and given by ``--answer-ms``
and ``--memory-mib``. How many partitions must be asked is simulated here: songs are
parted by where they stand, and a query goes to the nearest parts alone.
"""

from __future__ import annotations

import argparse
import math
import tracemalloc
from datetime import UTC, datetime

import numpy as np
from scipy.cluster.vq import kmeans, vq

from benchmarks.search import songs as made_up
from musrec.catalogue.engine import PLACES_AND_SCALES, open_blocks, space_of
from musrec.evaluate.report import Cell, Report
from musrec.model import Feedback, FeedbackKind
from musrec.recommend.collaborative import LARGEST_SOLVE
from musrec.recommend.evidence import Ledger

SONGS, MEMBERS, SHARDS = 100_000_000, 10_000_000, 500
LIKES = 50
"""Per member. Assumed."""
ANSWERS = 2.0
"""Per member and day. Assumed."""
PEAK = 3.0
"""The busiest hour against the mean one. Assumed."""
SERVERS_PER_SHARD = 1_000
"""Discord asks for a shard per 2,500 servers at most, and recommends about 1,000."""
PART = 1_000_000
"""Songs of one partition: what one process answers from today."""
CORES = 32
"""Of one machine. Assumed."""

SCANNED = ("key", "fine", "has_fine", "slope", "intercept", "whole_slope", "whole_intercept")
"""Columns that every answer reads to the end, beside the directions of likes."""


def bytes_per_song() -> dict[str, int]:
    """Bytes of a row: in all columns, and in those that every answer reads."""
    space = space_of()
    blocks = open_blocks(None, space, None, ())
    size = {
        name: blocks[name].dtype.itemsize * math.prod(blocks[name].shape[1:])
        for name in blocks.names
    }
    return {
        "columns": sum(size.values()),
        "placed": sum(size.get(name, 0) for name in PLACES_AND_SCALES),
        "scanned": sum(size.get(name, 0) for name in (*SCANNED, "direction")),
    }


def bytes_per_member(members: int = 2_000) -> float:
    """Bytes that the history of a member takes in memory."""
    rng, now = np.random.default_rng(0), datetime(2026, 1, 1, tzinfo=UTC)
    events = [
        Feedback(f"m{member}", f"t{track}", FeedbackKind.LIKE, now)
        for member in range(members)
        for track in rng.choice(1_000, LIKES, replace=False).tolist()
    ]
    tracemalloc.start()
    ledger = Ledger()
    before = tracemalloc.get_traced_memory()[0]
    ledger.learn(events)
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return taken / members


def routed(n: int = 100_000, parts: int = 100, k: int = 10) -> list[tuple[int, float]]:
    """Recall of the k nearest songs if only the nearest parts are asked: how many, and recall."""
    vectors = made_up(n)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rng = np.random.default_rng(0)
    sample = vectors[rng.choice(n, 20_000, replace=False)]
    centres, _ = kmeans(sample, parts, iter=1, rng=rng)
    part_of, _ = vq(vectors, centres)
    queries = vectors[rng.choice(n, 200, replace=False)]
    nearest = np.argpartition(-(queries @ vectors.T), k, axis=1)[:, :k]
    order = np.argsort(((queries[:, None] - centres) ** 2).sum(axis=2), axis=1)
    rank = np.argsort(order, axis=1)
    needed = np.take_along_axis(rank, part_of[nearest], axis=1)
    return [(asked, float((needed < asked).mean())) for asked in (1, 3, 5, 10, 20, 50, 100)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answer-ms", type=float, required=True, help="CPU, at a million songs")
    parser.add_argument("--memory-mib", type=float, required=True, help="own, at a million songs")
    given = parser.parse_args()
    row, member = bytes_per_song(), bytes_per_member()
    parts = SONGS // PART
    per_second = PEAK * MEMBERS * ANSWERS / 86_400
    cores = per_second * given.answer_ms / 1e3
    neighbours = SONGS * 100 * 8
    tib, gib = 1 << 40, 1 << 30
    sizes: list[tuple[Cell, ...]] = [
        ("columns of all songs", SONGS * row["columns"] / tib, "TiB", "bytes per row"),
        (
            "of these read by an answer that asks all",
            SONGS * row["scanned"] / gib,
            "GiB",
            "the same",
        ),
        ("partitions of a million songs", parts, "", "what one process answers from"),
        ("own memory of a partition", given.memory_mib / 1024, "GiB", "measured"),
        ("mapped and hot in a partition", PART * row["placed"] / gib, "GiB", "bytes per row"),
        ("histories of all members", MEMBERS * member / gib, "GiB", "measured, per member"),
        ("feedback rows", MEMBERS * LIKES / 1e6, "million", "assumed likes"),
        (
            "neighbours between songs by likes",
            neighbours / gib,
            "GiB",
            "100 per song, 8 bytes each",
        ),
        ("members that EASE can solve for", LARGEST_SOLVE, "", "of 10 million"),
        ("answers per second, busiest hour", per_second, "", "assumed"),
        ("cores, every answer asking all songs", cores * parts, "", "measured CPU per answer"),
        ("servers in all shards", SHARDS * SERVERS_PER_SHARD, "", "1,000 per shard"),
    ]
    report = Report(
        title="100 million songs, 10 million members, 500 shards",
        protocol="Computed from the constants that the script names.",
        columns=("what", "how much", "unit", "from"),
        rows=tuple(sizes),
    )
    print(report.markdown())
    table = Report(
        title="Asking the nearest parts alone",
        protocol="100,000 made-up songs in 100 parts by k-means, 200 queries, the 10 nearest.",
        columns=("parts asked of 100", "recall@10", "cores", "machines of 32 cores"),
        rows=tuple(
            (asked, recall, cores * asked, math.ceil(cores * asked / CORES))
            for asked, recall in routed()
        ),
    )
    print(table.markdown())


if __name__ == "__main__":
    main()
