"""With services that answer: a title becomes a song, songs around it are heard, previews play."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from aiohttp import web

from bot.drops.posting import Messages
from musrec.demo import RATE, TUNES, compose, write_tunes
from musrec.drops.model import State
from musrec.model import FeedbackKind, Track
from musrec.service import Service
from musrec.settings import Settings
from musrec.sources import SourcesSettings
from musrec.sources.matching import Wanted
from tests.support.fake_discord import EPHEMERAL, PATIENCE, FakeDiscord, connected
from tests.support.loopback import (
    PROVIDERS_OFF,
    SPOTIFY_ID,
    Loopback,
    cover,
    deezer_track,
    serving,
    spotify_track,
    stock,
)
from tests.support.openapi import Document
from tests.support.wire import Wire, ask, finished, until
from tests.support.world import parts_of, settings_for, text_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

GALLERY = 12
"""Type of the component that shows a picture."""


def clip(number: int) -> bytes:
    """Six seconds of a tune as WAV."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((compose(TUNES[number], 6.0) * 32767).astype(np.int16).tobytes())
    return buffer.getvalue()


@pytest_asyncio.fixture(loop_scope="session")
async def deezer() -> AsyncIterator[Loopback]:
    """A service that knows one song and one like it, both with previews."""
    async with serving() as server:
        stock(server, related=1, tops=1)
        server.raw("/cdn/deezer-3135553.mp3", clip(0), kind="audio/mpeg")
        server.raw("/cdn/deezer-10000.mp3", clip(1), kind="audio/mpeg")
        yield server


def without_songs(folder: Path, **sources: object) -> Settings:
    """Settings of a bot that knows no song before, asks these services, and has time."""
    settings = settings_for(folder)
    return settings.model_copy(
        update={
            "catalogue": settings.catalogue.model_copy(update={"starter": False}),
            "recommend": settings.recommend.model_copy(update={"budget_seconds": PATIENCE}),
            "sources": SourcesSettings(**PROVIDERS_OFF | sources),
        }
    )


@pytest_asyncio.fixture(loop_scope="session")
async def online(
    deezer: Loopback, tmp_path: Path, document: Document | None
) -> AsyncIterator[Wire]:
    """A bot that asks that service, and knows no song before."""
    settings = without_songs(tmp_path, deezer=True)
    fake = FakeDiscord()
    fake.answered_within = PATIENCE
    await fake.start()
    async with Service.open(settings, endpoints=deezer.endpoints()) as service:
        with connected(fake):
            wire = Wire(fake, service)
            await wire.start()
            yield wire
            await wire.end()
    await fake.stop()
    if document is not None:
        assert document.complaints(fake.bodies) == []


async def test_a_title_is_found_songs_around_it_are_heard_and_a_preview_plays(
    online: Wire,
) -> None:
    alice, bob = online.fake.user("alice"), online.fake.user("bob")
    card = await ask(online, alice, song="one more time daft punk")
    said = text_of(card["components"])
    assert "found for [**One More Time**](https://www.deezer.com/" in said
    assert "[**Song number 10000**](https://www.deezer.com/" in said  # heard only just now

    name = next(p["custom_id"] for p in parts_of(card["components"]) if _plays(p))
    played = await finished(online, await online.fake.click(bob, card, name), "deezer.com")
    assert played["flags"] & EPHEMERAL
    [sent] = played["attachments"]
    assert sent["filename"] == "Song number 10000 - Neighbour 0.mp3"
    assert clip(1) in [data for _, data in online.fake.files.values()]
    links = [part["url"] for part in parts_of(played["components"]) if part.get("style") == 5]
    assert any(link.startswith("https://www.deezer.com/") for link in links)

    async def noted() -> bool:
        return bool(await online.service.members.feedback(bob["id"]))

    await until(noted)
    (event,) = await online.service.members.feedback(bob["id"])
    assert event.kind.value == "preview"


def _plays(part: dict[str, object]) -> bool:
    return str(part.get("custom_id", "")).startswith("play:")


@pytest_asyncio.fixture(loop_scope="session")
async def day_one(tmp_path: Path) -> AsyncIterator[Wire]:
    """A bot with only its starter songs, and a service that knows each, with preview and cover."""
    settings = settings_for(tmp_path)
    sources = SourcesSettings(**PROVIDERS_OFF | {"deezer": True})
    settings = settings.model_copy(update={"sources": sources})
    fake = FakeDiscord()
    fake.answered_within = PATIENCE
    await fake.start()
    async with (
        serving() as server,
        Service.open(settings, endpoints=server.endpoints()) as service,
    ):
        songs = service.catalogue.songs.tracks
        album = {"id": 1, "title": "An Album", "cover_medium": f"{server.address}/cover.jpg"}

        async def search(request: web.Request) -> web.Response:
            found = [
                deezer_track(n, song.title, song.artist, preview=f"{server.address}/cdn/{n}.mp3")
                | {"album": album}
                for n, song in enumerate(songs, start=1)
                if request.query["q"] == Wanted.of(song).query
            ]
            return web.json_response({"data": found})

        server.set("/deezer/search", search)
        write_tunes(tmp_path / "tunes")
        tune = next((tmp_path / "tunes").iterdir()).read_bytes()
        server.raw("/cover.jpg", cover(), kind="image/jpeg")
        for number in range(1, 1 + len(songs)):
            body = tune + b"%d" % number  # one recording would be one song
            server.raw(f"/cdn/{number}.mp3", body, kind="audio/mpeg")
        with connected(fake):
            wire = Wire(fake, service)
            await wire.start()
            yield wire
            await wire.end()
    await fake.stop()


async def test_songs_of_a_drop_are_heard_and_get_their_cover_and_pages_like_answers(
    day_one: Wire,
) -> None:
    wire = day_one
    alice = wire.fake.user("alice")
    for track in wire.service.catalogue.songs.tracks[:3]:
        await wire.service.members.learn(alice["id"], track.id, FeedbackKind.LIKE)
    kept = await wire.fake.slash(alice, "drops", subcommand="on", place="direct messages", size=1)
    await finished(wire, kept, "weekly drop")
    completed = asyncio.create_task(
        wire.fake.wait("MESSAGE_UPDATE", lambda message: "/cover.jpg" in str(message["components"]))
    )
    drop = await wire.service.drops.of_member(alice["id"])
    assert drop is not None
    assert await wire.service.drops.post_now(drop, Messages(wire.bot)) is State.POSTED
    card = await completed
    parts = parts_of(card["components"])
    assert any("deezer.com/track/" in part.get("url", "") for part in parts)
    (picture,) = [part["items"][0] for part in parts if part["type"] == GALLERY]
    assert "Mel spectrogram" in picture["description"]
    assert len([m for m in wire.fake.messages.values() if "why:" in str(m["components"])]) == 1
    assert await wire.service.cards.get(card["id"]) is not None


async def test_a_key_that_may_not_ask_for_features_is_found_out_once_and_reccobeats_asked(
    tmp_path: Path,
) -> None:
    other = "2cGxRwrMyEAp8dEbuZaVv6"

    async def numbers(request: web.Request) -> web.Response:
        asked = request.query["ids"]
        row = {"href": f"https://open.spotify.com/track/{asked}", "isrc": asked}
        return web.json_response({"content": [row | {"tempo": 122.7, "energy": 0.81}]})

    keys = {"spotify_client_id": "an-id", "spotify_client_secret": "a-secret"}
    settings = without_songs(tmp_path, deezer=True, reccobeats=True, **keys)
    fake = FakeDiscord()
    fake.answered_within = PATIENCE
    await fake.start()
    async with serving() as server:
        stock(server, related=1, tops=1)  # Spotify gives everything but audio features: HTTP 403
        server.json(f"/spotify/tracks/{other}", spotify_track(other, "Aerodynamic", "Daft Punk"))
        server.set("/reccobeats/audio-features", numbers)
        server.raw("/cdn/deezer-3135553.mp3", clip(0), kind="audio/mpeg")
        server.raw("/cdn/deezer-10000.mp3", clip(1), kind="audio/mpeg")
        async with Service.open(settings, endpoints=server.endpoints()) as service:
            with connected(fake):
                wire = Wire(fake, service)
                await wire.start()
                alice = fake.user("alice")
                card = await ask(wire, alice, song=f"https://open.spotify.com/track/{SPOTIFY_ID}")

                async def kept() -> bool:
                    song = await service.songs.find(f"https://open.spotify.com/track/{SPOTIFY_ID}")
                    assert isinstance(song, Track)
                    return bool(await service.songs.foreign(song, online=False))

                await until(kept)  # without a press of Why?
                why = next(
                    part["custom_id"]
                    for part in parts_of(card["components"])
                    if str(part.get("custom_id", "")).startswith("why:")
                )
                pressed = await finished(wire, await fake.click(alice, card, why), "ReccoBeats")
                said = "says of One More Time** 123\u00a0BPM · energy\u00a081%"
                assert said in text_of(pressed["components"])
                link = f"https://open.spotify.com/track/{other}"
                shown = await finished(
                    wire, await fake.slash(alice, "show", song=link), "ReccoBeats"
                )
                assert "says** 123\u00a0BPM · energy\u00a081%" in text_of(shown["components"])
                assert server.count("/spotify/audio-features") == 1
                await wire.end()
    await fake.stop()
