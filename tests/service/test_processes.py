"""Several processes on one store: what one of them learns or hears, the others know soon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from musrec.demo import RATE, TUNES, compose, wav
from musrec.model import FeedbackKind
from musrec.service import Service
from musrec.store import database, schema
from musrec.store.analyses import NotCompared
from tests.support.coding import encode
from tests.support.posting import settings
from tests.support.stores import store_of

LIKE, DISLIKE, PLAY = FeedbackKind.LIKE, FeedbackKind.DISLIKE, FeedbackKind.PLAY

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


async def _opened(configured: object, track: str) -> set[str]:
    async with Service.open(configured) as other:  # type: ignore[arg-type]
        await other._live.recommender()
        await until(lambda: track in thumbs(other, "the last"))
        return set(other._live.members)
