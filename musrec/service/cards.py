"""Messages that feature a song, and the reactions counted under them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from musrec.members.model import Accounted, Card, Intended, Shards
from musrec.model import Feedback, FeedbackKind, NotFound, Track
from musrec.service.changes import KEPT
from musrec.service.live import Live, whole
from musrec.store import Store

ANSWERS_KEPT = timedelta(days=30)
CARDS_KEPT = timedelta(days=90)

RECOUNTED = 50
"""Cards of a member, the latest, whose counts follow what they think now."""


class Cards:
    """The cards that members may react to."""

    def __init__(self, store: Store, live: Live) -> None:
        self._store = store
        self._live = live

    async def intend(
        self,
        channel: str,
        after: str,
        at: datetime | None = None,
        *,
        guild: str | None = None,
    ) -> int:
        """Note that a card is about to be posted in a channel; return the id to `settle`.

        A card that is posted by a process that dies before `keep` is found by this note.

        Parameters
        ----------
        after : str
            A message of that channel, or any Discord id, older than the card will be.
        at : datetime, optional
            When it is posted, if that is not now.
        guild : str, optional
            The server of the channel.
        """
        return await self._store.cards.intend(channel, after, at or datetime.now(UTC), guild)

    async def intended(self, shards: Shards | None = None) -> list[Intended]:
        """Return the cards that are being posted, or may have been by a process that died."""
        return await self._store.cards.intended(shards)

    async def settle(self, intended: int) -> None:
        """Forget that a card was intended: all that posting it entails is done."""
        await self._store.cards.settle(intended)

    async def keep(self, card: Card, sharer: str = "") -> bool:
        """Remember which track a message features; return False if there is no such track.

        Parameters
        ----------
        sharer : str, optional
            The member who shares a card that they alone saw: the thumb that they gave its track
            counts under this one too.
        """
        return await self._store.cards.keep(card, sharer)

    async def get(self, message: str) -> Card | None:
        """Return the card that a message shows; None if it shows none."""
        return await self._store.cards.get(message)

    async def unread(
        self,
        since: datetime,
        now: datetime,
        oldest: datetime,
        limit: int,
        shards: Shards | None = None,
    ) -> list[Card]:
        """Return at most so many cards, posted since `oldest`, not read back since `since`.

        Parameters
        ----------
        shards : Shards, optional
            Only cards in servers of these.
        """
        return await self._store.cards.unread(since, now, oldest, limit, shards)

    async def was_read(self, messages: Collection[str], at: datetime) -> None:
        """Note that the reactions under some cards, as they were then, are accounted for."""
        await self._store.cards.was_read(messages, at)

    async def remove(self, message: str) -> None:
        """Forget a card whose message is gone."""
        await self._store.cards.remove(message)

    async def accounted(self, message: str) -> Accounted:
        """Return the reactions under a card that are accounted for."""
        return await self._store.cards.accounted(message)

    @whole
    async def react(
        self,
        card: Card,
        member: str,
        kind: FeedbackKind,
        *,
        there: bool,
        read: bool = False,
        at: datetime | None = None,
    ) -> None:
        """Take a reaction under a card as a thumb on its song, or take it back with its reaction.

        The thumb and that it was counted are one transaction; a process that dies after it finds
        the thumb in the store when it starts again. One that may be older than a member's wish to
        have everything deleted never counts.

        Parameters
        ----------
        read : bool
            Whether it was read under the message, rather than told of.
        at : datetime, optional
            When it was told of, if that is not now.
        """
        event = Feedback(member, card.track, kind, at or datetime.now(UTC))
        learnt, forgotten = await self._store.cards.reacted(
            card.message, event, there=there, read=read
        )
        self._live.measures.learnt(learnt)
        await self._live.change_opinions(learnt, forgotten)

    @whole
    async def press(
        self,
        message: str,
        member: str,
        track: str,
        kind: FeedbackKind,
        *,
        channel: str | None = None,
    ) -> bool:
        """Take a thumb that a member pressed under a message, and count it there if it is a card.

        Parameters
        ----------
        channel : str, optional
            Where the message is, if the member alone sees it: the thumb counts under the newest
            card there that features the track.

        Returns
        -------
        bool
            Whether it was news; see `Members.learn`.

        Raises
        ------
        NotFound
            There is no such track.
        """
        if await self._store.tracks.get(track) is None:
            raise NotFound("I no longer have that song.", "Ask for it by its name.")
        event = Feedback(member, track, kind, datetime.now(UTC))
        news = await self._store.cards.pressed(message, event, channel)
        if news:
            self._live.measures.learnt([event])
            await self._live.change_opinions([event])
        return news

    async def thumbs(self, message: str) -> dict[FeedbackKind, int]:
        """Return how many members pressed or reacted under a card, by the opinion they hold now."""
        return await self._store.cards.thumbs(message)

    async def touched(self, member: str, track: str | None = None) -> list[Card]:
        """Return the latest cards of one track, or of any, that a member gave a thumb under."""
        return await self._store.cards.touched(member, track, RECOUNTED)

    async def asked(self, channel: str, limit: int) -> list[Track]:
        """Return the songs that members asked about in a channel, the latest first."""
        return await self._store.cards.asked(channel, limit)

    async def sweep(self, now: datetime) -> None:
        """Forget answers and cards that are too old for their buttons, changes and fits."""
        await self._store.answers.sweep(now - ANSWERS_KEPT)
        await self._store.cards.sweep(now - CARDS_KEPT)
        await self._store.changes.sweep(now - KEPT)
        await self._store.fits.sweep()
