"""What a member deletes stays deleted, and nothing is kept after a pause, whatever is under way."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from musrec.drops.model import Drop, Schedule
from musrec.members.model import Card, Deleted, Paused
from musrec.model import FeedbackKind, NotFound
from musrec.service import Service
from musrec.service import members as service_members
from musrec.store import database
from musrec.store.schema import members
from tests.support.posting import MONDAY, settings, subscribe

LIKE = FeedbackKind.LIKE


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str | None:
    """Address of PostgreSQL for the tests of `on_both`, in their second run."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return None
    return str(request.getfixturevalue("postgres_url"))


on_both = pytest.mark.parametrize("url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
async def service(tmp_path: Path, url: str | None) -> AsyncIterator[Service]:
    async with Service.open(settings(tmp_path, url=url)) as opened:
        yield opened


@on_both
async def test_an_answer_under_way_undoes_no_deletion(service: Service) -> None:
    heard = await service.songs.heard(service.catalogue.songs.tracks[0].id)
    for member in ("a new member", "a known member"):
        if member == "a known member":
            await service.members.learn(member, service.catalogue.songs.tracks[1].id, LIKE)
        since = await service.members.meet(member)
        assert await service.members.delete(member)
        answer = await service.answers.recommend(heard, member=member, since=since, online=False)
        assert not any((await service.members.about(member)).values())
        # It is answered all the same, and its buttons work.
        assert (await service.answers.kept(answer.id)).picks
    # Who comes back is a new member.
    await service.answers.recommend(heard, member="a known member", online=False)
    about = await service.members.about("a known member")
    assert about["recommendations"]
    assert about["answers"]


@on_both
async def test_thumbs_that_wait_when_a_member_deletes_everything_go_with_them(
    service: Service,
) -> None:
    tracks = [track.id for track in service.catalogue.songs.tracks[:30]]
    async with service.members._store.database.write():
        waiting = [
            asyncio.create_task(service.members.learn("ann", track, LIKE)) for track in tracks
        ]
        while len(service.members._store.database._waiting) < len(tracks):
            await asyncio.sleep(0)
        deleting = asyncio.create_task(service.members.delete("ann"))
        await asyncio.sleep(0)
    assert all(await asyncio.gather(*waiting))
    assert await deleting is Deleted.WHOLLY
    assert not any((await service.members.about("ann")).values())


async def test_traces_in_the_log_go_once_nobody_reads_it(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "READERS_MS", 1)
    monkeypatch.setattr(service_members, "EMPTY_AGAIN_AFTER", 0)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    await service.members.learn("ann-4711", service.catalogue.songs.tracks[1].id, LIKE, at=at)

    def written() -> bytes:
        kept = [file for file in tmp_path.rglob("*") if file.is_file()]
        assert any(file.parent != tmp_path for file in kept), "the catalogue's columns, too"
        return b"".join(file.read_bytes() for file in kept)

    reader = sqlite3.connect(tmp_path / "musrec.db", isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM feedback").fetchone() == (1,)
    assert await service.members.delete("ann-4711") is Deleted.ALMOST
    assert b"ann-4711" in written()
    reader.close()
    await asyncio.gather(*service._live._background)
    assert b"ann-4711" not in written()
    assert await service.members.delete("ann-4711") is Deleted.NOTHING


async def test_listening_and_previews_under_way_undo_no_deletion(service: Service) -> None:
    track = service.catalogue.songs.tracks[0].id
    await service.members.choose("ann", listening=True)
    since = (await service.members.listeners())["ann"]
    assert await service.members.learn("ann", track, FeedbackKind.PLAY, since=since)
    assert await service.members.delete("ann")
    assert not await service.members.learn("ann", track, FeedbackKind.FINISH, since=since)
    assert await service.members.get("ann") is None
    # Nor of one who came back meanwhile: that is another consent.
    await service.members.choose("ann", listening=True)
    assert not await service.members.learn("ann", track, FeedbackKind.FINISH, since=since)
    assert await service.members.feedback("ann") == []


async def _playlist(service: Service, _: Drop) -> object:
    return await service.playlists.create("ann", "mine")


async def _wish(service: Service, _: Drop) -> object:
    return await service.drops.wish("ann", size=3)


async def _join(service: Service, mixtape: Drop) -> None:
    await service.drops.join_mixtape(mixtape, "ann", there=True)


async def test_a_reading_under_way_brings_back_no_thumb_that_was_deleted(service: Service) -> None:
    track = service.catalogue.songs.tracks[0].id
    card = Card("message", "channel", track, datetime.now(UTC))
    assert await service.cards.keep(card)
    await service.cards.react(card, "ann", LIKE, there=True)
    assert await service.members.delete("ann")
    # Read before it was deleted, accounted for after.
    await service.cards.react(card, "ann", LIKE, there=True, read=True)
    assert not any((await service.members.about("ann")).values())
    # A reaction that is given again counts.
    await service.cards.react(card, "ann", LIKE, there=True)
    assert await service.members.thumb("ann", track) is LIKE


async def test_a_reaction_that_nobody_had_read_is_not_learned_after_a_deletion(
    service: Service,
) -> None:
    now = datetime.now(UTC)
    first, second, third = [track.id for track in service.catalogue.songs.tracks[:3]]
    old, read = (
        Card("old", "channel", first, now - timedelta(days=1)),
        Card("read", "channel", second, now - timedelta(days=1)),
    )
    for card in (old, read):
        assert await service.cards.keep(card)
    came = datetime.now(UTC)
    await service.members.delete("ann")
    await service.cards.was_read(["read"], datetime.now(UTC))
    new = Card("new", "channel", third, now + timedelta(hours=1))
    assert await service.cards.keep(new)

    # Its reaction may be from before; so is one that was told of before and waited.
    await service.cards.react(old, "ann", LIKE, there=True, read=True)
    await service.cards.react(read, "ann", LIKE, there=True, at=came)
    assert not any((await service.members.about("ann")).values())
    assert not (await service.cards.accounted("old")).news({("ann", LIKE)})
    # Those under a card that was read since, or posted since, are newer.
    await service.cards.react(read, "ann", LIKE, there=True, read=True)
    assert await service.members.thumb("ann", second) is None  # the mark of the one that waited
    await service.cards.react(new, "ann", LIKE, there=True, read=True)
    assert await service.members.thumb("ann", third) is LIKE
    # Another member's count, and so does a reaction that is given again.
    await service.cards.react(old, "ben", LIKE, there=True, read=True)
    assert await service.members.thumb("ben", first) is LIKE
    await service.cards.react(old, "ann", LIKE, there=False)
    await service.cards.react(old, "ann", LIKE, there=True)
    assert await service.members.thumb("ann", first) is LIKE


@pytest.mark.parametrize("ask", [_playlist, _wish, _join])
async def test_a_pause_holds_for_what_waits_to_be_written(
    service: Service, ask: Callable[[Service, Drop], Awaitable[object]]
) -> None:
    mixtape = await service.drops.keep(
        Drop(None, "100", Schedule(4, 18, "UTC"), MONDAY, channel="200")
    )
    await service.members.meet("ann")
    writer = service.members._store.database
    async with writer.write() as connection:
        asked = asyncio.ensure_future(ask(service, mixtape))
        while not writer._writing._waiters and not asked.done():
            await asyncio.sleep(0)
        await connection.execute(members.update().values(paused=True))
    with pytest.raises(Paused):
        await asked
    about = await service.members.about("ann")
    assert not any(rows for area, rows in about.items() if area != "choices")


async def test_a_drop_that_was_deleted_is_not_made_again_by_switching_it_off(
    service: Service,
) -> None:
    drop = await subscribe(service)
    assert await service.members.delete("ann")
    assert not (await service.drops.turn_off(drop)).active
    assert await service.members.get("ann") is None


async def test_a_mixtape_that_is_gone_cannot_be_joined(service: Service) -> None:
    gone = Drop(None, "100", Schedule(4, 18, "UTC"), MONDAY, channel="200", id=4711)
    with pytest.raises(NotFound, match="no longer made"):
        await service.drops.join_mixtape(gone, "ann", there=True)
    assert await service.members.get("ann") is None
