"""Adding a folder of music, from hearing to storing, against hearing alone; looking through it.

``python -m benchmarks.folder [FOLDER] [--songs N] [--files N]`` prints tables in Markdown. Both
ways hear the same clips with the same two workers, in turn, in one run. Clips are made of the
folder's songs, each from another place, so that each is stored as a song of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from musrec.audio import decode
from musrec.audio.workers import Ears
from musrec.catalogue.files import Found, walk
from musrec.demo import wav
from musrec.evaluate.report import Report
from musrec.service import Service
from musrec.settings import Settings, Workers

ROOT = Path(__file__).resolve().parents[1]
COUNT = 2


def clips(folder: Path, target: Path, songs: int, seconds: int = 30) -> list[Path]:
    """Write so many clips of up to so many seconds, each from another place of another song."""
    found = [one.path for one in walk([folder]) if isinstance(one, Found) and one.stamp][:songs]
    heard = [decode.decode(path.read_bytes(), seconds=60, start=0).y for path in found]
    made = []
    for number in range(songs):
        # A turn of the song, at another speed: another recording to the fingerprint.
        y = np.roll(heard[number % len(heard)], -number * 22_050)
        turned = y[:: 1 + number // len(heard) % 2][: seconds * 22_050]
        made.append(target / f"Artist {number % 50} - Song {number}.wav")
        made[-1].write_bytes(wav(turned))
    return made


async def hear(paths: list[Path], ears: Ears) -> tuple[float, float]:
    began, spent = time.perf_counter(), time.process_time()
    waiting = iter(paths)

    async def work() -> None:
        for path in waiting:
            await ears.hear(path.read_bytes())

    await asyncio.gather(*(work() for _ in range(COUNT + 1)))
    return time.perf_counter() - began, time.process_time() - spent


async def store(paths: list[Path], folder: Path) -> tuple[float, float, int]:
    values = {"paths": {"data": folder}, "workers": {"count": COUNT}}
    async with Service.open(Settings.model_validate(values)) as service:
        await service.warm()
        began, spent = time.perf_counter(), time.process_time()
        steps = [step async for step in service.songs.add(paths)]
        kept = len({step.track.id for step in steps if step.track})
        return time.perf_counter() - began, time.process_time() - spent, kept


async def speed(folder: Path, songs: int, rounds: int) -> Report:
    rows = []
    with tempfile.TemporaryDirectory() as name:
        paths = clips(folder, Path(name), songs)
        ratios = []
        for turn in range(rounds):
            async with Ears(Workers(count=COUNT)) as ears:
                await ears.warm()
                alone, asking = await hear(paths, ears)
            stored, storing, kept = await store(paths, Path(name, f"data{turn}"))
            ratios.append(stored / alone)
            rows += [
                ("hearing alone (baseline)", songs, alone, asking, 1.0),
                ("hearing and storing", kept, stored, storing, ratios[-1]),
            ]
    return Report(
        "Adding",
        f"{songs} clips of up to 30 s, {COUNT} workers, {os.cpu_count()} cores.",
        ("way", "songs", "seconds", "clips/s", "CPU ms per clip beside hearing", "of the baseline"),
        tuple(
            (
                name,
                kept,
                f"{t:.1f}",
                f"{songs / t:.2f}",
                f"{1000 * cpu / songs:.0f}",
                f"{ratio:.2f}",
            )
            for name, kept, t, cpu, ratio in rows
        ),
        (f"Median ratio {np.median(ratios):.2f}. The goal is 1.15, at 8 clips/s.",),
    )


def looking(files: int) -> Report:
    """Look through a folder of empty files, half of which have names of audio files."""
    with tempfile.TemporaryDirectory() as name:
        for number in range(files):
            folder = Path(name, f"{number // 1000}")
            folder.mkdir(exist_ok=True)
            (folder / f"{number}.{'mp3' if number % 2 else 'txt'}").touch()
        began = time.perf_counter()
        listed = 0
        for below, _, names in os.walk(name):
            listed += len([Path(below, one).stat() for one in names])
        baseline = time.perf_counter() - began
        began, first = time.perf_counter(), 0.0
        found = 0
        for one in walk([Path(name)]):
            found += isinstance(one, Found)
            first = first or (time.perf_counter() - began if found else 0.0)
        walked = time.perf_counter() - began
    return Report(
        "Looking through a folder",
        f"{files:,} files in folders of 1,000, half of them no audio.",
        ("way", "files", "seconds", "of the baseline"),
        (
            ("os.walk, and a look at each file (baseline)", listed, f"{baseline:.2f}", "1.00"),
            ("looking, with stamps", found, f"{walked:.2f}", f"{walked / baseline:.2f}"),
            ("its first file", 1, f"{first:.4f}", f"{first / baseline:.4f}"),
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    data = os.environ.get("MUSREC_SHARED_DATA", str(ROOT.parent / "shared" / "data"))
    parser.add_argument("folder", type=Path, nargs="?", default=Path(data, "music"))
    parser.add_argument("--songs", type=int, default=74)
    parser.add_argument("--files", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(looking(arguments.files).markdown())
    print(asyncio.run(speed(arguments.folder, arguments.songs, arguments.rounds)).markdown())
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"Most memory of the process that stores: {most:.0f} MiB")


if __name__ == "__main__":
    main()
