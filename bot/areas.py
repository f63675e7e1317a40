"""The areas of the bot: each brings its commands, its buttons and its background work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from bot import admin, drops, feedback, page, playlists, privacy, recommend, taste

if TYPE_CHECKING:
    from bot.app import Bot

SETUPS: tuple[Callable[[Bot], Awaitable[None]], ...] = (
    recommend.setup,
    feedback.setup,
    taste.setup,
    playlists.setup,
    drops.setup,
    page.setup,
    privacy.setup,
    admin.setup,
)
