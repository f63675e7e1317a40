"""From a question to a card: by command, by message menu, and in chat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.recommend.answering import Choose, Feature, Next, Preview, Share, Systems, Why
from bot.recommend.chat import Chat
from bot.recommend.commands import RecommendCommands
from bot.recommend.keeping import Keep, TakeOut, Which
from bot.recommend.show import Show, ShowCommands

if TYPE_CHECKING:
    from bot.app import Bot


async def setup(bot: Bot) -> None:
    """Bring the area into the bot."""
    await bot.add_cog(RecommendCommands(bot))
    await bot.add_cog(ShowCommands(bot))
    await bot.add_cog(Chat(bot))
    bot.add_dynamic_items(Why, Systems, Next, Feature, Share, Preview, Choose, Show)
    bot.add_dynamic_items(Keep, Which, TakeOut)
