"""`/recommend`, `/search` and "Find similar"."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import discord
from discord import app_commands
from discord.ext import commands, tasks

from bot import completions, policy
from bot.cards import layouts, words
from bot.recommend import answering, clips
from bot.recommend.answering import Question, Wish
from musrec.catalogue.model import SongFilter
from musrec.model import FeedbackKind, NotFound, Track

if TYPE_CHECKING:
    from bot.app import Bot

Context = discord.Interaction["Bot"]
SHOWN = 10


class RecommendCommands(commands.Cog):
    """Questions asked by command."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._similar = app_commands.ContextMenu(
            name="Find similar", callback=self.find_similar, extras=policy.COSTLY
        )

    async def cog_load(self) -> None:
        """Add the message menu, which a cog does not add by itself, and start sweeping."""
        self._bot.tree.add_command(self._similar)
        self._sweep.start()

    async def cog_unload(self) -> None:
        """Take the message menu away with the rest."""
        self._bot.tree.remove_command(self._similar.name, type=self._similar.type)
        await self._bot.end(self._sweep.get_task())

    @tasks.loop(hours=24)
    async def _sweep(self) -> None:
        await self._bot.service.cards.sweep(datetime.now(UTC))

    @app_commands.command(extras=policy.COSTLY)
    @app_commands.describe(
        song="A link or a title; leave it out to start from what you like",
        clip="A file to listen to: music, a video or a voice message",
        count="How many songs",
        genre="Only this genre",
        instrument="Only songs with it, such as piano or female voice",
        voice="Only sung, or only instrumental songs",
        adventurous="0 stays close, 10 goes far",
        by="What to compare songs by; sound is everything",
        private="Only you see the answer",
    )
    @app_commands.autocomplete(
        song=completions.songs, genre=completions.genres, instrument=completions.instruments
    )
    async def recommend(
        self,
        interaction: Context,
        song: app_commands.Range[str, 1, 400] | None = None,
        clip: discord.Attachment | None = None,
        count: app_commands.Range[int, 1, answering.MOST_PICKS] | None = None,
        genre: app_commands.Range[str, 1, 40] | None = None,
        adventurous: app_commands.Range[int, 0, 10] | None = None,
        by: Literal["sound", "spectrogram", "features"] = "sound",
        private: bool = False,
        instrument: app_commands.Range[str, 1, 20] | None = None,
        voice: Literal["sung", "instrumental"] | None = None,
    ) -> None:
        """Find songs that sound like a song or a clip, and suit you."""
        await interaction.response.defer(thinking=True, ephemeral=private)
        wish = Wish.of(count, adventurous, genre, by, instrument, voice or "")
        question = Question(interaction.user.id, wish, clip=clip, text=song)
        slate = answering.slate_of(interaction, private=private)
        await answering.answer(self._bot, slate, question)

    async def find_similar(self, interaction: Context, message: discord.Message) -> None:
        """Answer the message menu on any message with a clip or a link."""
        await interaction.response.defer(thinking=True)
        clip, link = clips.clip_in(message), clips.link_in(message)
        if clip is None and link is None:
            card = await self._bot.service.cards.get(str(message.id))
            if card is None:
                raise NotFound(
                    "I see neither a clip nor a link in that message.",
                    "Try `/recommend` with a title.",
                )
            question = Question(interaction.user.id, track=card.track)
            await self._bot.service.members.learn(
                str(interaction.user.id), card.track, FeedbackKind.MORE
            )
        else:
            question = Question(interaction.user.id, clip=clip, text=link)
        slate = answering.slate_of(interaction, private=False)
        await answering.answer(self._bot, slate, question)

    @app_commands.command(extras=policy.COSTLY)
    @app_commands.describe(
        song="A title or a link",
        artist="Part of an artist's name",
        genre="Only this genre",
        mood="How it sounds, such as calm or happy",
        instrument="Only songs with it, such as piano or female voice",
        voice="Only sung, or only instrumental songs",
        key="Such as A\u00a0minor; A alone also finds A\u00a0major",
        slowest="At least this many BPM",
        fastest="At most this many BPM",
    )
    @app_commands.autocomplete(
        genre=completions.genres, mood=completions.moods, instrument=completions.instruments
    )
    async def search(
        self,
        interaction: Context,
        song: app_commands.Range[str, 1, 400] = "",
        artist: app_commands.Range[str, 1, 100] = "",
        genre: app_commands.Range[str, 1, 40] = "",
        mood: app_commands.Range[str, 1, 40] = "",
        key: app_commands.Range[str, 1, 20] = "",
        slowest: app_commands.Range[int, 30, 300] | None = None,
        fastest: app_commands.Range[int, 30, 300] | None = None,
        instrument: app_commands.Range[str, 1, 20] = "",
        voice: Literal["sung", "instrumental"] | None = None,
    ) -> None:
        """Find songs by their name or by how they sound."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        tempo = (slowest or 30.0, fastest or 300.0) if slowest or fastest else None
        wanted = SongFilter(song, artist, genre, mood, key, tempo, instrument, voice or "")
        tracks = await self._bot.service.catalogue.search(wanted, SHOWN, online=True)
        await interaction.edit_original_response(view=_found(tracks, interaction.user.id))


def _found(tracks: list[Track], member: int) -> discord.ui.LayoutView:
    lines = "\n".join(
        f"{position}. {words.song(track)}" for position, track in enumerate(tracks, start=1)
    )
    select = answering.Choose.offer(tracks, Question(member))
    return layouts.page(
        layouts.text(lines),
        layouts.text("-# Pick one for more songs like it."),
        layouts.row(select),
    )
