"""One line in the log when Discord is lost, however often it is tried, and one when it is back."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import discord
import pytest

from bot.app import Bot
from bot.serve import supervise
from musrec.service import Service
from tests.support.fake_discord import PATIENCE, FakeDiscord, connected
from tests.support.wire import until
from tests.support.world import settings_for

pytestmark = pytest.mark.asyncio(loop_scope="session")

ATTEMPTS = 20


class AtOnce:
    """discord.py's pause between two attempts, without the pause."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    @staticmethod
    def delay() -> float:
        return 0.0


async def test_a_network_that_is_down_costs_one_line_and_one_when_it_is_back(
    service: Service, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discord.shard, "ExponentialBackoff", AtOnce)
    caplog.set_level(logging.INFO, "bot")  # discord.py's lines: from WARNING on, as when it is run
    fake = FakeDiscord()
    await fake.start()
    port = fake.port
    await fake.stop()  # nothing listens there now
    settings = settings_for(Path("unused"), token=FakeDiscord.TOKEN)
    stop, tried = asyncio.Event(), asyncio.Event()
    bots: list[Bot] = []

    def build(privileged: bool) -> Bot:
        bots.append(Bot(settings, service, privileged=privileged, guild_ready_timeout=0.05))
        if len(bots) == ATTEMPTS:
            tried.set()
        return bots[-1]

    def lines() -> list[str]:
        loud = ("bot.serve", "bot.reach", "discord.client", "discord.shard")
        return [
            record.getMessage()
            for record in caplog.records
            if record.name in loud and record.getMessage() != "finishing"
        ]

    with connected(fake):
        running = asyncio.create_task(supervise(settings, build, stop, first_pause=0.0))
        async with asyncio.timeout(PATIENCE):
            await tried.wait()
        assert lines() == ["Discord is not reached"]
        ready = asyncio.create_task(fake.wait("ready"))
        await fake.start(port)
        await ready
        await bots[-1].wait_until_ready()
        assert lines() == ["Discord is not reached", "Discord is reached again"]
        # A connection that breaks, and cannot be made again at first.
        caplog.clear()
        fake.failing_handshakes = ATTEMPTS
        for connection in fake.live():
            await connection.ws.close(code=1006)

        async def back() -> bool:
            return lines()[-1:] == ["Discord is reached again"]

        await until(back)
        assert lines() == ["Discord is not reached", "Discord is reached again"]
        assert not fake.failing_handshakes
        stop.set()
        await running
        await fake.stop()
