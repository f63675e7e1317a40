"""With services that answer: a title becomes a song, songs around it are heard, previews play."""

from __future__ import annotations

import io
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from musrec.demo import RATE, TUNES, compose
from musrec.service import Service
from musrec.sources import SourcesSettings
from tests.support.fake_discord import EPHEMERAL, PATIENCE, FakeDiscord, connected
from tests.support.loopback import PROVIDERS_OFF, Loopback, serving, stock
from tests.support.openapi import Document
from tests.support.wire import Wire, ask, finished, until
from tests.support.world import parts_of, settings_for, text_of

pytestmark = pytest.mark.asyncio(loop_scope="session")


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


@pytest_asyncio.fixture(loop_scope="session")
async def online(
    deezer: Loopback, tmp_path: Path, document: Document | None
) -> AsyncIterator[Wire]:
    """A bot that asks that service, and knows no song before."""
    settings = settings_for(tmp_path)
    settings = settings.model_copy(
        update={
            "catalogue": settings.catalogue.model_copy(update={"starter": False}),
            "recommend": settings.recommend.model_copy(update={"budget_seconds": PATIENCE}),
            "sources": SourcesSettings(**PROVIDERS_OFF | {"deezer": True}),
        }
    )
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
    played = await finished(online, await online.fake.click(bob, card, name), "preview.")
    assert played["flags"] & EPHEMERAL
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
