"""Members' fits: made by one process on a store, read by the others, and gone with a member."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
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
    """Two services on one store; their recommenders are fitted, to nothing yet."""
    count_fits(monkeypatch)
    configured = settings(tmp_path / "data", url=store_url)
    async with Service.open(configured) as one, Service.open(configured) as other:
        for service in (one, other):
            await service._live.recommender()
        made.clear()
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


async def test_what_one_process_has_fitted_answers_in_the_other(
    two: tuple[Service, Service],
) -> None:
    one, other = two
    await like(one)
    await until(lambda: bool(recommender_of(one)._fitted.active))
    await until(lambda: not recommender_of(other).fitted_here)
    assert made == [MEMBERS]
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
    await until(lambda: recommender_of(one)._fitted.active == 2 * MEMBERS)
    await until(lambda: recommender_of(other)._fitted.active == 2 * MEMBERS)
    assert made == [MEMBERS, 2 * MEMBERS]
    assert_same(model_of(one), model_of(other))


async def test_a_process_that_starts_reads_the_fit(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured = settings(tmp_path / "data", url=store_url)
    async with Service.open(configured) as service:
        await like(service)
        await service._live.recommender()
        kept = model_of(service)
    count_fits(monkeypatch)
    async with Service.open(configured) as service:
        await service._live.recommender()
        assert made == []
        assert_same(kept, model_of(service))
        await service.reload()
        assert made == []
    async with Service.open(configured) as service:
        await like(service, 1, first=90)  # of so few events, five are too many to do without
        await service._live.recommender()
        assert made == [MEMBERS + 1]


async def test_processes_that_start_together_make_one_fit(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured = settings(tmp_path / "data", url=store_url)
    async with Service.open(configured) as one, Service.open(configured) as other:
        await like(one)
        count_fits(monkeypatch)
        await asyncio.gather(*(service._live.recommender() for service in (one, other)))
        assert made == [MEMBERS]
        assert_same(model_of(one), model_of(other))


async def test_a_fit_goes_with_a_member_who_has_everything_deleted(
    two: tuple[Service, Service],
) -> None:
    one, other = two
    await like(one)
    await until(lambda: not recommender_of(other).fitted_here)
    assert await rows(one, schema.fit_parts)
    await other.members.delete("member 2")
    for table in (schema.fits, schema.fit_parts):
        assert await rows(one, table) == []
    await until(lambda: "member 2" not in recommender_of(one)._fitted.members)
    for service in two:
        assert "member 2" not in recommender_of(service)._fitted.members
        assert recommender_of(service)._fitted.active == MEMBERS - 1
    # The next one is made without them.
    await like(one, first=10)
    await until(lambda: recommender_of(one)._fitted.active == 2 * MEMBERS - 1)
    await until(lambda: recommender_of(other)._fitted.active == 2 * MEMBERS - 1)


@pytest.mark.parametrize("by", ["itself", "another process"])
async def test_a_fit_is_refused_if_a_member_is_deleted_while_it_is_made(
    two: tuple[Service, Service], monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    one, other = two
    refit, loop = Recommender.refit, asyncio.get_running_loop()
    deleted: list[object] = []

    def slow(recommender: Recommender) -> None:
        refit(recommender)
        if not deleted:
            service = one if by == "itself" else other
            done = asyncio.run_coroutine_threadsafe(service.members.delete("member 1"), loop)
            deleted.append(done.result(20))

    monkeypatch.setattr(Recommender, "refit", slow)
    await like(one)
    await until(lambda: len(made) >= 2)
    for service in two:
        await until(lambda: recommender_of(service)._fitted.active == MEMBERS - 1)  # noqa: B023
        assert "member 1" not in recommender_of(service)._fitted.members
    assert MEMBERS not in made[1:]


@pytest.mark.parametrize("how", ["cut", "changed", "of another form"])
async def test_a_damaged_fit_is_made_again(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    configured = settings(tmp_path / "data", url=store_url)
    async with Service.open(configured) as service:
        await like(service)
        await service._live.recommender()
        kept = model_of(service)
        async with store_of(service) as store, store.database.write() as connection:
            body = (await connection.scalars(sa.select(schema.fit_parts.c.body))).one()
            middle = len(body) // 2
            changed = bytes(byte ^ 255 for byte in body[middle : middle + 40])
            body = {
                "cut": body[:middle],
                "changed": body[:middle] + changed + body[middle + 40 :],
                "of another form": b"something else",
            }[how]
            await connection.execute(schema.fit_parts.update().values(body=body))
    count_fits(monkeypatch)
    async with Service.open(configured) as service:
        await service._live.recommender()
        assert made == [MEMBERS]
        assert_same(kept, model_of(service))
        assert await rows(service, schema.fits) == []


async def test_another_makes_the_fit_of_a_process_that_is_killed(
    two: tuple[Service, Service], store_url: str
) -> None:
    one, _ = two
    fitting = start("fit", store_url)
    await like(one)
    await asyncio.gather(*(service._live.recommender() for service in two))
    assert made == [], "they wait for the one that is fitting"
    os.kill(fitting.pid, signal.SIGKILL)
    fitting.wait()
    await until(lambda: bool(made))
    for service in two:
        await until(lambda: recommender_of(service)._fitted.active == MEMBERS)  # noqa: B023
    assert made == [MEMBERS]


async def test_a_large_fit_is_written_in_parts_and_what_a_dead_process_left_is_swept(
    two: tuple[Service, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two
    monkeypatch.setattr(fits, "PART", 1_000)
    async with store_of(one) as store, store.database.write() as connection:
        now = await store.database.now(connection)
        left = {"recipe": "", "events": 1, "seen": 0, "own": 0, "writer": "", "whole": False}
        await connection.execute(schema.fits.insert().values(id=1, made_at=now, **left))
    await like(one)
    await until(lambda: not recommender_of(other).fitted_here)
    assert_same(model_of(one), model_of(other))
    assert len(await rows(one, schema.fit_parts)) > fits.AT_ONCE
    assert [row.whole for row in await rows(one, schema.fits)] == [True]
