"""Taking in what other processes on the same store have learned and heard."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import groupby

from musrec.columns import Tracks
from musrec.model import Feedback, StoreError
from musrec.service.live import Live
from musrec.service.members import Members
from musrec.store import Store
from musrec.store.changes import Change, What, mark_of

log = logging.getLogger(__name__)

KEPT = timedelta(days=1)
"""How long changes are kept. A process that slept longer than half of it reads everything again."""

AGAIN_SECONDS = 2.0
"""Pause before a database that does not answer is asked again."""


@asynccontextmanager
async def following(store: Store, live: Live, members: Members) -> AsyncIterator[None]:
    """Take in the changes of other processes while the block runs."""
    task = asyncio.create_task(_follow(store, live, members))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _follow(store: Store, live: Live, members: Members) -> None:
    away, looked = False, datetime.now(UTC)
    while True:
        try:
            async with store.changes.arrivals() as arrivals:
                async for _ in arrivals:
                    now = datetime.now(UTC)
                    if now - looked > KEPT / 2:
                        await live.reload()
                        await members.read_choices()
                    looked, away = now, False
                    await take_in(store, live, members)
        except StoreError as error:
            if not away:  # one line, however long it lasts
                log.warning("changes of other processes do not arrive", extra={"why": str(error)})
            away = True
        except Exception:
            log.exception("a change of another process could not be taken in")
        await asyncio.sleep(AGAIN_SECONDS)


async def take_in(store: Store, live: Live, members: Members) -> None:
    """Take in what other processes changed since the engine was built, or since the last call."""
    newest, changes = await store.changes.since(live.seen)
    for what, some in groupby(changes, lambda change: change.what):
        alike = list(some)
        last = alike[-1].number
        if what in (What.LEARNT, What.FORGOT, What.LEFT):
            read = await live.read_until()
            alike = [change for change in alike if change.number > read]
        await _apply(live, members, what, alike)
        live.seen = max(live.seen, last)
    live.seen = max(live.seen, newest)


async def _apply(live: Live, members: Members, what: What, changes: list[Change]) -> None:
    match what:
        case What.SONG:
            await live.grow()
        case What.GONE:
            known = Tracks.of(live.engine.catalogue.tracks).row_of
            if any(change.track in known for change in changes):
                await live.reload()
        case What.LEARNT:
            # None where it was taken back, or replaced, meanwhile.
            await live.change_opinions([change.event for change in changes if change.event])
        case What.FORGOT:
            names, now = await _names(live, changes), datetime.now(UTC)
            forgotten = [
                Feedback(names[change.mark], change.track, change.kind, now)
                for change in changes
                if change.mark in names and change.track and change.kind
            ]
            await live.change_opinions([], forgotten)
        case What.LEFT:
            for member in (await _names(live, changes)).values():
                await live.forget_member(member)
            await members.read_choices()
        case What.CHOSE:
            await members.read_choices()
        case What.FITTED:
            live.take_over_fit()


async def _names(live: Live, changes: Iterable[Change]) -> dict[str | None, str]:
    """Return which known member each mark means; the others need not be forgotten."""
    marks = {change.mark for change in changes}
    known = live.members

    def find() -> dict[str | None, str]:
        return {own: member for member in known if (own := mark_of(member)) in marks}

    return await asyncio.to_thread(find)
