"""Messages that feature a song, and the reactions counted under them."""

from __future__ import annotations

from datetime import datetime, timedelta

from musrec.members.model import Card
from musrec.model import FeedbackKind
from musrec.store import Store

ANSWERS_KEPT = timedelta(days=30)
CARDS_KEPT = timedelta(days=90)


class Cards:
    """Every card that may be reacted to."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def keep(self, card: Card) -> None:
        """Remember which track a message features."""
        await self._store.cards.keep(card)

    async def get(self, message: str) -> Card | None:
        """Return the card that a message is."""
        return await self._store.cards.get(message)

    async def newest(self, since: datetime, limit: int) -> list[Card]:
        """Return the newest cards since then, newest first."""
        return await self._store.cards.newest(since, limit)

    async def remove(self, message: str) -> None:
        """Forget a card whose message is gone."""
        await self._store.cards.remove(message)

    async def thumbs(self, message: str) -> set[tuple[str, FeedbackKind]]:
        """Return the reactions under a card that are accounted for, as member and kind."""
        return await self._store.cards.thumbs(message)

    async def account_thumb(
        self, message: str, member: str, kind: FeedbackKind, *, there: bool
    ) -> None:
        """Remember that a reaction under a card is there, or no longer is."""
        await self._store.cards.account_thumb(message, member, kind, there=there)

    async def sweep(self, now: datetime) -> None:
        """Forget answers and cards that are too old to be asked about."""
        await self._store.answers.sweep(now - ANSWERS_KEPT)
        await self._store.cards.sweep(now - CARDS_KEPT)
