"""Messages that feature a song, and the reactions counted under them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from musrec.members.model import Card
from musrec.model import Feedback, FeedbackKind
from musrec.service.live import Live
from musrec.store import Store

ANSWERS_KEPT = timedelta(days=30)
CARDS_KEPT = timedelta(days=90)


class Cards:
    """The cards that members may react to."""

    def __init__(self, store: Store, live: Live) -> None:
        self._store = store
        self._live = live

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
        """Take a reaction under a card as a thumb on its song, or take it back with its reaction.

        The thumb and that it was counted are one transaction; a process that dies after it finds
        the thumb in the store when it starts again.
        """
        event = Feedback(member, card.track, kind, datetime.now(UTC))
        learnt, forgotten = await self._store.cards.reacted(card.message, event, there=there)
        await self._live.change_opinions(learnt, forgotten)

    async def sweep(self, now: datetime) -> None:
        """Forget answers and cards that are too old for their buttons."""
        await self._store.answers.sweep(now - ANSWERS_KEPT)
        await self._store.cards.sweep(now - CARDS_KEPT)
