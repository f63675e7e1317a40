"""Real processes that post drops from one real database, and die wherever they are told to.

``python -m tests.support.drop_processes FOLDER`` prints one JSON object: for each way of dying what
stands in the channel afterwards, and what stands there after several processes ticked at once. The
processes are forked from this one, which has imported everything and opened nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

# Imported before forking, so that no child has to.
import musrec.audio.tagger
import musrec.recommend  # noqa: F401
from musrec.service import Service
from musrec.space import starter
from musrec.store.drops import Drops
from tests.support.posting import MONDAY, Channel, Clock, likes, settings, subscribe
from tests.support.stores import store_of

DIED = 9
WEDNESDAY = MONDAY + timedelta(days=2, hours=20)
STEPS = ("claim", "compose", "begin_post", "end_post", "finish")
SUBSCRIBERS = 8
AMID = 4
"""The step at which more is looked at: the lease before it is over, and the drop once finished."""


class Mortal:
    """Lets everything through, and kills its process right after so many steps were done."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def wrap(self, thing: Any, names: tuple[str, ...]) -> Any:
        for name in names:
            setattr(thing, name, self._counted(getattr(thing, name)))
        return thing

    def _counted(self, step: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **options: Any) -> Any:
            result = await step(*args, **options)
            self._left -= 1
            if not self._left:
                os._exit(DIED)
            return result

        return call


async def prepare(folder: Path) -> None:
    """Keep a dozen songs and members who like one of them each."""
    songs = starter()
    async with Service.open(settings(folder, starter=False)) as service:
        async with store_of(service) as store:
            for track, analysis in list(zip(songs.tracks, songs.analyses, strict=True))[::40]:
                await store.analyses.add(track, analysis, "file")
        await service.reload()
        for number in range(SUBSCRIBERS):
            await likes(service, f"member {number}", number)


async def post(folder: Path, channel: Channel, clock: Clock, *, dies_after: int = 0) -> int:
    async with Service.open(settings(folder, starter=False)) as service:
        if dies_after:
            mortal = Mortal(dies_after)
            mortal.wrap(Drops, STEPS)
            mortal.wrap(channel, ("post",))
        return await service.drops.tick(channel, clock)


def forked(job: Callable[[], Coroutine[Any, Any, Any]]) -> int:
    """Start a process that does a job; return its id."""
    if child := os.fork():
        return child
    try:
        asyncio.run(job())
    except BaseException:  # noqa: BLE001 - the parent sees the code, people the traceback
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


async def subscribed(folder: Path, count: int, size: int) -> None:
    async with Service.open(settings(folder, starter=False)) as service:
        for number in range(count):
            await subscribe(service, f"member {number}", size=size)


def killed(template: Path, folder: Path, dies_after: int, *, blind: bool) -> dict[str, Any]:
    """Kill a process after so many steps, and let another one go on once the lease is over."""
    shutil.copytree(template, folder)
    channel = Channel(folder / "channel", blind=blind)
    clock = Clock(WEDNESDAY)
    first = ended(forked(lambda: post(folder, channel, clock, dies_after=dies_after)))
    before = channel.lines
    codes = []
    if dies_after == AMID:
        codes.append(ended(forked(lambda: post(folder, channel, clock.forward(minutes=2)))))
    too_soon = channel.lines
    codes.append(ended(forked(lambda: post(folder, channel, clock.forward(minutes=5)))))
    if dies_after == AMID:
        codes.append(ended(forked(lambda: post(folder, channel, clock.forward(minutes=5)))))
    return {
        "died": first == DIED,
        "codes": codes,
        "before": before,
        "too soon": too_soon,
        "after": channel.lines,
    }


def dying(template: Path, folder: Path) -> dict[str, Any]:
    """Kill one process after another as soon as it has claimed the issue; let the last one live."""
    shutil.copytree(template, folder)
    channel = Channel(folder / "channel")

    def tick(number: int, *, dies_after: int = 0) -> int:
        clock = Clock(WEDNESDAY).forward(minutes=5 * number)
        return ended(forked(lambda: post(folder, channel, clock, dies_after=dies_after)))

    died = [tick(number, dies_after=1) == DIED for number in range(7)]
    code = tick(7)
    return {"died": died, "code": code, "after": channel.lines}


def together(template: Path, folder: Path, count: int) -> dict[str, Any]:
    """Let several processes tick at the same time."""
    shutil.copytree(template, folder)
    channel = Channel(folder / "channel")
    children = [forked(lambda: post(folder, channel, Clock(WEDNESDAY))) for _ in range(count)]
    return {"codes": [ended(child) for child in children], "after": channel.lines}


def main(folder: Path) -> None:
    songs, one, many = folder / "songs", folder / "one", folder / "many"
    assert not ended(forked(lambda: prepare(songs)))
    shutil.copytree(songs, one)
    assert not ended(forked(lambda: subscribed(one, 1, 1)))
    shutil.copytree(songs, many)
    assert not ended(forked(lambda: subscribed(many, SUBSCRIBERS, 2)))
    found: dict[str, Any] = {"seen": [], "blind": []}
    for steps in range(1, 100):
        result = killed(one, folder / f"seen {steps}", steps, blind=False)
        if not result["died"]:
            break
        found["seen"].append(result)
        if result["before"]:  # otherwise there is nothing to be blind for
            found["blind"].append(killed(one, folder / f"blind {steps}", steps, blind=True))
    found["dying"] = dying(one, folder / "dying")
    found["together"] = together(many, folder / "together", 3)
    print(json.dumps(found))  # noqa: T201 - for the tests


if __name__ == "__main__":
    main(Path(sys.argv[1]))
