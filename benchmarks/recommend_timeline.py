"""Timeline of one recommendation with 40 candidates: ``python -m benchmarks.recommend_timeline``.

A server on 127.0.0.1 stands for every service and answers each request after 150 ms. Three runs on
the same songs and clips: the network alone (hearing costs nothing), hearing alone (two workers,
every clip at hand), and both together, as in a recommendation. Hearing alone runs before and after
the two together, and the mean counts, so that a busy machine is busy for both. Together must take
at most 1.5 times as long as the slower of the two alone. Hearing is the real one,
`musrec.audio.workers.Ears`, on real clips if the folder of real music is there
(MUSREC_SHARED_DATA, by default ../shared/data), otherwise on synthetic ones of 30 s.
"""

from __future__ import annotations

import asyncio
import io
import os
import time
import wave
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from musrec.audio.workers import Ears
from musrec.evaluate.report import Report
from musrec.model import Analysis, SoundKind
from musrec.settings import Workers as WorkerSettings
from musrec.sources import Deadline, Found, Preview, Sources, SourcesSettings
from musrec.sources.hear import hear_candidates
from tests.support.loopback import PROVIDERS_OFF, serving, stock

LATENCY = 0.150
CANDIDATES = 40
WORKERS = 2
ALLOWED = 1.5

Hear = Callable[[bytes], Awaitable[Analysis]]


def clips() -> tuple[list[bytes], str]:
    """Return clips for the query and `CANDIDATES` songs, and what the clips are."""
    data = Path(os.environ.get("MUSREC_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
    files = sorted(path for path in (data / "music").glob("*.*") if path.suffix != ".csv")
    if files:
        found = [path.read_bytes() for path in files]
        rounds = -(-(CANDIDATES + 1) // len(found))
        return (found * rounds)[: CANDIDATES + 1], f"{len(found)} real excerpts of 30 s"
    return [_tune(number) for number in range(CANDIDATES + 1)], "synthetic tunes of 30 s"


def _tune(number: int) -> bytes:
    rng = np.random.default_rng(number)
    rate, seconds = 22_050, 30
    t = np.arange(rate * seconds) / rate
    notes = rng.choice(220 * 2 ** (np.array([0, 3, 5, 7, 10, 12]) / 12), size=60)
    pitch = np.repeat(notes, len(t) // 60 + 1)[: len(t)]
    y = 0.4 * np.sin(2 * np.pi * np.cumsum(pitch) / rate) + 0.05 * rng.standard_normal(len(t))
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes((y * 32_767).clip(-32_767, 32_767).astype("<i2").tobytes())
    return file.getvalue()


@dataclass
class TimeLine:
    """Moments of one run, in seconds from its start."""

    start: float = field(default_factory=time.perf_counter)
    moments: dict[str, float] = field(default_factory=dict)

    def mark(self, name: str) -> None:
        """Keep this moment."""
        self.moments[name] = time.perf_counter() - self.start


class Watched:
    """Hearing, with the time during which every worker had a clip.

    That share tells how well the network keeps the workers fed, however busy the machine is; the
    ratio of two runs cannot.
    """

    def __init__(self, hear: Hear) -> None:
        self.fed = 0.0
        self._hear = hear
        self._under_way = 0
        self._since = 0.0

    async def __call__(self, data: bytes) -> Analysis:
        """Hear a clip."""
        self._count(1)
        try:
            return await self._hear(data)
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        now = time.perf_counter()
        if self._under_way >= WORKERS:
            self.fed += now - self._since
        self._under_way += change
        self._since = now


async def at_no_cost(data: bytes) -> Analysis:
    """Hear nothing: only the network takes time."""
    return Analysis(1, str(len(data)), 30.0, SoundKind.MUSIC, np.zeros(1, np.float32))


async def recommend(audio: Sequence[bytes], hear: Hear) -> TimeLine:
    """Resolve a title, hear it, find candidates, hear all of them."""
    async with serving() as server:
        stock(server)
        server.latency = LATENCY
        # Deezer alone: the rates of the others would only add waiting that is not ours.
        only = SourcesSettings(**PROVIDERS_OFF | {"deezer": True})
        async with (
            Sources(only, endpoints=server.endpoints()) as sources,
            asyncio.TaskGroup() as group,
        ):
            deadline = Deadline.within(600)
            line = TimeLine()
            found = await sources.resolve("daft punk one more time", deadline=deadline)
            assert isinstance(found, Found)
            line.mark("title resolved")
            server.raw("/cdn/deezer-3135553.mp3", audio[0])
            preview, tracks = await asyncio.gather(
                sources.preview(found.track, deadline=deadline),
                sources.candidates(found.track, deadline=deadline, limit=CANDIDATES),
            )
            assert isinstance(preview, Preview)
            assert len(tracks) == CANDIDATES
            line.mark("preview and candidates there")
            for track, data in zip(tracks, audio[1:], strict=True):
                server.raw(f"/cdn/deezer-{track.identities['deezer']}.mp3", data)
            query = group.create_task(_heard(preview, hear, line))

            async def on_heard(*_: object) -> None:
                if "first candidate heard" not in line.moments:
                    line.mark("first candidate heard")

            def on_progress(done: int, total: int) -> None:
                if done == total // 2:
                    line.mark("half of the candidates heard")

            heard = await hear_candidates(
                tracks,
                sources=sources,
                hear=hear,
                deadline=deadline,
                spawn=group.create_task,
                on_heard=on_heard,
                on_progress=on_progress,
            )
            await query
            assert len(heard) == CANDIDATES
            line.mark("all heard")
            return line


async def _heard(preview: Preview, hear: Hear, line: TimeLine) -> None:
    await hear(preview.data)
    line.mark("the song itself heard")


async def hear_all(audio: Sequence[bytes], hear: Hear) -> float:
    """Hear all clips, every one at hand; return seconds."""
    start = time.perf_counter()
    await asyncio.gather(*(hear(data) for data in audio))
    return time.perf_counter() - start


async def measure() -> Report:
    """Run all three."""
    audio, what = clips()
    async with Ears(WorkerSettings(count=WORKERS)) as ears:
        await ears.warm()
        network = (await recommend(audio, at_no_cost)).moments["all heard"]

        async def hear(data: bytes) -> Analysis:
            return (await ears.hear(data)).analysis

        before = await hear_all(audio, hear)
        watched = Watched(hear)
        together = await recommend(audio, watched)
        hearing = (before + await hear_all(audio, hear)) / 2
    whole, slower = together.moments["all heard"], max(network, hearing)
    rows: list[tuple[str | float, ...]] = [
        (name, moment) for name, moment in sorted(together.moments.items(), key=lambda it: it[1])
    ]
    rows += [
        ("network alone", network),
        ("hearing alone, two workers", hearing),
        ("together / the slower alone", whole / slower),
        ("share of it in which every worker had a clip", watched.fed / whole),
    ]
    verdict = "kept" if whole <= ALLOWED * slower else "NOT kept"
    return Report(
        title=f"Timeline of one recommendation with {CANDIDATES} candidates",
        protocol=(
            f"Every request is answered after {LATENCY * 1000:.0f} ms on 127.0.0.1; hearing is "
            f"`Ears` with {WORKERS} warm worker processes on {what}, {CANDIDATES + 1} clips. "
            "Seconds from the start."
        ),
        columns=("moment", "s, or ratio"),
        rows=tuple(rows),
        notes=(f"At most {ALLOWED} times the slower of the two alone: {verdict}.",),
    )


if __name__ == "__main__":
    print(asyncio.run(measure()).markdown())
