"""Members' fits: made by one process on a store, read by the others, and gone with a member."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from musrec.model import FeedbackKind
from musrec.recommend.collaborative import Ease
from musrec.recommend.recommender import Recommender, Request
from musrec.recommend.scoring import Fitted
from musrec.service import Service
from musrec.service.fits import REFIT_AFTER
from musrec.store import fits, schema
from tests.service.test_processes import until
from tests.support.posting import settings
from tests.support.store_processes import start
from tests.support.stores import store_of

LIKE, DISLIKE = FeedbackKind.LIKE, FeedbackKind.DISLIKE
MEMBERS = REFIT_AFTER // 5


@pytest.fixture
async def two(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Service, Service]]:
    """Two services on one store; every fit that is made from here on is counted."""
    configured = settings(tmp_path / "data", url=store_url)
    async with Service.open(configured) as one, Service.open(configured) as other:
        count_fits(monkeypatch)
        yield one, other


made: list[int] = []
"""Of how many members each fit was made, since `count_fits`."""


def count_fits(patch: pytest.MonkeyPatch) -> None:
    fit = Fitted.of

    def counted(members: tuple[str, ...], *rest: Any) -> Fitted:
        made.append(len(members))
        return fit(members, *rest)

    patch.setattr(Fitted, "of", counted)
    made.clear()


async def like(service: Service, members: int = MEMBERS, *, first: int = 0) -> None:
    """Let members like five songs each, some of them the same."""
    songs = [track.id for track in service.catalogue.songs.tracks[:40]]
    for number in range(first, first + members):
        for at in range(5):
            await service.members.learn(f"member {number}", songs[(3 * number + at) % 40], LIKE)


def recommender_of(service: Service) -> Recommender:
    recommender = service._live._recommender
    assert recommender is not None
    return recommender


def model_of(service: Service) -> Ease:
    model = recommender_of(service)._fitted.model
    assert isinstance(model, Ease)
    return model


def assert_same(one: Ease, other: Ease) -> None:
    assert one.by_members == other.by_members
    assert (one.likes != other.likes).nnz == 0
    assert one.likes.nnz
    for name in ("inverse", "scale", "weight", "self_members", "self_content", "lift"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


async def rows(service: Service, table: sa.Table) -> list[Any]:
    async with store_of(service) as store, store.database.read() as connection:
        return list((await connection.execute(sa.select(table))).all())


async def fitted(services: Iterable[Service]) -> None:
    for service in services:
        await service._live.recommender()
    made.clear()


async def test_one_process_makes_the_fit_that_answers_in_all(
    two: tuple[Service, Service],
) -> None:
    one, other = two
    await like(one)
    await asyncio.gather(*(service._live.recommender() for service in two))
    assert made == [MEMBERS], "both needed it at once"
    assert_same(model_of(one), model_of(other))
    assert recommender_of(other)._fitted.members == recommender_of(one)._fitted.members
    request = Request(member="member 1", now=datetime(2026, 11, 27, tzinfo=UTC))
    first, second = [recommender_of(service).recommend(request).picks for service in two]
    assert [(pick.track.id, pick.terms) for pick in first] == [
        (pick.track.id, pick.terms) for pick in second
    ]
    # What was given since counts towards the next fit, in whatever process it was given.
    await like(other, 1, first=MEMBERS)
    await until(lambda: recommender_of(one).unfitted == recommender_of(other).unfitted == 5)
    await like(other, MEMBERS - 1, first=MEMBERS + 1)
    for service in two:
        await until(lambda: recommender_of(service)._fitted.active == 2 * MEMBERS)  # noqa: B023
    assert made == [MEMBERS, 2 * MEMBERS]
    assert_same(model_of(one), model_of(other))
    await other.reload()
    async with Service.open(one.settings) as third:
        await third._live.recommender()
        assert made == [MEMBERS, 2 * MEMBERS], "it is read at a start"
        for service in (other, third):
            assert_same(model_of(one), model_of(service))
    await like(one, 1, first=90)
    async with Service.open(one.settings) as third:
        await third._live.recommender()
        # Of so few events, five are too many to do without at a start.
        assert made == [MEMBERS, 2 * MEMBERS, 2 * MEMBERS + 1]


async def test_a_fit_goes_with_a_member_who_has_everything_deleted(
    two: tuple[Service, Service],
) -> None:
    one, other = two
    await like(one)
    await asyncio.gather(*(service._live.recommender() for service in two))
    [kept] = await rows(one, schema.fits)
    assert b"member 2" not in b"".join(part.body for part in await rows(one, schema.fit_parts))
    await other.members.delete("member 2")
    for table in (schema.fits, schema.fit_parts):
        assert await rows(one, table) == []
    for service in two:
        await until(lambda: recommender_of(service)._fitted.active == MEMBERS - 1)  # noqa: B023
        assert "member 2" not in recommender_of(service)._fitted.members
    # The next one is made without them.
    await like(one, first=10)
    for service in two:
        await until(lambda: recommender_of(service)._fitted.active == 2 * MEMBERS - 1)  # noqa: B023
    assert [row.id for row in await rows(one, schema.fits)] > [kept.id]
    # What is old no longer counts, and may hold thumbs that were taken back.
    async with store_of(one) as store:
        await store.fits.sweep()
        assert await rows(one, schema.fits)
        async with store.database.write() as connection:
            long_ago = await store.database.now(connection) - fits.KEPT
            await connection.execute(schema.fits.update().values(made_at=long_ago))
        await store.fits.sweep()
    assert await rows(one, schema.fit_parts) == []


async def test_a_fit_is_refused_if_a_member_is_deleted_while_it_is_made(
    two: tuple[Service, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two
    await fitted(two)
    refit, loop = Recommender.refit, asyncio.get_running_loop()
    leaving = [(one, "member 1"), (other, "member 2")]

    def slow(recommender: Recommender) -> None:
        refit(recommender)
        if leaving:
            service, member = leaving.pop()
            deleting = asyncio.run_coroutine_threadsafe(service.members.delete(member), loop)
            assert deleting.result(20)

    monkeypatch.setattr(Recommender, "refit", slow)
    await like(one)
    for service in two:
        await until(lambda: recommender_of(service)._fitted.active == MEMBERS - 2)  # noqa: B023
    await until(lambda: MEMBERS - 2 in made)
    await until(
        lambda: not recommender_of(one).fitted_here or not recommender_of(other).fitted_here
    )
    for service in two:
        assert not {"member 1", "member 2"} & {*recommender_of(service)._fitted.members}


async def test_another_makes_the_fit_of_a_process_that_is_killed(
    two: tuple[Service, Service], store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And sweeps what it had begun to write; it is written in parts, as a large one is."""
    monkeypatch.setattr(fits, "PART", 400)
    one, other = two
    await fitted(two)
    fitting = start("fit", store_url)
    await like(one)
    await until(lambda: recommender_of(other).unfitted == REFIT_AFTER)
    assert made == [], "they wait for the one that is fitting"
    os.kill(fitting.pid, signal.SIGKILL)
    fitting.wait()
    for service in two:
        await until(lambda: recommender_of(service)._fitted.active == MEMBERS)  # noqa: B023
    assert made == [MEMBERS]
    assert_same(model_of(one), model_of(other))
    assert len(await rows(one, schema.fit_parts)) > fits.AT_ONCE
    assert [row.whole for row in await rows(one, schema.fits)] == [True]


async def test_a_damaged_fit_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured = settings(tmp_path / "data")
    async with Service.open(configured) as service:
        await like(service)
        await service._live.recommender()
        kept = model_of(service)
        async with store_of(service) as store, store.database.write() as connection:
            await connection.execute(schema.fit_parts.update().values(body=b"something else"))
    count_fits(monkeypatch)
    async with Service.open(configured) as service:
        await service._live.recommender()
        assert made == [MEMBERS]
        assert_same(kept, model_of(service))
        assert await rows(service, schema.fits) == []
