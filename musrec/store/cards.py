"""Messages that feature a track, and the reactions counted under them."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from musrec.members.model import Card
from musrec.model import FeedbackKind
from musrec.store.database import Database
from musrec.store.members import set_member_row
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
            rows = (await connection.execute(query)).all()
        return [Card(row.message_id, row.channel_id, row.track_id, row.at) for row in rows]

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
            return {(row.member_id, FeedbackKind(row.kind)) for row in result}

    async def account_thumb(
        self, message: str, member: str, kind: FeedbackKind, *, there: bool
    ) -> None:
        """Note that a reaction under a card was counted, or taken away again."""
        row = {"message_id": message, "member_id": member, "kind": kind.value}
        await set_member_row(self._database, card_thumbs, row, there=there)

    async def sweep(self, before: datetime) -> None:
        """Forget cards older than that."""
        async with self._database.write() as connection:
            await connection.execute(cards.delete().where(cards.c.at < before))
