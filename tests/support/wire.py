"""The bot as it is run, over real sockets to a loopback Discord."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from bot.app import Bot
from bot.serve import supervise
from musrec.service import Service
from tests.support.fake_discord import EPHEMERAL, PATIENCE, FakeDiscord
from tests.support.world import settings_for

J = dict[str, Any]


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


async def until(condition: Any) -> None:
    """Wait until something asked of the store is so."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():
            await asyncio.sleep(0.01)


async def finished(wire: Wire, interaction: J, says: str = "") -> J:
    """Wait for the message that answers an interaction: a card, or one that says something."""

    def is_it(message: J) -> bool:
        done = says in str(message["components"]) if says else is_final(message)
        return message["id"] == interaction["original"] and done

    message = wire.fake.messages[interaction["original"]]
    return message if is_it(message) else await wire.fake.wait("followup", is_it)


async def told(wire: Wire, says: str) -> J:
    """Wait for the message that says what went wrong, to the asker alone."""

    def is_it(message: J) -> bool:
        return says in str(message["components"]) and message["flags"] & EPHEMERAL

    known = [message for message in wire.fake.messages.values() if is_it(message)]
    return known[0] if known else await wire.fake.wait("followup", is_it)


async def ask(wire: Wire, who: J, **options: Any) -> J:
    """Ask with /recommend; return the finished card with its reactions."""
    answer = await wire.fake.slash(who, "recommend", **options)
    assert answer["answered"] == 5  # deferred
    card = await finished(wire, answer)
    if len(card.get("reactions", ())) < 2:
        await wire.fake.wait("reacted", lambda m: m is card and len(m["reactions"]) == 2)
    return card


def is_final(message: J) -> bool:
    return "like:" in str(message["components"])
