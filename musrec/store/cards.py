"""Messages that feature a track, and the reactions counted under them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from musrec.members.model import Card
from musrec.model import Feedback, FeedbackKind
from musrec.store.database import Database
from musrec.store.feedback import remove_feedback, write_feedback
from musrec.store.members import is_paused
from musrec.store.schema import card_thumbs, cards


class Cards:
    """Every card that may be reacted to."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, card: Card) -> None:
        """Remember which track a message features."""
        row = {
            "message_id": card.message,
            "channel_id": card.channel,
            "track_id": card.track,
            "at": card.at,
        }
        async with self._database.write() as connection:
            await connection.execute(
                self._database.insert(cards)
                .values(row)
                .on_conflict_do_update(index_elements=["message_id"], set_=row)
            )

    async def get(self, message: str) -> Card | None:
        """Return the card of a message."""
        async with self._database.read() as connection:
            row = (
                await connection.execute(sa.select(cards).where(cards.c.message_id == message))
            ).first()
            return Card(row.message_id, row.channel_id, row.track_id, row.at) if row else None

    async def newest(self, since: datetime, limit: int) -> list[Card]:
        """Return the newest cards since then, newest first."""
        query = sa.select(cards).where(cards.c.at >= since).order_by(cards.c.at.desc()).limit(limit)
        async with self._database.read() as connection:
            return self._database.readable(
                cards,
                await connection.execute(query),
                lambda row: Card(row.message_id, row.channel_id, row.track_id, row.at),
            )

    async def remove(self, message: str) -> None:
        """Forget a card whose message is gone."""
        async with self._database.write() as connection:
            await connection.execute(cards.delete().where(cards.c.message_id == message))

    async def thumbs(self, message: str) -> set[tuple[str, FeedbackKind]]:
        """Return the reactions under a card that were counted, as member and kind."""
        async with self._database.read() as connection:
            result = await connection.execute(
                sa.select(card_thumbs.c.member_id, card_thumbs.c.kind).where(
                    card_thumbs.c.message_id == message
                )
            )
            return set(
                self._database.readable(
                    card_thumbs, result, lambda row: (row.member_id, FeedbackKind(row.kind))
                )
            )

    async def reacted(
        self, message: str, event: Feedback, *, there: bool
    ) -> tuple[list[Feedback], list[Feedback]]:
        """Count a reaction that came or went, and keep or take back its thumb, in one transaction.

        Nothing happens if the card is gone, or a reaction came of a member who paused.

        Returns
        -------
        learnt, forgotten : list of Feedback
            What changed. A member who takes one of two thumbs away still shows the other: it is
            learnt again.
        """
        return await self._database.write_together(
            lambda connection: _react(self._database, connection, message, event, there=there)
        )

    async def sweep(self, before: datetime) -> None:
        """Forget cards older than that."""
        async with self._database.write() as connection:
            await connection.execute(cards.delete().where(cards.c.at < before))


async def _react(
    database: Database, connection: AsyncConnection, message: str, event: Feedback, *, there: bool
) -> tuple[list[Feedback], list[Feedback]]:
    card = await connection.scalar(sa.select(cards.c.track_id).where(cards.c.message_id == message))
    if card is None:
        return [], []
    mine = sa.and_(card_thumbs.c.message_id == message, card_thumbs.c.member_id == event.member)
    if there:
        if await is_paused(connection, event.member):
            return [], []
        learnt = await write_feedback(database, connection, event)
        row = {"message_id": message, "member_id": event.member, "kind": event.kind.value}
        await connection.execute(database.insert(card_thumbs).values(row).on_conflict_do_nothing())
        return [event] if learnt else [], []
    removed = await remove_feedback(connection, event.member, event.track, event.kind)
    await connection.execute(
        card_thumbs.delete().where(mine, card_thumbs.c.kind == event.kind.value)
    )
    left = (await connection.execute(sa.select(card_thumbs.c.kind).where(mine))).scalars().all()
    others = [replace(event, kind=FeedbackKind(kind)) for kind in left]
    learnt_again = [other for other in others if await write_feedback(database, connection, other)]
    return learnt_again, [event] if removed else []
