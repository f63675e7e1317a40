"""`/history`: a member's thumbs and listening, the newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands

from bot.cards import layouts, words
from musrec.model import FeedbackKind

if TYPE_CHECKING:
    from bot.app import Bot

Context = discord.Interaction["Bot"]
SHOWN = 15

SIGNS = {
    FeedbackKind.LIKE: "👍",
    FeedbackKind.DISLIKE: "👎",
    FeedbackKind.PLAY: "🎵 played",
    FeedbackKind.FINISH: "✅ finished",
    FeedbackKind.SKIP: "⏭️ skipped",
    FeedbackKind.REPEAT: "🔁 repeated",
    FeedbackKind.PREVIEW: "▶️ previewed",
    FeedbackKind.NEXT: "➡️ passed over",
    FeedbackKind.MORE: "✨ wanted more like",
}


class Taste(commands.Cog):
    """What a member did."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot

    @app_commands.command()
    async def history(self, interaction: Context) -> None:
        """What you liked, disliked and listened to lately."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        store = self._bot.service.store
        events = (await store.feedback(str(interaction.user.id)))[::-1]
        if not events:
            await interaction.edit_original_response(
                view=layouts.notice(
                    "Nothing yet.", hint="Ask with `/recommend`, then press 👍 or 👎 under a card."
                )
            )
            return
        shown = events[:SHOWN]
        tracks = await store.tracks({event.track for event in shown})
        style = "reader"
        if interaction.guild_id is not None:
            style = (await store.guild(str(interaction.guild_id))).dates
        lines = [
            f"{SIGNS[event.kind]} {words.song(tracks[event.track])} · {words.date(event.at, style)}"
            for event in shown
        ]
        more = len(events) - len(shown)
        blocks: list[layouts.Control] = [layouts.text("### Lately\n" + "\n".join(lines))]
        if more:
            blocks.append(layouts.text(f"-# and {more:,} earlier; `/privacy export` has them all"))
        await interaction.edit_original_response(view=layouts.page(*blocks))
