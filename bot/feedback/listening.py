"""`/listening`: learn from a member's Spotify status, only with their consent."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands

from bot import policy
from bot.cards import layouts
from musrec.members.model import Playing
from musrec.model import MusrecError, Track, track_id

if TYPE_CHECKING:
    from bot.app import Bot

Context = discord.Interaction["Bot"]
log = logging.getLogger(__name__)

CANNOT = (
    "I cannot see what you play yet: whoever runs me must switch on the presence intent first. "
    "I remember your choice."
)


class ListeningCommands(
    commands.GroupCog, group_name="listening", group_extras=policy.FOR_EVERYBODY
):
    """Learn from what you play on Spotify, if you want that."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot

    @app_commands.command()
    async def on(self, interaction: Context) -> None:
        """Let me learn from what your Spotify status shows."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        await self._bot.service.members.choose(str(interaction.user.id), listening=True)
        hint = "I see only what your Discord status shows. `/listening off` stops it."
        said = "🎧 Listening is on: I learn from what you play, finish, skip and repeat."
        if not self._bot.intents.presences:
            said, hint = f"🎧 Noted. {CANNOT}", ""
        await interaction.edit_original_response(view=layouts.notice(said, hint=hint))

    @app_commands.command()
    async def off(self, interaction: Context) -> None:
        """Stop learning from what you play."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        member = str(interaction.user.id)
        if await self._bot.service.members.get(member) is not None:
            await self._bot.service.members.choose(member, listening=False)
        await interaction.edit_original_response(
            view=layouts.notice(
                "🔇 Listening is off.",
                hint="`/privacy delete` deletes what I learned, and all else I keep about you.",
            )
        )

    @app_commands.command()
    async def status(self, interaction: Context) -> None:
        """See whether I learn from what you play."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        chosen = await self._bot.service.members.get(str(interaction.user.id))
        on = chosen is not None and chosen.listening
        said = "🎧 Listening is **on**." if on else "🔇 Listening is **off**."
        if chosen is not None and chosen.paused:
            said += " You paused learning, so I keep nothing."
        hint = "" if self._bot.intents.presences else CANNOT
        await interaction.edit_original_response(view=layouts.notice(said, hint=hint))

    @commands.Cog.listener()
    async def on_raw_presence_update(self, event: discord.RawPresenceUpdateEvent) -> None:
        """Learn from what a member who agreed plays; other members' status is dropped unread."""
        member = str(event.user_id)
        if (since := (await self._bot.service.members.listeners()).get(member)) is None:
            return
        now = datetime.now(UTC)
        for track, kind in self._bot.service.members.listens(
            member, _playing(event.activities), now
        ):
            try:
                (kept,) = await self._bot.service.songs.keep((track,))
                await self._bot.service.members.learn(member, kept.id, kind, at=now, since=since)
            except MusrecError:
                log.exception("listening not kept")


def _playing(activities: tuple[discord.activity.ActivityTypes, ...]) -> Playing | None:
    song = next((one for one in activities if isinstance(one, discord.Spotify)), None)
    if song is None or not song.track_id:
        return None
    track = Track(
        id=track_id("spotify", song.track_id),
        title=song.title,
        artists=tuple(song.artists),
        album=song.album or None,
        duration=song.duration.total_seconds(),
        identities={"spotify": song.track_id},
        links={"spotify": f"https://open.spotify.com/track/{song.track_id}"},
        provenance={"title": "discord"},
    )
    return Playing(track, song.start, song.duration)
