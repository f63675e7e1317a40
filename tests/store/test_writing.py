"""No thumb is lost: bursts, several processes at once, and a database that another one holds."""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from musrec.members.model import Card
from musrec.model import Feedback, FeedbackKind
from musrec.store import Store, database
from tests.support import store_processes
from tests.support.store_processes import DIED, SONG, go

NOW = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
LIKE = FeedbackKind.LIKE


def url(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder / 'musrec.db'}"


async def members(url: str) -> list[str]:
    """Return whose thumbs are kept, each as often as it is, seen from another process."""
    store = await Store.open(url)
    events = await store.feedback.events()
    await store.close()
    return [event.member for event in events]


async def test_of_two_thousand_thumbs_at_once_each_is_kept_once(store_url: str) -> None:
    store = await Store.open(store_url)
    track = (await store.tracks.add(SONG)).id
    likes = [Feedback(f"member {number}", track, LIKE, NOW) for number in range(2000)]
    assert all(await asyncio.gather(*map(store.feedback.add, likes)))
    await store.close()
    assert sorted(await members(store_url)) == sorted(like.member for like in likes)


async def test_processes_that_open_a_new_store_at_once_lose_no_thumb(empty_url: str) -> None:
    children = [
        store_processes.start("thumbs", empty_url, str(300 * number), "300") for number in range(3)
    ]
    for child in children:
        go(child)
    assert [child.wait() for child in children] == [0, 0, 0]
    assert sorted(await members(empty_url)) == sorted(f"member {number}" for number in range(900))


async def test_a_thumb_waits_for_a_process_that_holds_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "WAITS_MS", 1)
    monkeypatch.setattr(database, "TRIES", 10_000)
    store = await Store.open(url(tmp_path))
    track = (await store.tracks.add(SONG)).id
    refused = asyncio.Event()
    sa.event.listen(
        store.database._engine.sync_engine, "handle_error", lambda _context: refused.set()
    )
    child = store_processes.start("hold", str(tmp_path / "musrec.db"))
    adding = asyncio.create_task(store.feedback.add(Feedback("ann", track, LIKE, NOW)))
    await refused.wait()
    go(child)
    assert await adding
    await store.close()
    assert child.wait() == 0
    assert await members(url(tmp_path)) == ["ann"]


async def test_a_thumb_that_fails_takes_no_other_with_it(store_url: str) -> None:
    store = await Store.open(store_url)
    track = (await store.tracks.add(SONG)).id
    tracks = [track, "no such song", track, "no such song", track]
    kept = await asyncio.gather(
        *(store.feedback.add(Feedback(f"m{n}", id_, LIKE, NOW)) for n, id_ in enumerate(tracks)),
        return_exceptions=True,
    )
    await store.close()
    assert [one is True for one in kept] == [True, False, True, False, True]
    assert await members(store_url) == ["m0", "m2", "m4"]


async def test_a_reaction_and_its_thumb_are_counted_together_or_not_at_all(store_url: str) -> None:
    store = await Store.open(store_url)
    await store.tracks.add(SONG)
    await store.cards.keep(Card("message", "channel", SONG.id, NOW))
    like = Feedback("ann", SONG.id, LIKE, NOW)
    for there in (True, False):
        child = store_processes.start("die_in_reaction", store_url, "there" if there else "gone")
        go(child)
        assert child.wait() == DIED
        # As before it: the thumb and the reaction, or neither.
        assert await members(store_url) == ([] if there else ["ann"])
        counted = (await store.cards.accounted("message")).counted
        assert counted == (set() if there else {("ann", LIKE)})
        changed = await store.cards.reacted("message", like, there=there)
        assert changed == (([like], []) if there else ([], [like]))
    assert await members(store_url) == []
    assert (await store.cards.accounted("message")).counted == set()
    await store.close()


async def test_a_reaction_under_a_card_that_is_gone_changes_nothing(store_url: str) -> None:
    store = await Store.open(store_url)
    await store.tracks.add(SONG)
    like = Feedback("ann", SONG.id, LIKE, NOW)
    assert await store.cards.reacted("message", like, there=True) == ([], [])
    assert await members(store_url) == []
    await store.close()


async def test_one_process_at_a_time_logs_in_and_one_that_died_is_no_hindrance(
    store_url: str,
) -> None:
    store = await Store.open(store_url)
    child = store_processes.start("log_in", store_url)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5), store.database.alone("login"):
            pass
    async with store.database.alone("something else"):
        child.kill()
    assert child.wait() == -signal.SIGKILL
    async with asyncio.timeout(60), store.database.alone("login"):
        other = asyncio.create_task(asyncio.to_thread(store_processes.start, "log_in", store_url))
        assert not (await asyncio.wait([other], timeout=0.5))[0]
    go(await other)
    assert (await other).wait() == 0
    await store.close()
