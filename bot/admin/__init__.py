"""For those who run the bot or manage a server: `/setup`, `/status`; and `/help` for everyone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.admin.commands import AdminCommands, Channels, Dates, Roles

if TYPE_CHECKING:
    from bot.app import Bot


async def setup(bot: Bot) -> None:
    """Bring the area into the bot."""
    await bot.add_cog(AdminCommands(bot))
    bot.add_dynamic_items(Channels, Roles, Dates)
