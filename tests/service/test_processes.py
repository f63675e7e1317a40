"""Several processes on one store: what one of them learns or hears, the others know soon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from aiohttp import web

from musrec.demo import RATE, TUNES, compose, wav
from musrec.model import Busy, FeedbackKind
from musrec.service import Service
from musrec.settings import RecommendSettings, Settings
from musrec.store import database, schema
from musrec.store.analyses import NotCompared
from tests.support.coding import encode
from tests.support.loopback import Loopback, serving, stock
from tests.support.posting import settings
from tests.support.stores import store_of

LIKE, DISLIKE, PLAY = FeedbackKind.LIKE, FeedbackKind.DISLIKE, FeedbackKind.PLAY

PREVIEW = "/cdn/deezer-3135553.mp3"

Pair = tuple[Service, Service]


@pytest.fixture
async def pair(tmp_path: Path, store_url: str) -> AsyncIterator[Pair]:
    configured = settings(tmp_path / "data", url=store_url)
    async with Service.open(configured) as one, Service.open(configured) as other:
        for service in (one, other):
            await service._live.recommender()
        yield one, other


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds; it must within the two seconds that are promised, and a few."""
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.02)


def thumbs(service: Service, member: str) -> dict[str, bool]:
    """Return a member's thumbs as the recommender of a process knows them."""
    recommender = service._live._recommender
    assert recommender is not None
    ledger = recommender._ledger
    return {ledger.names[number]: up for number, (up, _) in ledger.of(member).thumbs().items()}


async def test_a_thumb_given_to_one_process_counts_in_the_other(pair: Pair) -> None:
    one, other = pair
    first, second, third = [track.id for track in one.catalogue.songs.tracks[:3]]
    await one.members.learn("ann", first, LIKE)
    await one.members.learn("ann", second, DISLIKE)
    await until(lambda: thumbs(other, "ann") == {first: True, second: False})
    heard = await other.songs.heard(third)
    answer = await other.answers.recommend(heard, member="ann", count=25, online=False)
    assert second not in {pick.track.id for pick in answer.picks}
    await other.members.forget("ann", second, DISLIKE)
    await other.members.learn("ann", first, DISLIKE)
    await until(lambda: thumbs(one, "ann") == {first: False})


async def test_who_leaves_in_one_process_is_forgotten_in_the_other(pair: Pair) -> None:
    one, other = pair
    track = one.catalogue.songs.tracks[0].id
    await one.members.choose("ann-4711", listening=True)
    await one.members.learn("ann-4711", track, LIKE)
    await until(lambda: "ann-4711" in other._live.members)
    assert "ann-4711" in await other.members.listeners()
    await one.members.delete("ann-4711")
    await until(lambda: not thumbs(other, "ann-4711"))
    await until(lambda: other.members._listeners == {})
    async with store_of(one) as store, store.database.read() as connection:
        left = (await connection.execute(sa.select(schema.changes))).all()
    assert "ann-4711" not in repr(left)


async def test_a_consent_given_to_one_process_holds_in_the_other(pair: Pair) -> None:
    one, other = pair
    assert await other.members.listeners() == {}
    await one.members.choose("ann", listening=True)
    await until(lambda: "ann" in (other.members._listeners or {}))
    await one.members.choose("ann", paused=True)
    await until(lambda: other.members._listeners == {})


async def test_songs_that_one_process_hears_can_be_recommended_by_the_other(pair: Pair) -> None:
    one, other = pair
    before, recommender = len(other.catalogue), await other._live.recommender()
    known = await one.songs.heard(one.catalogue.songs.tracks[0].id)
    assert known is not None
    async with store_of(one) as store:
        for name in ("a new song", "another new song"):
            track = replace(known.track, id=name, title=name, identities={}, isrc=None)
            analysis = replace(known.analysis, digest=name)
            await store.analyses.add(track, analysis, "file")
            upload = replace(track, id=f"upload of {name}", title="mine")
            await store.analyses.add(upload, analysis, "upload")
    await until(lambda: len(other.catalogue) == before + 2)
    await until(lambda: len(one.catalogue) == before + 2)
    # It grew, and was not read again.
    assert await other._live.recommender() is recommender
    assert await other.songs.find_one("another new song", online=False)


async def test_a_recording_that_two_processes_hear_at_once_is_one_song(pair: Pair) -> None:
    """In two codings: neither its bytes nor its names are the same."""
    sound = np.repeat(compose(TUNES[0], 12.0).astype(np.float32), 44_100 // RATE)
    copies = encode(sound, "flac", 0), encode(sound[20_000:], "libmp3lame", 128_000)
    whole, cut = await asyncio.gather(
        *(
            service.songs.hear_clip(data, f"{name}.mp3")
            for service, data, name in zip(pair, copies, ("whole", "cut"), strict=True)
        )
    )
    assert whole.track.id == cut.track.id


async def test_a_song_is_compared_with_what_another_process_keeps_meanwhile(pair: Pair) -> None:
    one, _ = pair
    first, second = [
        await one.songs.hear_clip(wav(compose(tune, 12.0)), f"{tune.title}.wav")
        for tune in TUNES[:2]
    ]
    marks = [1, 2, 3]
    async with store_of(one) as store:
        add = store.analyses.add
        await add(first.track, first.analysis, "upload", marks=marks, compared=())
        with pytest.raises(NotCompared):
            await add(second.track, second.analysis, "upload", marks=marks, compared=())
        others = {first.track.id, second.track.id}
        await add(second.track, second.analysis, "upload", marks=marks, compared=others)


async def test_what_was_done_between_reading_and_listening_is_not_missed(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured = settings(tmp_path / "data", url=store_url)
    monkeypatch.setattr(database, "LOOK_SECONDS", 0.01)
    async with Service.open(configured) as one:
        track = one.catalogue.songs.tracks[0].id
        opening = asyncio.create_task(_opened(configured, track))
        for number in range(40):
            await one.members.learn(f"member {number}", track, LIKE)
        await one.members.learn("the last", track, LIKE)
        assert await opening >= {f"member {number}" for number in range(40)}


@pytest.fixture
async def online(tmp_path: Path, store_url: str) -> AsyncIterator[tuple[Loopback, Pair]]:
    """Two processes on one store, and a network that has one song with a preview."""
    configured = Settings.model_validate(
        {
            "paths": {"data": tmp_path / "data"},
            "store": {"url": store_url},
            "catalogue": {"starter": False},
            "workers": {"count": 1},
            "recommend": {"budget_seconds": 120},
        }
    )
    async with serving() as server:
        stock(server)
        server.raw(PREVIEW, wav(compose(TUNES[0], 12.0)), kind="audio/wav")
        points = server.endpoints()
        async with (
            Service.open(configured, endpoints=points) as one,
            Service.open(configured, endpoints=points) as other,
        ):
            yield server, (one, other)


async def test_a_new_song_that_two_ask_for_is_heard_once(
    online: tuple[Loopback, Pair],
) -> None:
    server, (one, other) = online
    track = await one.songs.find_one("one more time daft punk")
    first, second, third = await asyncio.gather(
        *(service.songs.hear_track(track) for service in (one, other, other))
    )
    assert first.track.id == second.track.id == third.track.id
    assert server.count(PREVIEW) == 1


async def test_a_song_that_takes_too_long_is_heard_for_the_next_who_asks(
    online: tuple[Loopback, Pair],
) -> None:
    server, (one, other) = online
    track = await one.songs.find_one("one more time daft punk")
    asked, there = asyncio.Event(), asyncio.Event()

    async def late(_: web.Request) -> web.Response:
        asked.set()
        await there.wait()
        return web.Response(body=wav(compose(TUNES[0], 12.0)), content_type="audio/wav")

    server.set(PREVIEW, late)
    hearing = asyncio.create_task(one.songs.hear_track(track))
    await asked.wait()
    other._outside._settings = other.settings.model_copy(
        update={"recommend": RecommendSettings(budget_seconds=1)}
    )
    with pytest.raises(Busy, match="listening to this song"):
        await other.songs.hear_track(track)
    hearing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hearing
    there.set()
    await other.jobs.work(until_empty=True)
    assert await one.songs.heard(track.id) is not None


async def _opened(configured: object, track: str) -> set[str]:
    async with Service.open(configured) as other:  # type: ignore[arg-type]
        await other._live.recommender()
        await until(lambda: track in thumbs(other, "the last"))
        return set(other._live.members)
