"""Thumbs as reactions: each counts once, whenever it was given, under every card.

What was missed is read back: while the bot was away, while the store refused, while a card was
being posted. The store remembers which reactions are accounted for, when each card was last read,
and which cards may stand in a channel without being noted: a process died while it posted them.
A process reads the cards of its own servers; that of shard 0, those in direct messages too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import discord
from discord.ext import commands, tasks

from bot import errors
from bot.feedback.thumbs import featured_in, kind_of, offer_reactions, recount
from musrec.members.model import Card, Intended, Thumb
from musrec.model import FeedbackKind

if TYPE_CHECKING:
    from bot.app import Bot

log = logging.getLogger(__name__)

READ_BACK_DAYS = 14
READ_BACK_CARDS = 500
"""At most in one pass, one request or more per card; the next pass goes on with the others."""

SIDE_BY_SIDE = 4
"""Channels read at the same time: one that fails slowly holds up no other."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
"""Seconds before what failed is read again; they double from one failure to the next."""

LONGEST_POST = timedelta(minutes=20)
"""Longer than any answer takes: Discord lets it be written for 15 minutes."""

LOOKED_THROUGH = 1000
"""Messages of a channel searched for a card that may have been posted."""

_PASSING = (0, 40333)
"""Codes of refusals that are not Discord's own: something on the way, which may pass."""

EARLY = 1000
"""Messages remembered that were reacted to before they were a card."""


class Reactions(commands.Cog):
    """Takes reactions under cards as thumbs, and reads back those that were missed."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        # A member's reactions are taken in order; those of different members, side by side.
        self._order = [asyncio.Lock() for _ in range(64)]
        self._early: dict[str, None] = {}
        self._began = self._missed = datetime.now(UTC)
        self._again = False
        self._reading: asyncio.Task[None] | None = None
        # Cards being read back, each with the members who have changed their reactions since.
        self._reads: list[tuple[str, set[str]]] = []

    async def cog_load(self) -> None:
        """Read back every hour."""
        self._hourly.start()

    async def cog_unload(self) -> None:
        """Stop reading back."""
        await self._bot.end(self._hourly.get_task())
        await self._bot.end(self._reading)

    @property
    def _me(self) -> int:
        return self._bot.user.id if self._bot.user else 0

    def _turn(self, member: int) -> asyncio.Lock:
        return self._order[member % len(self._order)]

    # As they happen -----------------------------------------------------------------------------

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
        at = datetime.now(UTC)
        for message, changing in self._reads:
            if message == str(event.message_id):
                changing.add(str(event.user_id))
        with self._bot.working():
            async with self._turn(event.user_id):
                try:
                    card = await self._bot.service.cards.get(str(event.message_id))
                    if card is None and there:
                        card = await self._unknown(event)
                    if card is not None:
                        member = str(event.user_id)
                        await self._bot.service.cards.react(card, member, kind, there=there, at=at)
                        await recount(self._bot, member, card.track, card)
                except Exception:
                    self.look_back()
                    raise

    async def _unknown(self, event: discord.RawReactionActionEvent) -> Card | None:
        """Return the card that a message not noted as one turns out to be.

        It is being posted, its process died, or the store is older than it: a backup. If it is no
        card yet, its reactions are read once it is.
        """
        message = str(event.message_id)
        known = message in self._early
        self._early[message] = None
        while len(self._early) > EARLY:
            del self._early[next(iter(self._early))]
        if known or event.message_author_id != self._me:
            return None
        channel = self._bot.get_partial_messageable(event.channel_id)
        try:
            message_there = await channel.fetch_message(event.message_id)
            return await self._note(message_there, event.guild_id)
        except Exception as error:
            if _is_final(error):
                return None
            before, at = event.message_id - 1, discord.utils.snowflake_time(event.message_id)
            guild = str(event.guild_id) if event.guild_id else None
            cards = self._bot.service.cards
            await cards.intend(str(event.channel_id), str(before), at, guild=guild)
            raise

    async def _note(self, message: discord.Message, guild: int | str | None) -> Card | None:
        """Note a message as the card that it shows; None if it shows none."""
        track = featured_in(message)
        if track is None or message.author.id != self._me:
            return None
        where = str(message.channel.id)
        server = str(guild) if guild else None
        card = Card(str(message.id), where, track, message.created_at, guild=server)
        if not await self._bot.service.cards.keep(card):
            return None
        self._bot.dispatch("card", card)
        return card

    @commands.Cog.listener()
    async def on_card(self, card: Card) -> None:
        """Read the reactions that a message got before it was noted as a card."""
        if card.message in self._early:
            del self._early[card.message]
            if not await self._read_channel([card]):
                self.look_back()

    @commands.Cog.listener()
    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        """Forget a card with its message; thumbs given under it stay."""
        await self._bot.service.cards.remove(str(event.message_id))

    # What was missed ----------------------------------------------------------------------------

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """Read back what happened while there was no session."""
        self.look_back()

    @commands.Cog.listener()
    async def on_resumed(self) -> None:
        """Read back what Discord may not have replayed."""
        self.look_back()

    @tasks.loop(hours=1)
    async def _hourly(self) -> None:
        """Read back what was lost without a trace."""
        await self._bot.wait_until_ready()
        self.look_back()

    def look_back(self) -> None:
        """Let every card be read, now or after what is being read: reactions may be missing."""
        self._missed = datetime.now(UTC)
        self._again = True
        if not self._bot.stopping and (self._reading is None or self._reading.done()):
            self._reading = asyncio.create_task(self._keep_reading())

    async def _keep_reading(self) -> None:
        """Read until nothing failed, and nothing was missed meanwhile."""
        pause = FIRST_PAUSE
        while self._again:
            self._again = False
            try:
                well = await self._read_back()
            except Exception:
                log.exception("reading back failed")
                well = False
            if not well:
                self._again = True
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    async def _read_back(self) -> bool:
        """Find cards that were not noted, and read those not read since something was missed.

        Returns
        -------
        bool
            False if something failed that may work later; the rest is done.
        """
        since, now = self._missed, datetime.now(UTC)
        found = await self._find_cards(now)
        oldest = now - timedelta(days=READ_BACK_DAYS)
        cards = await self._bot.service.cards.unread(
            since, now, oldest, READ_BACK_CARDS, self._bot.own_shards
        )
        channels: dict[str, list[Card]] = {}
        for card in cards:
            channels.setdefault(card.channel, []).append(card)
        room = asyncio.Semaphore(SIDE_BY_SIDE)

        async def read(some: list[Card]) -> bool:
            async with room:
                return await self._read_channel(some)

        well = [found, *await asyncio.gather(*map(read, channels.values()))]
        log.info("read back", extra={"cards": len(cards), "well": all(well)})
        return all(well)

    async def _read_channel(self, cards: Sequence[Card]) -> bool:
        """Read cards of one channel, each by itself; False if one is to be read again."""
        well, now = True, datetime.now(UTC)
        for position, card in enumerate(cards):
            try:
                done = await self._read(card)
            except Exception as error:  # noqa: BLE001 - one card must not keep the others
                if isinstance(error, discord.NotFound) and error.code == errors.UNKNOWN_MESSAGE:
                    await self._bot.service.cards.remove(card.message)
                    continue
                if _is_final(error):
                    # The bot may not read that channel, or it is gone: known until next time.
                    left = [card.message for card in cards[position:]]
                    await self._bot.service.cards.was_read(left, now)
                    break
                log.warning("card not read", extra={"card": card.message, "error": repr(error)})
                done = False
            if done:
                await self._bot.service.cards.was_read([card.message], now)
            well = well and done
        return well

    async def _read(self, card: Card) -> bool:
        """Account for the reactions under a card; False if some changed meanwhile."""
        changing: set[str] = set()
        read = card.message, changing
        self._reads.append(read)
        try:
            known = await self._bot.service.cards.accounted(card.message)
            channel = self._bot.get_partial_messageable(int(card.channel))
            message = await channel.fetch_message(int(card.message))
            there, offered = await _reactions(message)
            # If even the bot's own thumb is gone, a moderator cleared them: no member took theirs
            # back.
            taken = {thumb for thumb in known.counted - there if thumb[1] in offered}
            missed: dict[str, list[tuple[FeedbackKind, bool]]] = {}
            for thumbs, is_there in ((taken, False), (known.news(there), True)):
                for member, kind in sorted(thumbs):
                    missed.setdefault(member, []).append((kind, is_there))

            async def account(member: str, thumbs: list[tuple[FeedbackKind, bool]]) -> bool:
                async with self._turn(int(member)):
                    # What has happened since is newer than what was read.
                    if member in changing:
                        return False
                    for kind, is_there in thumbs:
                        cards = self._bot.service.cards
                        await cards.react(card, member, kind, there=is_there, read=True)
                    await recount(self._bot, member, card.track, card)
                    return True

            return all(await asyncio.gather(*(account(*one) for one in missed.items())))
        finally:
            self._reads = [other for other in self._reads if other is not read]

    async def _find_cards(self, now: datetime) -> bool:
        """Note the cards that processes died over; False if a channel is to be read again."""
        well = True
        for intended in await self._bot.service.cards.intended(self._bot.own_shards):
            fresh = now - LONGEST_POST <= intended.at <= now
            if fresh and intended.at >= self._began:
                continue  # it is being posted here and now
            try:
                await self._find_card(intended)
            except Exception as error:  # noqa: BLE001 - one channel must not keep the others
                # Where it may not read, no one can react that it would hear of.
                if not _is_final(error):
                    log.warning("cards not found", extra={"error": repr(error)})
                    well = False
                    continue
            if not fresh:  # else another process may still be posting it
                await self._bot.service.cards.settle(intended.id)
        return well

    async def _find_card(self, intended: Intended) -> None:
        """Do what posting a card entails for every card of a channel that is not noted."""
        channel = self._bot.get_partial_messageable(int(intended.channel))
        after = discord.Object(int(intended.after))
        async for message in channel.history(after=after, limit=LOOKED_THROUGH):
            if featured_in(message) is None or message.author.id != self._me:
                continue
            if await self._bot.service.cards.get(str(message.id)) is None:
                await self._note(message, intended.guild)
            if not any(reaction.me for reaction in message.reactions):
                await offer_reactions(message)


async def _reactions(message: discord.Message) -> tuple[set[Thumb], set[FeedbackKind]]:
    """Return the members' thumbs under a message, and the kinds that the bot offers there."""
    there: set[Thumb] = set()
    offered: set[FeedbackKind] = set()
    for reaction in message.reactions:
        kind = kind_of(str(reaction.emoji))
        if kind is None:
            continue
        if reaction.me:
            offered.add(kind)
        counts = (
            (discord.ReactionType.normal, reaction.normal_count - int(reaction.me)),
            (discord.ReactionType.burst, reaction.burst_count),
        )
        for type_, count in counts:
            if count > 0:
                users = reaction.users(type=type_)
                there |= {(str(user.id), kind) async for user in users if not user.bot}
    return there, offered


def _is_final(error: Exception) -> bool:
    """Whether Discord itself says that the bot may not read something, or that it is gone."""
    return isinstance(error, discord.NotFound | discord.Forbidden) and error.code not in _PASSING
