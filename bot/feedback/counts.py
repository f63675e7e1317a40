"""How many members pressed or reacted under a card, shown on its thumb buttons."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import discord
from discord import ui
from discord.ext import commands

from bot import errors
from bot.feedback.thumbs import kind_in, label
from musrec.members.model import Card
from musrec.model import FeedbackKind

if TYPE_CHECKING:
    from bot.app import Bot

log = logging.getLogger(__name__)

EVERY = 3.0
"""Seconds between two edits of a card: thumbs that come meanwhile are shown by one edit."""

MOST_DUE = 500
"""Cards that wait to be edited; beyond, the longest due is left until its next thumb."""

SIDE_BY_SIDE = 4
"""Cards edited at the same time: one that fails slowly holds up no other."""


class Counts(commands.Cog):
    """Keeps the counts on the thumb buttons up to date, with few edits."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._due: dict[str, Card] = {}
        self._editing: asyncio.Task[None] | None = None

    async def cog_unload(self) -> None:
        """Stop editing."""
        await self._bot.end(self._editing)

    @commands.Cog.listener()
    async def on_recount(self, cards: Sequence[Card]) -> None:
        """Edit some cards soon."""
        self._due |= {card.message: card for card in cards}
        while len(self._due) > MOST_DUE:
            del self._due[next(iter(self._due))]
        idle = self._editing is None or self._editing.done()
        if self._due and idle and not self._bot.stopping:
            self._editing = asyncio.create_task(self._edit_due())

    async def _edit_due(self) -> None:
        """Edit every due card, and those that become due meanwhile a while later."""
        room = asyncio.Semaphore(SIDE_BY_SIDE)

        async def edit(card: Card) -> None:
            async with room:
                await self._edit(card)

        while self._due:
            await asyncio.sleep(EVERY)
            due, self._due = self._due, {}
            await asyncio.gather(*map(edit, due.values()))

    async def _edit(self, card: Card) -> None:
        """Show the counts of one card; one that cannot be edited is left until its next thumb."""
        channel = self._bot.get_partial_messageable(int(card.channel))
        try:
            async with self._bot.writing(card):
                message = await channel.fetch_message(int(card.message))
                counts = await self._bot.service.cards.thumbs(card.message)
                if view := _with_counts(message, counts):
                    _refer_to_attachments(view, message.attachments)
                    await message.edit(view=view, attachments=message.attachments)
        except (discord.NotFound, discord.Forbidden) as error:
            if error.code == errors.UNKNOWN_MESSAGE:
                await self._bot.service.cards.remove(card.message)
        except Exception as error:  # noqa: BLE001 - one card must not keep the others
            log.warning("counts not shown", extra={"card": card.message, "error": repr(error)})


def _with_counts(
    message: discord.Message, counts: Mapping[FeedbackKind, int]
) -> ui.LayoutView | None:
    """Return a card with these counts on its buttons; None if it shows them already."""
    view, changed = ui.LayoutView.from_message(message), False
    if not isinstance(view, ui.LayoutView):
        return None
    for item in view.walk_children():
        if isinstance(item, ui.Button) and (kind := kind_in(item.custom_id or "")):
            wanted = label(counts.get(kind, 0))
            changed = changed or item.label != wanted
            item.label = wanted
    view.stop()  # else discord.py would keep it for its buttons, which `Press` answers
    return view if changed else None


def _refer_to_attachments(view: ui.LayoutView, attachments: Sequence[discord.Attachment]) -> None:
    """Name attachments that a card shows: the addresses that Discord gives them expire."""
    names = {attachment.id: attachment.filename for attachment in attachments}
    for gallery in view.walk_children():
        if not isinstance(gallery, ui.MediaGallery):
            continue
        for item in gallery.items:
            if name := names.get(item.media.attachment_id or 0):
                item.media = discord.UnfurledMediaItem(f"attachment://{name}")
