"""Messages that feature a track, and the reactions counted under them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from musrec.members.model import Accounted, Card, Intended, Shards, Thumb, mark
from musrec.model import Feedback, FeedbackKind, Track
from musrec.store.database import IN_CHUNK, Database
from musrec.store.feedback import remove_feedback, write_feedback
from musrec.store.members import is_paused, was_deleted_since
from musrec.store.schema import (
    LARGE,
    card_presses,
    card_thumbs,
    cards,
    deletions,
    feedback,
    intended_cards,
    members,
    tracks,
    uncounted_thumbs,
)
from musrec.store.tracks import read_tracks

_OPINIONS = [kind.value for kind in FeedbackKind if kind.explicit]

CLOCKS_DIFFER = timedelta(minutes=5)
"""How far Discord's clock, which dates cards, may be from this machine's."""


class Cards:
    """Every card that may be reacted to."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def intend(self, channel: str, after: str, at: datetime, guild: str | None = None) -> int:
        """Note that a card is about to be posted in a channel, after some message; return its id.

        A process that dies before it has noted the card is then known to have been about to.
        """
        row = {"channel_id": channel, "after_id": after, "at": at, "guild_id": guild}
        async with self._database.write() as connection:
            made = await connection.execute(
                intended_cards.insert().values(row).returning(intended_cards.c.id)
            )
            return int(made.scalar_one())

    async def intended(self, shards: Shards | None = None) -> list[Intended]:
        """Return the cards that may have been posted without being noted, oldest first.

        Parameters
        ----------
        shards : Shards, optional
            Only those in servers of these.
        """
        query = sa.select(intended_cards).order_by(intended_cards.c.id)
        if shards is not None:
            query = query.where(_belongs(intended_cards, shards))
        async with self._database.read() as connection:
            return self._database.readable(
                intended_cards, await connection.execute(query), lambda row: Intended(*row)
            )

    async def settle(self, intended: int) -> None:
        """Forget that a card was intended: all that posting it entails is done."""
        async with self._database.write() as connection:
            await connection.execute(intended_cards.delete().where(intended_cards.c.id == intended))

    async def keep(self, card: Card, sharer: str = "") -> bool:
        """Remember which track a message features; return False if there is no such track.

        Parameters
        ----------
        sharer : str, optional
            The member who shares a card that they alone saw: the opinion on its track that they
            hold by then counts under this one, as if they had pressed it here.
        """
        row = {
            "message_id": card.message,
            "channel_id": card.channel,
            "track_id": card.track,
            "at": card.at,
            # A card read back from Discord names no query: what was kept stays.
            **({"query_id": card.query} if card.query else {}),
            **({"guild_id": card.guild} if card.guild else {}),
        }
        async with self._database.write() as connection:
            known = sa.select(tracks.c.id).where(tracks.c.id == card.track)
            if await connection.scalar(known) is None:
                return False
            await connection.execute(
                self._database.insert(cards)
                .values(row)
                .on_conflict_do_update(index_elements=["message_id"], set_=row)
            )
            if sharer and not await is_paused(connection, sharer):
                held = sa.select(sa.literal(card.message), feedback.c.member_id).where(
                    feedback.c.member_id == sharer,
                    feedback.c.track_id == card.track,
                    feedback.c.kind.in_(_OPINIONS),
                )
                insert = self._database.insert(card_presses).from_select(
                    ["message_id", "member_id"], held
                )
                await connection.execute(insert.on_conflict_do_nothing())
            return True

    async def get(self, message: str) -> Card | None:
        """Return the card of a message."""
        async with self._database.read() as connection:
            row = (
                await connection.execute(sa.select(cards).where(cards.c.message_id == message))
            ).first()
            return _card(row) if row else None

    async def unread(
        self,
        since: datetime,
        now: datetime,
        oldest: datetime,
        limit: int,
        shards: Shards | None = None,
    ) -> list[Card]:
        """Return cards whose reactions were not read back since then, those never read first.

        Parameters
        ----------
        now : datetime
            A reading later than that was noted by a clock that was ahead, and is not believed.
        oldest : datetime
            Only cards posted since then.
        shards : Shards, optional
            Only cards in servers of these.
        """
        read = cards.c.read_at
        query = (
            sa.select(cards)
            .where(cards.c.at >= oldest, read.is_(None) | (read < since) | (read > now))
            .order_by(read.asc().nulls_first(), cards.c.at.desc())
            .limit(limit)
        )
        if shards is not None:
            query = query.where(_belongs(cards, shards))
        async with self._database.read() as connection:
            return self._database.readable(cards, await connection.execute(query), _card)

    async def was_read(self, messages: Collection[str], at: datetime) -> None:
        """Note that the reactions under some cards, as they were then, are accounted for."""

        async def job(connection: AsyncConnection) -> None:
            some = list(messages)
            for start in range(0, len(some), IN_CHUNK):
                chunk = cards.c.message_id.in_(some[start : start + IN_CHUNK])
                await connection.execute(cards.update().where(chunk).values(read_at=at))

        await self._database.write_together(job)

    async def remove(self, message: str) -> None:
        """Forget a card whose message is gone."""
        async with self._database.write() as connection:
            await connection.execute(cards.delete().where(cards.c.message_id == message))

    async def accounted(self, message: str) -> Accounted:
        """Return the reactions under a card that were counted, or never will be."""

        async def reactions(table: sa.Table, who: sa.Column[str]) -> frozenset[Thumb]:
            query = sa.select(who, table.c.kind).where(table.c.message_id == message)
            result = await connection.execute(query)
            found = self._database.readable(
                table, result, lambda row: (str(row[0]), FeedbackKind(row.kind))
            )
            return frozenset(found)

        async with self._database.read() as connection:
            return Accounted(
                message,
                counted=await reactions(card_thumbs, card_thumbs.c.member_id),
                uncounted=await reactions(uncounted_thumbs, uncounted_thumbs.c.mark),
            )

    async def reacted(
        self, message: str, event: Feedback, *, there: bool, read: bool = False
    ) -> tuple[list[Feedback], list[Feedback]]:
        """Count a reaction that came or went, and keep or take back its thumb, in one transaction.

        Nothing happens if the card is gone. A reaction of a member who paused never counts: not
        even if it is still there when they no longer do.

        Parameters
        ----------
        event : Feedback
            Its time is when the reaction came: if the member has had everything deleted since, it
            never counts.
        read : bool
            Whether it was read under the message. If so, it may be as old as the card, or as the
            last reading of it: it never counts if the member had everything deleted since then.

        Returns
        -------
        learnt, forgotten : list of Feedback
            What changed. A member who takes one of two thumbs away still shows the other: it is
            learnt again.
        """
        return await self._database.write_together(
            lambda connection: _react(
                self._database, connection, message, event, there=there, read=read
            )
        )

    async def pressed(self, message: str, event: Feedback, channel: str | None = None) -> bool:
        """Keep a thumb that was pressed, and count it under a card: one transaction.

        Parameters
        ----------
        channel : str, optional
            Where the message is, if it is no card because one member alone sees it: the thumb
            counts under the newest card there that features the track.

        Returns
        -------
        bool
            Whether the thumb was news; nothing is kept of a member who paused.
        """
        card = sa.select(cards.c.message_id)
        if channel is None:
            card = card.where(cards.c.message_id == message)
        else:
            card = card.where(cards.c.channel_id == channel, cards.c.track_id == event.track)
        under = card.order_by(cards.c.at.desc()).limit(1).subquery()
        who = sa.select(under.c.message_id, members.c.id).select_from(
            under.join(members, (members.c.id == event.member) & ~members.c.paused)
        )

        async def job(connection: AsyncConnection) -> bool:
            news = await write_feedback(self._database, connection, event)
            insert = self._database.insert(card_presses).from_select(
                ["message_id", "member_id"], who
            )
            await connection.execute(insert.on_conflict_do_nothing())
            return news

        return await self._database.write_together(job)

    async def thumbs(self, message: str) -> dict[FeedbackKind, int]:
        """Return how many of the members who pressed or reacted under a card hold each opinion.

        A member counts once, with the opinion on the song that they hold now.
        """
        who = sa.union(*(_under(table, message) for table in (card_thumbs, card_presses)))
        query = (
            sa.select(feedback.c.kind, sa.func.count())
            .join(cards, cards.c.track_id == feedback.c.track_id)
            .where(
                cards.c.message_id == message,
                feedback.c.kind.in_(_OPINIONS),
                feedback.c.member_id.in_(who),
            )
            .group_by(feedback.c.kind)
        )
        async with self._database.read() as connection:
            found = (await connection.execute(query)).all()
        return {FeedbackKind(kind): count for kind, count in found}

    async def touched(self, member: str, track: str | None, limit: int) -> list[Card]:
        """Return a member's newest cards: those they gave a thumb under, of one track or of any."""
        under = sa.union(
            *(
                sa.select(table.c.message_id).where(table.c.member_id == member)
                for table in (card_thumbs, card_presses)
            )
        )
        query = sa.select(cards).where(cards.c.message_id.in_(under))
        if track is not None:
            query = query.where(cards.c.track_id == track)
        query = query.order_by(cards.c.at.desc()).limit(limit)
        async with self._database.read() as connection:
            return self._database.readable(cards, await connection.execute(query), _card)

    async def asked(self, channel: str, limit: int) -> list[Track]:
        """Return the tracks that cards of a channel were found for, the latest first."""
        latest = sa.func.max(cards.c.at)
        query = (
            sa.select(cards.c.query_id)
            .join(tracks, tracks.c.id == cards.c.query_id)
            .where(cards.c.channel_id == channel)
            .group_by(cards.c.query_id)
            .order_by(latest.desc())
            .limit(limit)
        )
        async with self._database.read() as connection:
            ids = list(await connection.scalars(query))
            found = await read_tracks(self._database, connection, ids)
            return [found[id_] for id_ in ids if id_ in found]

    async def sweep(self, before: datetime) -> None:
        """Forget cards older than that, posted or intended, and who left before."""
        async with self._database.write() as connection:
            for table in (cards, intended_cards, deletions):
                await connection.execute(table.delete().where(table.c.at < before))


def _under(table: sa.Table, message: str) -> sa.Select[str]:
    return sa.select(table.c.member_id).where(table.c.message_id == message)


def _card(row: Any) -> Card:
    return Card(row.message_id, row.channel_id, row.track_id, row.at, row.query_id, row.guild_id)


def _belongs(table: sa.Table, shards: Shards) -> sa.ColumnElement[bool]:
    """Whether a row is of a server of these shards."""
    shard = sa.cast(table.c.guild_id, LARGE) // (1 << 22) % shards.count
    here = shard.in_(shards.own)
    return here | table.c.guild_id.is_(None) if 0 in shards.own else here


async def _react(
    database: Database,
    connection: AsyncConnection,
    message: str,
    event: Feedback,
    *,
    there: bool,
    read: bool,
) -> tuple[list[Feedback], list[Feedback]]:
    query = sa.select(cards.c.at, cards.c.read_at).where(cards.c.message_id == message)
    card = (await connection.execute(query)).first()
    if card is None:
        return [], []
    newer_than = event.at
    if read:
        newer_than = card.at - CLOCKS_DIFFER
        if card.read_at is not None:
            newer_than = max(newer_than, card.read_at)
    who = mark(message, event.member)
    of_none = {"message_id": message, "mark": who, "kind": event.kind.value}
    if there and (
        await is_paused(connection, event.member)
        or await was_deleted_since(connection, event.member, newer_than)
    ):
        insert = database.insert(uncounted_thumbs).values(of_none)
        await connection.execute(insert.on_conflict_do_nothing())
        return [], []
    marked = sa.and_(*(uncounted_thumbs.c[name] == value for name, value in of_none.items()))
    if there and read and await connection.scalar(sa.select(sa.exists().where(marked))):
        return [], []
    await connection.execute(uncounted_thumbs.delete().where(marked))
    if there:
        learnt = await write_feedback(database, connection, event)
        row = {"message_id": message, "member_id": event.member, "kind": event.kind.value}
        await connection.execute(database.insert(card_thumbs).values(row).on_conflict_do_nothing())
        return [event] if learnt else [], []
    mine = sa.and_(card_thumbs.c.message_id == message, card_thumbs.c.member_id == event.member)
    removed = await remove_feedback(database, connection, event.member, event.track, event.kind)
    await connection.execute(
        card_thumbs.delete().where(mine, card_thumbs.c.kind == event.kind.value)
    )
    left = (await connection.execute(sa.select(card_thumbs.c.kind).where(mine))).scalars().all()
    others = [replace(event, kind=FeedbackKind(kind)) for kind in left]
    learnt_again = [other for other in others if await write_feedback(database, connection, other)]
    return learnt_again, [event] if removed else []
