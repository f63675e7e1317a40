"""What members like and did, and the catalogue around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.taste.catalogue import CatalogueCommands, Measures
from bot.taste.commands import Agree, Decline, Share, TasteCommands, Turn

if TYPE_CHECKING:
    from bot.app import Bot


async def setup(bot: Bot) -> None:
    """Bring the area into the bot."""
    await bot.add_cog(TasteCommands(bot))
    await bot.add_cog(CatalogueCommands(bot))
    bot.add_dynamic_items(Share, Agree, Decline, Turn, Measures)
