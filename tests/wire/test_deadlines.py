"""Whatever hangs, the member is told in time: services, yt-dlp, DNS and Discord's own files."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from musrec.model import Track
from musrec.service import Service
from musrec.sources import Endpoints, SourcesSettings
from tests.support.fake_discord import FakeDiscord, connected
from tests.support.hanging import EVERY, Stage, hanging
from tests.support.loopback import KEYS, SPOTIFY_ID, VIDEO_ID
from tests.support.wire import Wire, ask, until
from tests.support.world import settings_for, text_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

SONG = "Boogie Nights"
UNKNOWN = Track("there", "A Song Of Nobody", ("Nobody",), links={"deezer": "https://deezer.com/"})


@asynccontextmanager
async def online(folder: Path, address: str | None) -> AsyncIterator[Wire]:
    """Run a bot that asks every service at one address, with one second for it."""
    settings = settings_for(folder)
    settings = settings.model_copy(
        update={
            "recommend": settings.recommend.model_copy(update={"budget_seconds": 1.0}),
            "sources": SourcesSettings(**KEYS, ytdlp_audio=True),
        }
    )
    fake = FakeDiscord()
    fake.answered_within = 60.0
    await fake.start()
    async with Service.open(settings, endpoints=Endpoints(address)) as service:
        await service.songs.keep([UNKNOWN])
        with connected(fake):
            wire = Wire(fake, service)
            await wire.start()
            yield wire
            await wire.end()
    await fake.stop()


async def told(wire: Wire, count: int) -> list[str]:
    """Wait until so many messages say what to try instead, and return what they say."""

    def said() -> list[str]:
        texts = [text_of(m["components"]) for m in wire.fake.messages.values()]
        return [text for text in texts if "Try again" in text]

    async def all_told() -> bool:
        return len(said()) >= count

    await until(all_told)
    return said()


@pytest.mark.parametrize("stage", Stage)
async def test_services_that_hang_are_answered_for(stage: Stage, tmp_path: Path) -> None:
    async with hanging(stage) as address, online(tmp_path, address) as wire:
        fake = wire.fake
        alice = fake.user("alice")
        await wire.service.playlists.create(alice["id"], "mine")
        page, nothing = f"https://open.spotify.com/track/{SPOTIFY_ID}", "no song of this name"
        asked = (
            fake.slash(alice, "recommend", song=nothing),
            fake.slash(alice, "recommend", song=page, private=True),
            fake.slash(alice, "recommend", song=f"https://youtu.be/{VIDEO_ID}", private=True),
            fake.slash(alice, "show", song=str(UNKNOWN)),
            fake.slash(alice, "compare", a=str(UNKNOWN), b="Another"),
            fake.slash(alice, "playlist", subcommand="add", playlist="mine", song=nothing),
            fake.say(alice, f"<@{fake.app_id}> {page}"),
            fake.say(alice, f"<@{fake.app_id}> {nothing}"),
        )
        await asyncio.gather(*asked)
        said = await told(wire, len(asked))
        assert len(said) == len(asked), said


@pytest.mark.parametrize("drips", [False, True])
async def test_a_file_that_discord_sends_too_slowly_is_said(drips: bool, tmp_path: Path) -> None:
    closing = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000000"})
        if drips:
            await response.prepare(request)
        while not closing.is_set():
            if drips:
                await response.write(b"R")
            await asyncio.sleep(EVERY)
        return response

    async with online(tmp_path, None) as wire:
        fake = wire.fake
        fake.slow_files = slow
        alice, clip = fake.user("alice"), ("x.wav", "audio/wav", b"RIFF")
        await asyncio.gather(
            fake.slash(alice, "recommend", files={"clip": clip}),
            fake.slash(alice, "show", files={"clip": clip}),
            fake.say(alice, f"<@{fake.app_id}>", [clip]),
        )
        said = await told(wire, 3)
        closing.set()
    assert all("Discord is too slow in sending me that file" in text for text in said)


async def test_a_name_server_that_hangs_holds_nothing_else_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering, find = threading.Event(), socket.getaddrinfo

    def hang(host: Any, *args: Any, **more: Any) -> Any:
        if str(host).endswith((".com", ".org")):
            answering.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return find(host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    async with online(tmp_path, None) as wire:
        fake = wire.fake
        askers = [fake.user(f"asker{number}") for number in range(12)]
        questions = (fake.slash(who, "recommend", song=f"no song {who['id']}") for who in askers)
        await asyncio.gather(*questions)
        try:
            # Drawn in a thread, meanwhile: none of those that wait for a name is in its way.
            card = await ask(wire, fake.user("other"), song=SONG)
            said = await told(wire, len(askers))
        finally:
            answering.set()
    assert card
    assert len(said) == len(askers)
