from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Coroutine, Sequence
from typing import Any

import numpy as np
import pytest

from musrec.model import Analysis, NotAudio, SoundKind, Track
from musrec.sources import Deadline, Sources
from musrec.sources.hear import explore, hear_candidates
from tests.support.loopback import Loopback

SONG = Track("x", "One More Time", ("Daft Punk",), identities={"deezer": "3135553"})


def analysis(data: bytes) -> Analysis:
    digest = hashlib.sha256(data).hexdigest()
    return Analysis(1, digest, 30.0, SoundKind.MUSIC, np.zeros(3, np.float32))


class Listener:
    """Ears that can be told what to do, and a store that remembers what it was given."""

    def __init__(self) -> None:
        self.stored: list[str] = []
        self.progress: list[tuple[int, int]] = []
        self.slow = asyncio.Event()
        self.slow.set()
        self.together: asyncio.Barrier | None = None
        self.at_once = self.most = 0

    async def hear(self, data: bytes) -> Analysis:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await self.slow.wait()
        if self.together:
            await self.together.wait()
        self.at_once -= 1
        return analysis(data)

    async def keep(self, track: Track, heard: Analysis, provider: str) -> None:
        assert heard.digest
        assert provider
        self.stored.append(track.title)

    def show(self, done: int, total: int) -> None:
        self.progress.append((done, total))


async def tracks_of(sources: Sources, deadline: Deadline) -> list[Track]:
    """Twenty songs that have a preview."""
    found = await sources.candidates(SONG, deadline=deadline)
    return [track for track in found if "deezer" in track.identities][:20]


async def test_candidates_are_heard_side_by_side_and_stored(
    stocked: Loopback, sources: Sources, soon: Deadline
) -> None:
    listener = Listener()
    listener.together = asyncio.Barrier(4)  # opens only for four songs at once
    tracks = await tracks_of(sources, soon)
    async with asyncio.TaskGroup() as group:
        heard = await hear_candidates(
            tracks,
            sources=sources,
            hear=listener.hear,
            deadline=soon,
            spawn=group.create_task,
            on_heard=listener.keep,
            on_progress=listener.show,
        )
    assert [one.track for one in heard] == tracks
    assert {one.provider for one in heard} == {"deezer"}
    assert sorted(listener.stored) == sorted(track.title for track in tracks)
    assert listener.progress[-1] == (20, 20)
    assert [done for done, _ in listener.progress] == list(range(1, 21))
    assert listener.most >= 4


async def test_late_candidates_are_heard_in_the_background_for_next_time(
    stocked: Loopback, sources: Sources, soon: Deadline
) -> None:
    listener = Listener()
    tracks = await tracks_of(sources, soon)
    late = f"/cdn/deezer-{tracks[0].identities['deezer']}.mp3"
    arrived = asyncio.Event()

    async def keep(track: Track, heard: Analysis, provider: str) -> None:
        await listener.keep(track, heard, provider)
        arrived.set()

    listener.slow.clear()
    async with asyncio.TaskGroup() as group:
        heard = await hear_candidates(
            tracks[:4],
            sources=sources,
            hear=listener.hear,
            deadline=Deadline.within(0.3),
            spawn=group.create_task,
            on_heard=keep,
            on_progress=listener.show,
        )
        assert (heard, listener.stored, listener.progress) == ([], [], [])
        listener.slow.set()
        async with asyncio.timeout(10):
            await arrived.wait()
    assert stocked.count(late) == 1
    assert len(listener.stored) == 4
    assert listener.progress == []


async def test_the_owner_of_late_tasks_can_end_them(
    stocked: Loopback, sources: Sources, soon: Deadline
) -> None:
    listener = Listener()
    listener.slow.clear()
    tasks: list[asyncio.Task[None]] = []
    tracks = await tracks_of(sources, soon)

    def spawn(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        tasks.append(asyncio.create_task(coroutine))
        return tasks[-1]

    command = asyncio.create_task(
        hear_candidates(
            tracks,
            sources=sources,
            hear=listener.hear,
            deadline=soon,
            spawn=spawn,
            on_heard=listener.keep,
        )
    )
    while not listener.at_once:
        await asyncio.sleep(0)
    command.cancel()
    with pytest.raises(asyncio.CancelledError):
        await command
    await asyncio.gather(*tasks, return_exceptions=True)
    assert all(task.cancelled() for task in tasks)
    assert listener.stored == []


@pytest.mark.parametrize("error", [NotAudio("silence"), RuntimeError("a bug"), TimeoutError()])
async def test_one_bad_clip_does_not_take_the_others_down(
    stocked: Loopback, sources: Sources, soon: Deadline, error: Exception
) -> None:
    listener = Listener()
    tracks = await tracks_of(sources, soon)
    calls = 0

    async def hear(data: bytes) -> Analysis:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise error
        return analysis(data)

    async with asyncio.TaskGroup() as group:
        heard = await hear_candidates(
            tracks[:6],
            sources=sources,
            hear=hear,
            deadline=soon,
            spawn=group.create_task,
            on_heard=listener.keep,
        )
    assert len(heard) == 5


async def test_nothing_to_hear_is_no_error(sources: Sources, soon: Deadline) -> None:
    listener = Listener()
    nobody = [Track("y", "Unheard Of", ("Nobody",))]
    async with asyncio.TaskGroup() as group:
        for tracks in ([], nobody):
            heard = await hear_candidates(
                tracks,
                sources=sources,
                hear=listener.hear,
                deadline=soon,
                spawn=group.create_task,
                on_heard=listener.keep,
            )
            assert heard == []


async def test_the_explorer_keeps_to_its_budget_and_leaves_known_songs(
    stocked: Loopback, sources: Sources, soon: Deadline
) -> None:
    async def known(track: Track) -> bool:
        return "deezer" not in track.identities or track.title == "Song number 10000"

    async def run(liked: Sequence[Track], budget: int) -> list[str]:
        found = await explore(
            liked, sources=sources, passed_over=known, budget=budget, deadline=soon
        )
        return [track.title for track in found]

    found = await run([SONG, SONG], 3)
    assert len(found) == len(set(found)) == 3
    assert "Song number 10000" not in found
    assert stocked.count("/cdn/") == 0, "they are heard later"
    assert await run([SONG], 0) == []
    assert await run([], 5) == []
