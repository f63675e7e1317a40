"""The real bot over real sockets against the loopback Discord; every request is checked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.app import Bot
from bot.serve import supervise
from musrec.demo import ARTIST, TUNES, write_tunes
from musrec.service import Service
from tests.bot.world import settings_for
from tests.wire.fake_discord import PATIENCE, FakeDiscord, connected
from tests.wire.openapi import Document


@pytest.fixture(scope="session")
def document(shared_data: Path) -> Document | None:
    """Discord's own OpenAPI document; None where it is not at hand."""
    path = shared_data.parent / "discord" / "openapi-20260718.json"
    return Document(path) if path.is_file() else None


@pytest.fixture(scope="session")
def tunes(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str, bytes]]:
    """Names, types and bytes of music composed here; the first was heard before."""
    folder = tmp_path_factory.mktemp("tunes")
    write_tunes(folder)
    names = [f"{ARTIST} - {tune.title}.wav" for tune in TUNES]
    return [(name, "audio/wav", (folder / name).read_bytes()) for name in names]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service(
    tmp_path_factory: pytest.TempPathFactory, tunes: list[tuple[str, str, bytes]]
) -> AsyncIterator[Service]:
    """One service for all tests; people and cards have ids of their own in each."""
    async with Service.open(settings_for(tmp_path_factory.mktemp("store"))) as opened:
        name, _, data = tunes[0]
        await opened.hear_clip(data, name)
        yield opened


class Wire:
    """A loopback Discord, and the bot as it is run."""

    def __init__(self, fake: FakeDiscord, service: Service) -> None:
        self.fake = fake
        self.service = service
        self.bots: list[Bot] = []
        self.stop = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    @property
    def bot(self) -> Bot:
        """The client that runs now."""
        return self.bots[-1]

    async def start(self, *, grace: float = PATIENCE, **discord_settings: Any) -> None:
        """Run the bot until it is ready."""
        settings = settings_for(Path("unused"), **{"token": FakeDiscord.TOKEN, **discord_settings})

        def build(privileged: bool) -> Bot:
            self.bots.append(
                Bot(
                    settings,
                    self.service,
                    privileged=privileged,
                    cdn_hosts=frozenset(("127.0.0.1",)),
                    grace=grace,
                    guild_ready_timeout=0.05,
                )
            )
            return self.bot

        self.stop = asyncio.Event()
        ready = asyncio.create_task(self.fake.wait("ready"))
        self._running = asyncio.create_task(supervise(settings, build, self.stop, first_pause=0.01))
        await asyncio.wait((ready, self._running), return_when=asyncio.FIRST_COMPLETED)
        if self._running.done():
            ready.cancel()
            died, self._running = self._running, None
            died.result()
        await ready
        await self.bot.wait_until_ready()

    async def end(self) -> None:
        """Stop the bot, as a service manager would."""
        self.stop.set()
        if self._running is not None:
            await self._running
            self._running = None


@pytest_asyncio.fixture(loop_scope="session")
async def wire(service: Service, document: Document | None) -> AsyncIterator[Wire]:
    """A wire with nothing running on it yet."""
    fake = FakeDiscord()
    fake.answered_within = PATIENCE  # how fast it answers is measured in benchmarks
    await fake.start()
    with connected(fake):
        wire = Wire(fake, service)
        yield wire
        await wire.end()
    await fake.stop()
    if document is not None:
        assert document.complaints(fake.bodies) == []
