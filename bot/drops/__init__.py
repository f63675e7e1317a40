"""Weekly drops and mixtapes: how members ask for them, and how they reach a channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.drops.commands import DropCommands, MixtapeCommands
from bot.drops.posting import Artists, Change, Enough, Join, Rate

if TYPE_CHECKING:
    from bot.app import Bot


async def setup(bot: Bot) -> None:
    """Bring the area into the bot."""
    await bot.add_cog(DropCommands(bot))
    await bot.add_cog(MixtapeCommands(bot))
    bot.add_dynamic_items(Change, Join, Rate, Artists, Enough)
