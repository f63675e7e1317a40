"""Messages that feature a song, and the reactions counted under them."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta

from musrec.members.model import Card
from musrec.model import FeedbackKind, NotFound
from musrec.service.members import Members
from musrec.store import Store

ANSWERS_KEPT = timedelta(days=30)
CARDS_KEPT = timedelta(days=90)


class Cards:
    """The cards that members may react to."""

    def __init__(self, store: Store, members: Members) -> None:
        self._store = store
        self._members = members

    async def keep(self, card: Card) -> None:
        """Remember which track a message features."""
        await self._store.cards.keep(card)

    async def get(self, message: str) -> Card | None:
        """Return the card that a message shows; None if it shows none."""
        return await self._store.cards.get(message)

    async def newest(self, since: datetime, limit: int) -> list[Card]:
        """Return at most so many cards made since then, newest first."""
        return await self._store.cards.newest(since, limit)

    async def remove(self, message: str) -> None:
        """Forget a card whose message is gone."""
        await self._store.cards.remove(message)

    async def thumbs(self, message: str) -> set[tuple[str, FeedbackKind]]:
        """Return the reactions under a card that are accounted for, as member and kind."""
        return await self._store.cards.thumbs(message)

    async def react(self, card: Card, member: str, kind: FeedbackKind, *, there: bool) -> None:
        """Learn or forget a reaction under a card, and count it as accounted for.

        In that order: a reaction that a crash leaves unaccounted for is read back. A member's
        reactions must be taken one after another.
        """
        if there:
            news = False
            with contextlib.suppress(NotFound):
                news = await self._members.learn(member, card.track, kind)
            if news or not await self._members.paused(member):
                await self._store.cards.account_thumb(card.message, member, kind, there=True)
            return
        await self._members.forget(member, card.track, kind)
        await self._store.cards.account_thumb(card.message, member, kind, there=False)
        # A member who takes one of two thumbs away still shows the other.
        for other, left in await self.thumbs(card.message):
            if other == member:
                await self._members.learn(member, card.track, left)

    async def sweep(self, now: datetime) -> None:
        """Forget answers and cards that are too old for their buttons."""
        await self._store.answers.sweep(now - ANSWERS_KEPT)
        await self._store.cards.sweep(now - CARDS_KEPT)
