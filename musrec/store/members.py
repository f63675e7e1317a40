"""Members and what they chose."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from musrec.catalogue.model import JobKind
from musrec.members.model import Member, Paused, mark, mark_of_deleted
from musrec.model import FeedbackKind
from musrec.store import schema
from musrec.store.changes import What, note
from musrec.store.database import Database
from musrec.store.schema import (
    card_thumbs,
    deletions,
    drops,
    feedback,
    fits,
    jobs,
    members,
    tracks,
    uncounted_thumbs,
)


class Members:
    """What members have chosen, and everything kept about one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, id_: str) -> Member | None:
        """Return a member's choices; None if they were never met."""
        async with self._database.read() as connection:
            result = await connection.execute(sa.select(members).where(members.c.id == id_))
            row = result.first()
            return Member(**row._mapping) if row else None

    async def choose(
        self,
        member: str,
        *,
        listening: bool | None = None,
        paused: bool | None = None,
        hidden: bool | None = None,
    ) -> None:
        """Keep what a member chose; None leaves that choice as it is."""
        chosen = {"listening": listening, "paused": paused, "hidden": hidden}
        values = {name: value for name, value in chosen.items() if value is not None}
        async with self._database.write() as connection:
            await ensure_member(self._database, connection, member)
            if values:
                await connection.execute(
                    members.update().where(members.c.id == member).values(values)
                )
                await note(self._database, connection, What.CHOSE, member=member)

    async def listeners(self) -> dict[str, datetime]:
        """Return whose listening may be learned from now, and since when each member is known."""
        query = sa.select(members.c.id, members.c.since).where(
            members.c.listening, ~members.c.paused
        )
        async with self._database.read() as connection:
            return {row.id: row.since for row in await connection.execute(query)}

    async def counts(self) -> dict[str, int]:
        """Return how many tracks, members and feedback there are, and members who like anything."""
        likers = sa.select(sa.func.count(feedback.c.member_id.distinct())).where(
            feedback.c.kind == FeedbackKind.LIKE.value
        )
        async with self._database.read() as connection:
            found = {
                table.name: await connection.scalar(sa.select(sa.func.count()).select_from(table))
                for table in (tracks, members, feedback)
            }
            found["likers"] = await connection.scalar(likers)
        return {name: number or 0 for name, number in found.items()}

    async def personal(self, member: str) -> dict[str, list[dict[str, Any]]]:
        """Return every row about a member, by table, as it is kept.

        Rows that belong to such a row without naming the member, such as the songs of a drop, stand
        in it under the name of their table.
        """
        kept: dict[str, list[dict[str, Any]]] = {}
        async with self._database.read() as connection:
            for table in schema.metadata.sorted_tables:
                column = table.c.id if table is members else table.c.get("member_id")
                if column is not None:
                    kept[table.name] = await _rows_with_parts(
                        self._database, connection, table, column == member
                    )
        return kept

    async def meet(self, member: str) -> datetime:
        """Return since when a member is known, which may be from now on.

        Work that takes time asks first, and hands it to what it writes: if the member has had
        everything deleted meanwhile, nothing is kept.
        """

        async def job(connection: AsyncConnection) -> datetime:
            await ensure_member(self._database, connection, member)
            query = sa.select(members.c.since).where(members.c.id == member)
            since: datetime = (await connection.execute(query)).scalar_one()
            return since

        return await self._database.write_together(job)

    async def delete(self, member: str) -> bool:
        """Delete a member with everything they did; return whether there was one.

        With SQLite the log still holds bytes of it until `Database.empty_log`. Thumbs that waited
        to be written when it was called are deleted too, and the reactions that they were given by
        are never counted again, though they still stand under their cards. Nor are those that
        nobody had read: see `was_deleted_since`.
        """
        reactions = sa.select(card_thumbs.c.message_id, card_thumbs.c.kind)

        async def job(connection: AsyncConnection) -> bool:
            given = await connection.execute(reactions.where(card_thumbs.c.member_id == member))
            uncounted = [
                {
                    "message_id": row.message_id,
                    "mark": mark(row.message_id, member),
                    "kind": row.kind,
                }
                for row in given
            ]
            if uncounted:
                insert = self._database.insert(uncounted_thumbs).on_conflict_do_nothing()
                await connection.execute(insert, uncounted)
            row = {"mark": mark_of_deleted(member), "at": datetime.now(UTC)}
            insert = self._database.insert(deletions).values(row)
            await connection.execute(insert.on_conflict_do_nothing())
            await connection.execute(jobs.delete().where(_composes_for(member)))
            result = await connection.execute(members.delete().where(members.c.id == member))
            if result.rowcount:
                await connection.execute(fits.delete())  # they are made from all members' likes
                await note(self._database, connection, What.LEFT, member=member)
            return result.rowcount > 0

        return await self._database.write_together(job)


def _composes_for(member: str) -> sa.ColumnElement[bool]:
    """Whether a job decides what is in a member's drop: its key begins with that of the drop."""
    drop = sa.select(sa.cast(drops.c.id, sa.String) + " %").where(drops.c.member_id == member)
    return (jobs.c.kind == JobKind.DROP.value) & jobs.c.key.like(drop.scalar_subquery())


async def may_keep(connection: AsyncConnection, member: str, since: datetime) -> bool:
    """Whether work that began for a member may be kept: not if they paused or had all deleted."""
    kept = await connection.scalar(
        sa.select(members.c.id).where(
            members.c.id == member, members.c.since == since, ~members.c.paused
        )
    )
    return kept is not None


async def was_deleted_since(connection: AsyncConnection, member: str, since: datetime) -> bool:
    """Whether a member had everything deleted since then; for 90 days after."""
    found = sa.exists().where(deletions.c.mark == mark_of_deleted(member), deletions.c.at > since)
    return bool(await connection.scalar(sa.select(found)))


async def ensure_member(
    database: Database, connection: AsyncConnection, member: str, name: str | None = None
) -> None:
    """Create a member's row, with the defaults, unless there is one."""
    insert = database.insert(members).values(
        id=member, name=name, listening=False, paused=False, since=datetime.now(UTC)
    )
    await connection.execute(insert.on_conflict_do_nothing())


async def is_paused(connection: AsyncConnection, member: str) -> bool | None:
    """Whether nothing new may be kept of a member; None for one never met."""
    return await connection.scalar(sa.select(members.c.paused).where(members.c.id == member))


async def meet_unless_paused(database: Database, connection: AsyncConnection, member: str) -> None:
    """Create the row of a member who asks for something to be kept, unless there is one.

    Raises
    ------
    Paused
        Nothing new may be kept of them.
    """
    if await is_paused(connection, member):
        raise Paused
    await ensure_member(database, connection, member)


async def _rows_with_parts(
    database: Database, connection: AsyncConnection, table: sa.Table, where: sa.ColumnElement[bool]
) -> list[dict[str, Any]]:
    columns = [column for column in table.c if column not in schema.SECRET]
    result = await connection.execute(sa.select(*columns).where(where))
    rows = database.readable(table, result, lambda row: dict(row._mapping))
    for key in (key for part in schema.metadata.sorted_tables for key in part.foreign_keys):
        part = key.parent.table
        if key.column.table is table and "member_id" not in part.c:
            for row in rows:
                mine = key.parent == row[key.column.name]
                row[part.name] = await _rows_with_parts(database, connection, part, mine)
    return rows
