"""`/privacy show|export|delete|pause`, over the areas of `musrec.members.privacy`."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import discord
from discord import app_commands, ui
from discord.ext import commands

from bot import policy
from bot.cards import layouts
from bot.press import Press
from musrec.members.model import Deleted

if TYPE_CHECKING:
    from bot.app import Bot

Context = discord.Interaction["Bot"]
EXPORT = "my-music.zip"


class Erase(Press, template=r"erase:(?P<member>\d+)"):
    """Deletes everything about the member who presses it."""

    for_everybody = True

    @classmethod
    def button(cls, member: int) -> Erase:
        """Return the button that confirms."""
        return cls(
            ui.Button(
                label="Delete everything",
                style=discord.ButtonStyle.danger,
                custom_id=f"erase:{member}",
            )
        )

    async def press(self, interaction: Context) -> None:
        """Delete it."""
        if interaction.user.id != int(self.about["member"]):
            raise policy.NotAllowed("That button belongs to another member.")
        await interaction.response.defer()
        bot, member = interaction.client, str(interaction.user.id)
        touched = await bot.service.cards.touched(member)
        deleted = await bot.service.members.delete(member)
        bot.dispatch("recount", touched)
        await interaction.edit_original_response(view=layouts.notice(f"🗑️ {_DELETED[deleted]}"))


_DELETED = {
    Deleted.NOTHING: "There was nothing to delete.",
    Deleted.ALMOST: "Everything about you is deleted; the last traces leave the disk in a moment.",
    Deleted.WHOLLY: "Everything about you is deleted.",
}


class PrivacyCommands(commands.GroupCog, group_name="privacy", group_extras=policy.FOR_EVERYBODY):
    """See, export or delete what I keep about you."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot

    @app_commands.command()
    async def show(self, interaction: Context) -> None:
        """See what I keep about you."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        members = self._bot.service.members
        kept = await members.about(str(interaction.user.id))
        lines = [
            f"**{area.name.capitalize()}** · {len(kept[area.name]):,}\n"
            f"-# {area.what} Kept {area.until}."
            for area in members.areas
            if kept[area.name]
        ]
        if empty := ", ".join(area.name for area in members.areas if not kept[area.name]):
            lines.append(f"-# Nothing yet under: {empty}.")
        await interaction.edit_original_response(
            view=layouts.page(
                layouts.text("### What I keep about you\n" + "\n".join(lines)),
                layouts.text(
                    "I keep no audio, no messages and no links to files. Of a clip I keep how it "
                    "sounds, its title and its artists, not who sent it.\n`/privacy export` gives "
                    "you all of this, `/privacy delete` deletes it, `/privacy pause` stops it."
                ),
            )
        )

    @app_commands.command()
    async def export(self, interaction: Context) -> None:
        """Get everything I keep about you, as one file."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        who = interaction.user
        body = await self._bot.service.members.export(str(who.id), who.display_name)
        view = layouts.page(
            layouts.text("Everything I keep about you, as data and as pictures:"),
            ui.File(f"attachment://{EXPORT}"),
        )
        file = discord.File(io.BytesIO(body), EXPORT)
        await interaction.edit_original_response(view=view, attachments=[file])

    @app_commands.command()
    async def delete(self, interaction: Context) -> None:
        """Delete everything I keep about you."""
        view = layouts.notice(
            "**Delete everything I keep about you?** Thumbs, listening, history: all of it, for "
            "good.",
            Erase.button(interaction.user.id),
        )
        await interaction.response.send_message(view=view, ephemeral=True)

    @app_commands.command()
    async def taste(self, interaction: Context) -> None:
        """Don't show my taste to others, or let them ask again."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        member = str(interaction.user.id)
        hidden = not await self._bot.service.members.hidden(member)
        await self._bot.service.members.choose(member, hidden=hidden)
        said = (
            "🔒 Your taste stays yours: no member can ask to see it. Use `/privacy taste` again "
            "to let them."
            if hidden
            else "🔓 Other members can ask to see your taste. You decide each time."
        )
        await interaction.edit_original_response(view=layouts.notice(said))

    @app_commands.command()
    async def pause(self, interaction: Context) -> None:
        """Stop learning from you, or start again."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        member = str(interaction.user.id)
        paused = not await self._bot.service.members.paused(member)
        await self._bot.service.members.choose(member, paused=paused)
        said = (
            "⏸️ Paused: I keep nothing new about you. Use `/privacy pause` again to go on."
            if paused
            else "▶️ Learning again."
        )
        await interaction.edit_original_response(view=layouts.notice(said))
