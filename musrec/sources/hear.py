"""Songs that were never heard are heard on the fly, or in the background for the next time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from musrec.model import Analysis, MusrecError, Track
from musrec.sources.gate import Deadline
from musrec.sources.provider import Preview
from musrec.sources.resolve import Missing

SIDE_BY_SIDE = 8
"""Songs in progress at once: enough that the workers never wait for the network."""
AFTERWARDS = 120.0
"""Seconds beyond the deadline within which late songs may still be heard."""

_log = logging.getLogger(__name__)

Hear = Callable[[bytes], Awaitable[Analysis]]
OnHeard = Callable[[Track, Analysis, str], Awaitable[None]]
Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class Previews(Protocol):
    """The part of `musrec.sources.Sources` that is needed here."""

    async def preview(self, track: Track, *, deadline: Deadline) -> Preview | Missing:
        """Return audio of a track."""

    async def candidates(self, track: Track, *, deadline: Deadline, limit: int = 60) -> list[Track]:
        """Return songs to consider."""


@dataclass(frozen=True, slots=True, eq=False)
class HeardCandidate:
    """A candidate as its preview's provider knows it, what was heard in it, and that provider."""

    track: Track
    analysis: Analysis
    provider: str


async def hear_candidates(
    tracks: Sequence[Track],
    *,
    sources: Previews,
    hear: Hear,
    deadline: Deadline,
    spawn: Spawn,
    on_heard: OnHeard,
    on_done: Callable[[Track], object] = lambda _: None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[HeardCandidate]:
    """Download and hear songs side by side, best-looking first, until the deadline.

    Late songs go on in the background for `AFTERWARDS` seconds, and are passed to `on_heard` too.
    A song that cannot be downloaded or heard is left out.

    Parameters
    ----------
    tracks : sequence of Track
        Best-looking first.
    sources : Previews
    hear : callable
        Clip to `Analysis`; it limits how many it hears at once by itself.
    deadline : Deadline
    spawn : callable
        Starts a task that outlives this call, such as ``asyncio.TaskGroup.create_task``. Its owner
        ends the tasks by cancelling them; they never raise anything.
    on_heard : callable
        Awaited with track, analysis and provider for each song, late ones included: the place to
        store them.
    on_done : callable, optional
        Called with each song that was heard, or cannot be, late ones included.
    on_progress : callable, optional
        Called with the number of songs that are done, heard or not, and the number of all songs;
        not after the deadline.

    Returns
    -------
    list of HeardCandidate
        In the order of `tracks`.
    """
    heard: dict[int, HeardCandidate] = {}
    done = 0
    listening = True
    queue = iter(enumerate(tracks))
    afterwards = Deadline(deadline.at + AFTERWARDS)

    async def work(queue: Iterator[tuple[int, Track]]) -> None:
        nonlocal done
        for row, track in queue:
            one = await _hear(track, sources, hear, afterwards, on_heard)
            on_done(track)
            done += 1
            if listening:
                if one:
                    heard[row] = one
                if on_progress:
                    on_progress(done, len(tracks))
            if not afterwards.left:
                return

    tasks = [spawn(work(queue)) for _ in range(min(SIDE_BY_SIDE, len(tracks)))]
    try:
        if tasks:
            await asyncio.wait(tasks, timeout=deadline.left)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        raise
    finally:
        listening = False
    return [heard[row] for row in sorted(heard)]


async def _hear(
    track: Track, sources: Previews, hear: Hear, deadline: Deadline, on_heard: OnHeard
) -> HeardCandidate | None:
    try:
        preview = await sources.preview(track, deadline=deadline)
        if isinstance(preview, Missing):
            return None
        async with asyncio.timeout(deadline.left):
            analysis = await hear(preview.data)
        await on_heard(preview.track, analysis, preview.provider)
    except (MusrecError, TimeoutError) as error:
        _log.info("%s could not be heard (%s)", track, type(error).__name__)
        return None
    except Exception:  # noqa: BLE001 - one clip must not take the others or their owner down
        _log.exception("%s could not be heard", track)
        return None
    return HeardCandidate(preview.track, analysis, preview.provider)


async def explore(
    liked: Sequence[Track],
    *,
    sources: Previews,
    passed_over: Callable[[Track], Awaitable[bool]],
    budget: int,
    deadline: Deadline,
) -> list[Track]:
    """Find songs like those that members liked, to be heard in quiet hours.

    Parameters
    ----------
    liked : sequence of Track
        Songs to start from, in this order.
    passed_over : callable
        Whether a song need not be heard: it was before, or could not be recently.
    budget : int
        Songs to find, at most.
    deadline : Deadline
    """
    found: dict[str, Track] = {}
    for origin in liked:
        if len(found) >= budget or not deadline.left:
            break
        for track in await sources.candidates(origin, deadline=deadline.sooner(20.0)):
            if len(found) >= budget:
                break
            if track.id not in found and not await passed_over(track):
                found[track.id] = track
    return list(found.values())
