"""Hearing on a Dask cluster of one, two and four workers, against one process of our own.

``python -m benchmarks.cluster [FOLDER] [--clips N] [--seconds S]`` prints a table in Markdown.
Scheduler and workers are processes on this machine, so that nothing is gained beyond its cores, and
the network between machines is not measured. Clips are made of the folder's songs, as in
`benchmarks.folder`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.folder import ROOT, clips
from musrec.audio.workers import Ears
from musrec.evaluate.report import Report
from musrec.settings import Workers

SIZES = (1, 2, 4)


@contextmanager
def cluster(workers: int, folder: Path) -> Iterator[str]:
    """Run a scheduler and workers of one thread each; yields the scheduler's address."""
    running: list[subprocess.Popen[str]] = []

    def start(*words: str, until: str) -> str:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        one = subprocess.Popen(
            [sys.executable, "-m", "dask", *words, "--host", "127.0.0.1", "--no-dashboard"],
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        running.append(one)
        assert one.stderr is not None
        return next(line for line in one.stderr if until in line)

    try:
        address = start("scheduler", "--port", "0", until="Scheduler at:").split()[-1]
        options = ("--nthreads", "1", "--no-nanny", "--local-directory", str(folder))
        for _ in range(workers):
            start("worker", address, *options, until="Registered to:")
        yield address
    finally:
        for one in running:
            one.kill()
            one.communicate()


async def hear(paths: list[Path], settings: Workers) -> float:
    """Return the seconds that hearing takes, once every worker has loaded everything."""
    async with Ears(settings) as ears:
        await ears.warm()
        await ears.hear(paths[0].read_bytes())
        began, waiting = time.perf_counter(), iter(paths)

        async def work() -> None:
            for path in waiting:
                await ears.hear(path.read_bytes())

        await asyncio.gather(*(work() for _ in range(ears.places + 1)))
        return time.perf_counter() - began


def measure(folder: Path, count: int, seconds: int) -> Report:
    rows = []
    with tempfile.TemporaryDirectory() as name:
        paths = clips(folder, Path(name), count, seconds)
        alone = asyncio.run(hear(paths, Workers(count=1)))
        rows.append(("one process of our own (baseline)", alone))
        for workers in SIZES:
            with cluster(workers, Path(name)) as address:
                took = asyncio.run(hear(paths, Workers(scheduler=address)))
            rows.append((f"Dask, {workers} worker{'' if workers == 1 else 's'}", took))
    return Report(
        "Hearing on a Dask cluster",
        f"{count} clips of up to {seconds} s, {os.cpu_count()} cores, everything on this machine.",
        ("way", "seconds", "clips/s", "speed-up"),
        tuple((way, f"{s:.1f}", f"{count / s:.2f}", f"{alone / s:.2f}") for way, s in rows),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    data = os.environ.get("MUSREC_SHARED_DATA", str(ROOT.parent / "shared" / "data"))
    parser.add_argument("folder", type=Path, nargs="?", default=Path(data, "music"))
    parser.add_argument("--clips", type=int, default=2_000)
    parser.add_argument("--seconds", type=int, default=30, help="the length of a clip")
    arguments = parser.parse_args()
    print(measure(arguments.folder, arguments.clips, arguments.seconds).markdown())


if __name__ == "__main__":
    main()
