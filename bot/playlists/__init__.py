"""Members' own lists of songs: `/playlist`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.playlists.commands import Into, Leaf, PlaylistCommands

if TYPE_CHECKING:
    from bot.app import Bot


async def setup(bot: Bot) -> None:
    """Bring the area into the bot."""
    await bot.add_cog(PlaylistCommands(bot))
    bot.add_dynamic_items(Leaf, Into)
