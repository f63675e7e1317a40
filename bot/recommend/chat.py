"""Clips and links in chat: in direct messages, on mention, and in listening channels."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import discord
from discord.ext import commands

from bot import errors
from bot.admin.help import welcome
from bot.cards import layouts
from bot.recommend import answering, clips
from bot.recommend.answering import Question
from musrec.model import MusrecError

if TYPE_CHECKING:
    from bot.app import Bot

LONGEST_QUESTION = 200
"""Characters; a longer text without a link is talk, not a title."""


class Chat(commands.Cog):
    """Answers messages, where members want that."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        """Answer a clip, a link or, if the bot is addressed, a title."""
        if message.author.bot or message.webhook_id is not None or self._bot.user is None:
            return
        # A reply to the bot mentions it too: with a clip or a link it is a question, with words
        # alone it is talk about a card.
        named = message.guild is None or self._bot.user.id in message.raw_mentions
        question = self._question(message, named=named)
        if question is None and not named:
            return
        spoken_to = named or self._bot.user in message.mentions
        if not spoken_to and not await self._listens_in(message):
            return
        try:
            await self._bot.admit(message.author, message.guild)
            if question is None:
                await message.reply(view=welcome())
                return
            guild = message.guild.id if message.guild else None
            self._bot.turns.take(message.author.id, guild, message.created_at)
        except MusrecError as error:
            if spoken_to:
                await self._say(message, error)
            return
        except discord.HTTPException as error:
            errors.explain(error)
            return
        await answering.answer(self._bot, answering.slate_under(message), question)

    def _question(self, message: discord.Message, *, named: bool) -> Question | None:
        member = message.author.id
        asked_about = [message]
        # "@bot" in reply to a clip means that clip.
        replied = message.reference and message.reference.resolved
        if named and isinstance(replied, discord.Message):
            asked_about.append(replied)
        for candidate in asked_about:
            if clip := clips.clip_in(candidate):
                return Question(member, clip=clip)
            if link := clips.link_in(candidate):
                return Question(member, text=link)
        text = re.sub(r"<[@#][^>]*>", "", message.content).strip()
        if named and 0 < len(text) <= LONGEST_QUESTION:
            return Question(member, text=text)
        return None

    async def _listens_in(self, message: discord.Message) -> bool:
        if message.guild is None:
            return False
        settings = await self._bot.service.servers.get(str(message.guild.id))
        channels = {str(message.channel.id), str(getattr(message.channel, "parent_id", None))}
        return bool(channels & settings.channels)

    async def _say(self, message: discord.Message, error: MusrecError) -> None:
        trouble = errors.foreseen(error)
        try:
            await message.reply(view=layouts.trouble(trouble.sentence, trouble.hint))
        except discord.HTTPException as gone:
            errors.explain(gone)
