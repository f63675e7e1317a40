"""The page in the browser, for members: `/page`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.page.commands import PageCommands

if TYPE_CHECKING:
    from bot.app import Bot


async def setup(bot: Bot) -> None:
    """Bring the area into the bot, if the page is served: beside it, or by another process."""
    if bot.settings.web.enabled or bot.settings.web.base_url:
        await bot.add_cog(PageCommands(bot))
