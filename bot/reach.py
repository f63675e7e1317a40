"""Whether Discord is reached: one line in the log when it is lost and one when it is back.

discord.py logs every attempt to connect again, with a stack trace: sixty in an hour without a
network.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING

import aiohttp
import discord

if TYPE_CHECKING:
    from bot.app import Bot

log = logging.getLogger(__name__)

_ATTEMPTS = ("discord.client", "discord.shard")
"""Loggers that tell of each attempt."""

_OUTSIDE = (
    OSError,
    aiohttp.ClientError,
    asyncio.TimeoutError,
    discord.GatewayNotFound,
    discord.ConnectionClosed,
    discord.DiscordServerError,
)
"""Errors of the network or of Discord, not of ours."""


class Reach(logging.Filter):
    """What is known of the way to Discord."""

    def __init__(self) -> None:
        super().__init__()
        self._lost: float | None = None

    @contextlib.contextmanager
    def noticed(self) -> Iterator[None]:
        """Take in what discord.py logs while the block runs."""
        for name in _ATTEMPTS:
            logging.getLogger(name).addFilter(self)
        try:
            yield
        finally:
            for name in _ATTEMPTS:
                logging.getLogger(name).removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Take a line about another attempt in place of logging it; let all others pass."""
        if not str(record.msg).startswith("Attempting a reconnect"):
            return True
        self.lost(record.exc_info[1] if record.exc_info else None)
        return False

    def lost(self, error: BaseException | None) -> bool:
        """Note that Discord is not reached; return false if an error has another cause."""
        if error is not None and not isinstance(error, _OUTSIDE):
            return False
        if self._lost is None:
            self._lost = monotonic()
            log.warning("Discord is not reached", extra={"why": type(error).__name__})
        return True

    def watch(self, bot: Bot) -> None:
        """Let a client tell when it is connected."""

        async def back(*_: object) -> None:
            if self._lost is not None:
                away, self._lost = monotonic() - self._lost, None
                log.info("Discord is reached again", extra={"after_seconds": round(away)})

        for event in ("on_ready", "on_resumed", "on_shard_ready", "on_shard_resumed"):
            bot.add_listener(back, event)
