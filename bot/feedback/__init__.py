"""What members think of songs: thumbs by button or reaction, and listening with consent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.feedback.listening import ListeningCommands
from bot.feedback.reactions import Reactions
from bot.feedback.thumbs import TakeBack, Thumb

if TYPE_CHECKING:
    from bot.app import Bot


async def setup(bot: Bot) -> None:
    """Bring the area into the bot."""
    await bot.add_cog(Reactions(bot))
    await bot.add_cog(ListeningCommands(bot))
    bot.add_dynamic_items(Thumb, TakeBack)
