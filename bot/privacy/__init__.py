"""What is kept about a member, and how they export or delete it: `/privacy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.privacy.commands import Erase, PrivacyCommands

if TYPE_CHECKING:
    from bot.app import Bot


async def setup(bot: Bot) -> None:
    """Bring the area into the bot."""
    await bot.add_cog(PrivacyCommands(bot))
    bot.add_dynamic_items(Erase)
