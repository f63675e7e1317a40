"""The limit of a question ends its waiting: store and recommender still change together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from musrec.members.model import Card
from musrec.model import Busy, FeedbackKind
from musrec.service import Service, outside
from tests.support.posting import MONDAY, settings

LIKE = FeedbackKind.LIKE


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    wanted = settings(tmp_path)
    hurried = wanted.recommend.model_copy(update={"budget_seconds": 1.0})
    async with Service.open(wanted.model_copy(update={"recommend": hurried})) as opened:
        yield opened


async def _delete(service: Service, _: str) -> object:
    return await service.members.delete("ann")


async def _learn(service: Service, track: str) -> object:
    return await service.members.learn("ann", track, LIKE)


async def _like_all(service: Service, track: str) -> None:
    await service.members.like_all("ann", [track])


async def _forget(service: Service, track: str) -> object:
    return await service.members.forget("ann", track, LIKE)


async def _react(service: Service, track: str) -> None:
    card = Card("1", "2", track, MONDAY)
    await service.cards.keep(card)
    await service.cards.react(card, "ann", LIKE, there=True)


@pytest.mark.parametrize(
    ("change", "liked"),
    [(_delete, True), (_forget, True), (_learn, False), (_like_all, False), (_react, False)],
)
async def test_a_limit_that_expires_between_store_and_recommender_parts_them_not(
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Service, str], Awaitable[object]],
    *,
    liked: bool,
) -> None:
    monkeypatch.setattr(outside, "LEEWAY", -0.9)
    track = service.catalogue.songs.tracks[0].id
    if liked:
        await service.members.learn("ann", track, LIKE)
    async with service._live._changing:  # the recommender is busy until the limit is over
        with pytest.raises(Busy, match="stopped waiting"):
            async with service.promptly():
                await change(service, track)
    await service._live.end_background()
    kept = {event.track for event in await service.members.feedback("ann")}
    known = (await service._live.recommender())._ledger.of("ann")
    assert kept == (set() if liked else {track})
    assert bool(known) is not liked
