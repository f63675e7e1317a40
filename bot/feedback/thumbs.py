"""Thumbs: a button or a reaction under a card, given and taken back, none lost and none doubled.

Reactions that came while the bot was away are read back when it returns. The store remembers which
reactions are accounted for, so what differs from them is what happened meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import discord
from discord import ui
from discord.ext import commands

from bot import errors
from bot.cards import layouts, words
from bot.press import Press
from musrec.members.model import Card
from musrec.model import FeedbackKind

if TYPE_CHECKING:
    from bot.app import Bot

log = logging.getLogger(__name__)

EMOJI = {FeedbackKind.LIKE: "👍", FeedbackKind.DISLIKE: "👎"}
_KIND = {emoji: kind for kind, emoji in EMOJI.items()}
# Skin tones and the sign that asks for the coloured form do not change what a thumb says.
_SHADES = dict.fromkeys([*range(0x1F3FB, 0x1F400), 0xFE0F])

READ_BACK_DAYS = 14
READ_BACK_CARDS = 500
"""At most, newest first: a request a card, within Discord's own limits."""


def kind_of(emoji: str) -> FeedbackKind | None:
    """Return what a reaction says of a song; None for any other emoji."""
    return _KIND.get(emoji.translate(_SHADES))


async def offer_reactions(message: discord.Message) -> None:
    """Put both thumbs under a card, where the bot may."""
    try:
        for emoji in EMOJI.values():
            await message.add_reaction(emoji)
    except discord.HTTPException as error:
        log.info("no reactions here", extra={"code": error.code})


class Thumb(Press, template=r"(?P<kind>like|dislike):(?P<track>[^:]{1,40})"):
    """A thumb; pressed twice it is still one. As with reactions, everybody's counts."""

    for_everybody = True

    @classmethod
    def button(cls, kind: FeedbackKind, track: str) -> Thumb:
        """Return the button under a card."""
        return cls(ui.Button(emoji=EMOJI[kind], custom_id=f"{kind.value}:{track}"))

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        """Keep the thumb, and offer to take it back."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        service, member = interaction.client.service, str(interaction.user.id)
        kind, id_ = FeedbackKind(self.about["kind"]), self.about["track"]
        track = await service.songs.get(id_)
        news = await service.members.learn(member, id_, kind)
        if not news and await service.members.paused(member):
            view = layouts.notice(
                "You paused learning, so nothing was kept.",
                hint="`/privacy pause` switches it on again.",
            )
        else:
            said = "noted" if news else "was noted already"
            view = layouts.notice(
                f"{EMOJI[kind]} {words.title(track)} {said}.",
                TakeBack.button(kind, id_),
                hint="Your next answer knows it.",
            )
        await interaction.edit_original_response(view=view)


class TakeBack(Press, template=r"undo:(?P<kind>like|dislike):(?P<track>[^:]{1,40})"):
    """Takes a thumb back."""

    for_everybody = True

    @classmethod
    def button(cls, kind: FeedbackKind, track: str) -> TakeBack:
        """Return the button beside a thumb that was noted."""
        return cls(ui.Button(label="Take it back", custom_id=f"undo:{kind.value}:{track}"))

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        """Forget the thumb."""
        await interaction.response.defer()
        kind = FeedbackKind(self.about["kind"])
        member = str(interaction.user.id)
        gone = await interaction.client.service.members.forget(member, self.about["track"], kind)
        said = "is taken back." if gone else "was not there any more."
        await interaction.edit_original_response(view=layouts.notice(f"{EMOJI[kind]} {said}"))


PRESSES = (Thumb, TakeBack)


class Reactions(commands.Cog):
    """Thumbs as reactions."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        # One member's reactions are taken in their order; different members side by side.
        self._order = [asyncio.Lock() for _ in range(64)]
        self._reading: asyncio.Task[None] | None = None

    async def cog_unload(self) -> None:
        """Stop reading back."""
        await self._bot.end(self._reading)

    @commands.Cog.listener()
    async def on_raw_reaction_add(self, event: discord.RawReactionActionEvent) -> None:
        """Take a reaction as a thumb."""
        if event.message_author_id not in (None, self._me) or (event.member and event.member.bot):
            return
        await self._reacted(event, there=True)

    @commands.Cog.listener()
    async def on_raw_reaction_remove(self, event: discord.RawReactionActionEvent) -> None:
        """Take a thumb back with its reaction."""
        await self._reacted(event, there=False)

    async def _reacted(self, event: discord.RawReactionActionEvent, *, there: bool) -> None:
        kind = kind_of(str(event.emoji))
        if kind is None or event.user_id == self._me:
            return
        with self._bot.working():
            await self._account(event, kind, there=there)

    async def _account(
        self, event: discord.RawReactionActionEvent, kind: FeedbackKind, *, there: bool
    ) -> None:
        async with self._order[event.user_id % len(self._order)]:
            card = await self._bot.service.cards.get(str(event.message_id))
            if card is not None:
                await self._take(card, str(event.user_id), kind, there=there)

    @property
    def _me(self) -> int:
        return self._bot.user.id if self._bot.user else 0

    async def _take(self, card: Card, member: str, kind: FeedbackKind, *, there: bool) -> None:
        """Learn or forget one reaction, and account for it."""
        await self._bot.service.cards.reacted(card, member, kind, there=there)

    @commands.Cog.listener()
    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        """Forget a card with its message; the thumbs it brought stay."""
        await self._bot.service.cards.remove(str(event.message_id))

    # While the bot was away ---------------------------------------------------------------------

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """Read back what happened while there was no session to hear of it."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self.read_back())

    async def read_back(self) -> None:
        """Compare the reactions under recent cards with those accounted for."""
        since = datetime.now(UTC) - timedelta(days=READ_BACK_DAYS)
        cards = await self._bot.service.cards.newest(since, READ_BACK_CARDS)
        found, closed = 0, set[str]()
        for card in cards:
            if card.channel in closed:
                continue
            try:
                found += await self._read_back(card)
            except discord.NotFound as error:
                if error.code == errors.UNKNOWN_MESSAGE:
                    await self._bot.service.cards.remove(card.message)
                else:
                    closed.add(card.channel)
            except discord.HTTPException:
                closed.add(card.channel)
        log.info("read back", extra={"cards": len(cards), "thumbs": found})

    async def _read_back(self, card: Card) -> int:
        # What is known is read first: a thumb that comes live in between is then taken twice, which
        # is harmless, and never forgotten.
        known = await self._bot.service.cards.thumbs(card.message)
        channel = self._bot.get_partial_messageable(int(card.channel))
        message = await channel.fetch_message(int(card.message))
        there: set[tuple[str, FeedbackKind]] = set()
        offered: set[FeedbackKind] = set()
        for reaction in message.reactions:
            kind = kind_of(str(reaction.emoji))
            if kind is None:
                continue
            if reaction.me:
                offered.add(kind)
            if reaction.count > int(reaction.me):
                there |= {(str(user.id), kind) async for user in reaction.users() if not user.bot}
        # Where even the bot's own thumb is gone, a moderator cleared them: nobody took theirs back.
        taken = {(member, kind) for member, kind in known - there if kind in offered}
        for member, kind in sorted(taken):
            await self._in_order(card, member, kind, there=False)
        for member, kind in sorted(there - known):
            await self._in_order(card, member, kind, there=True)
        return len(taken) + len(there - known)

    async def _in_order(self, card: Card, member: str, kind: FeedbackKind, *, there: bool) -> None:
        async with self._order[int(member) % len(self._order)]:
            await self._take(card, member, kind, there=there)
