"""`/page`: a link that signs one member in to the page, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands, ui
from discord.ext import commands

from bot.cards import layouts
from musrec.members.model import Role

if TYPE_CHECKING:
    from bot.app import Bot

Context = discord.Interaction["Bot"]


class PageCommands(commands.Cog):
    """The way to the page."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot

    @app_commands.command()
    async def page(self, interaction: Context) -> None:
        """Open your own page: your playlists, taste and history, in the browser."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        bot, who = self._bot, interaction.user
        # Whoever owns the application has its token, and with it this machine's say.
        role = Role.OWNER if await bot.is_owner(who) else Role.MEMBER
        secret = await bot.service.visits.link(str(who.id), role, name=who.display_name)
        web = bot.settings.web
        button = ui.Button[ui.LayoutView](
            label="Open my page", url=f"{web.address()}/enter/{secret}"
        )
        hint = "" if web.base_url else "It opens on the machine that I run on, and nowhere else."
        said = "Your page. This link signs you in once, within 15 minutes: keep it to yourself."
        await interaction.edit_original_response(view=layouts.notice(said, button, hint=hint))
