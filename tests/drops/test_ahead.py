"""Members' drops that another process composes before they are due, and the bot posts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from musrec.catalogue.model import JobKind, JobState
from musrec.drops.model import Drop, Schedule
from musrec.model import FeedbackKind
from musrec.service import Service
from musrec.store import schema
from tests.support.posting import MONDAY, Channel, Clock, likes, settings, subscribe

WEEK = "2026-W47"
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def other(service: Service) -> AsyncIterator[Service]:
    """Another process on the store of `service`, which posts nothing."""
    async with Service.open(service.settings) as opened:
        yield opened


async def due_soon(service: Service, channel: Channel) -> tuple[Drop, Clock]:
    """Subscribe a member, and let the time come to compose their drop."""
    await likes(service, "ann", 3)
    drop = await subscribe(service, "ann", size=3)
    clock = Clock(drop.due(WEEK) - timedelta(hours=1))
    assert await service.drops.tick(channel, clock) == 0
    assert await waiting(service) == 0, "it is too early"
    clock.now = drop.due(WEEK) - 5 * MINUTE
    assert await service.drops.tick(channel, clock) == 0
    assert await service.drops.tick(channel, clock) == 0
    assert await waiting(service) == 1
    return drop, clock


async def waiting(service: Service) -> int:
    return (await service.jobs.counts())[JobKind.DROP][JobState.WAITING]


async def composed(service: Service, clock: Clock) -> set[str]:
    """Do the one job that waits; return the ids of the answers that the drop will show."""
    job = await service._store.jobs.claim("worker", "elsewhere", MINUTE)
    assert job is not None
    assert job.kind is JobKind.DROP
    outcome = await service.drops.compose_ahead(job, clock)
    await service._store.jobs.done(job.token, [job.key], outcome=outcome)
    return set(outcome.get("answers", ()))


async def posted(service: Service, channel: Channel, drop: Drop, clock: Clock) -> set[str]:
    """Let the drop become due; return the ids of the answers that it shows."""
    clock.now = drop.due(WEEK) + MINUTE
    assert await service.drops.tick(channel, clock) == 1
    async with service._store.database.read() as connection:
        shown = (await connection.scalars(sa.select(schema.drop_posts.c.answer_id))).all()
    assert len(channel.lines) == len(shown)
    return {id_ for id_ in shown if id_}


async def test_what_another_process_composed_is_posted(
    service: Service, other: Service, channel: Channel
) -> None:
    drop, clock = await due_soon(service, channel)
    answers = await composed(other, clock)
    assert len(answers) == 3
    assert not channel.lines
    assert await posted(service, channel, drop, clock) == answers
    async with service._store.database.read() as connection:
        noted = (await connection.scalars(sa.select(schema.recommendations.c.track_id))).all()
    assert sorted(noted) == sorted(channel.tracks)


async def test_a_bot_without_others_composes_itself(service: Service, channel: Channel) -> None:
    drop, clock = await due_soon(service, channel)
    assert len(await posted(service, channel, drop, clock)) == 3
    # Whoever comes to the job only then has nothing to do.
    assert await composed(service, clock) == set()


@pytest.mark.parametrize("what", ["a thumb", "a wish", "an answer"])
async def test_what_happened_since_counts(
    service: Service, other: Service, channel: Channel, what: str
) -> None:
    drop, clock = await due_soon(service, channel)
    answers = await composed(other, clock)
    kept = await service._store.jobs.outcome(JobKind.DROP, drop.key(WEEK))
    (track, *_) = [post["track"] for post in kept["posts"] if post["track"]]
    match what:
        case "a thumb":
            await service.members.learn("ann", track, FeedbackKind.DISLIKE)
        case "a wish":
            await service.drops.keep(replace(drop, size=2))
        case "an answer":
            insert = schema.recommendations.insert()
            async with service._store.database.write() as connection:
                row = {"member_id": "ann", "track_id": track, "at": clock.now}
                await connection.execute(insert.values(row))
    shown = await posted(service, channel, drop, clock)
    assert shown
    assert not shown & answers
    assert (track in channel.tracks) == (what == "a wish")


async def test_it_goes_with_a_member_who_has_everything_deleted(
    service: Service, channel: Channel
) -> None:
    _, clock = await due_soon(service, channel)
    assert await composed(service, clock)
    await likes(service, "ben", 1)
    await service.members.delete("ben")
    async with service._store.database.read() as connection:
        assert len((await connection.scalars(sa.select(schema.jobs.c.key))).all()) == 1
    await service.members.delete("ann")
    async with service._store.database.read() as connection:
        assert (await connection.scalars(sa.select(schema.jobs.c.key))).all() == []


async def test_mixtapes_and_drops_of_members_who_paused_are_not_composed_ahead(
    service: Service, channel: Channel
) -> None:
    monday = Schedule(0, 9, "UTC")
    since = MONDAY - timedelta(days=1)
    await service.drops.keep(Drop(None, "1", monday, since, channel="2"))
    await likes(service, "ann", 2)
    drop = await subscribe(service, "ann", schedule=monday)
    clock = Clock(MONDAY)
    await service.drops.tick(channel, clock)
    await service.members.choose("ann", paused=True)
    clock.now = drop.due(WEEK) - 5 * MINUTE
    await service.drops.tick(channel, clock)
    assert await waiting(service) == 0


async def test_it_is_deleted_on_postgresql_too(tmp_path: Path, postgres_url: str) -> None:
    channel = Channel(tmp_path / "channel")
    async with Service.open(settings(tmp_path / "data", url=postgres_url)) as service:
        await test_it_goes_with_a_member_who_has_everything_deleted(service, channel)
