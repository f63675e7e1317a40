"""What members did with tracks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from musrec.model import Feedback, FeedbackKind, Track
from musrec.store.changes import What, note
from musrec.store.database import IN_CHUNK, Database
from musrec.store.members import ensure_member, is_paused, may_keep
from musrec.store.schema import feedback
from musrec.store.tracks import read_tracks

_EXPLICIT = ("like", "dislike")
_LIKE = feedback.c.kind == FeedbackKind.LIKE.value


class FeedbackLog:
    """Thumbs and listening, as they happened."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self, event: Feedback, name: str | None = None, since: datetime | None = None
    ) -> bool:
        """Keep one feedback; an opinion replaces the member's older one on that track.

        Parameters
        ----------
        since : datetime, optional
            What `Members.meet` said: nothing is kept if they had everything deleted since.

        Returns
        -------
        bool
            Whether anything changed: the same opinion twice is one opinion, and nothing is kept
            of a member who paused.
        """
        return await self._database.write_together(
            lambda connection: write_feedback(self._database, connection, event, name, since)
        )

    async def by_day(self, since: datetime) -> dict[date, dict[FeedbackKind, int]]:
        """Return how often members did what on each day."""
        day = self._database.day(feedback.c.at)
        query = (
            sa.select(day, feedback.c.kind, sa.func.count())
            .where(feedback.c.at >= since)
            .group_by(day, feedback.c.kind)
        )
        found: dict[date, dict[FeedbackKind, int]] = {}
        async with self._database.read() as connection:
            for text, kind, count in await connection.execute(query):
                found.setdefault(date.fromisoformat(text), {})[FeedbackKind(kind)] = count
        return found

    async def add_all(self, events: Sequence[Feedback]) -> list[Feedback]:
        """Keep several pieces of feedback, all or none; return those that changed anything."""

        async def job(connection: AsyncConnection) -> list[Feedback]:
            return [e for e in events if await write_feedback(self._database, connection, e)]

        return await self._database.write_together(job)

    async def remove(self, member: str, track: str, *kinds: FeedbackKind) -> list[FeedbackKind]:
        """Take back feedback of some kinds on one track; return the kinds that there were."""
        return await self._database.write_together(
            lambda connection: remove_feedback(self._database, connection, member, track, *kinds)
        )

    async def events(self, member: str | None = None) -> list[Feedback]:
        """Return all feedback, or one member's, oldest first."""
        query = sa.select(feedback).order_by(feedback.c.at, feedback.c.id)
        if member is not None:
            query = query.where(feedback.c.member_id == member)
        async with self._database.read() as connection:
            return self._database.readable(feedback, await connection.execute(query), _event)

    async def opinion(self, member: str, track: str) -> FeedbackKind | None:
        """Return the member's thumb on a track."""
        async with self._database.read() as connection:
            result = await connection.execute(
                sa.select(feedback.c.kind).where(
                    feedback.c.member_id == member,
                    feedback.c.track_id == track,
                    feedback.c.kind.in_(_EXPLICIT),
                )
            )
            kind = result.scalar()
            return FeedbackKind(kind) if kind else None

    async def liked_lately(self, limit: int) -> list[Track]:
        """Return the tracks that any member liked last, the latest first."""
        query = (
            sa.select(feedback.c.track_id)
            .where(_LIKE)
            .group_by(feedback.c.track_id)
            .order_by(sa.func.max(feedback.c.at).desc())
            .limit(limit)
        )
        async with self._database.read() as connection:
            ids = list((await connection.execute(query)).scalars())
            found = await read_tracks(self._database, connection, ids)
        return [found[id_] for id_ in ids if id_ in found]

    async def likers(self) -> set[str]:
        """Return the members who like anything."""
        query = sa.select(feedback.c.member_id).where(_LIKE).distinct()
        async with self._database.read() as connection:
            return set((await connection.execute(query)).scalars())

    async def liked_by(self, among: Collection[str]) -> dict[str, int]:
        """Return how many of some members like each track that any of them likes."""
        some, found = sorted(among), Counter[str]()
        async with self._database.read() as connection:
            for start in range(0, len(some), IN_CHUNK):
                query = (
                    sa.select(feedback.c.track_id, sa.func.count().label("members"))
                    .where(_LIKE, feedback.c.member_id.in_(some[start : start + IN_CHUNK]))
                    .group_by(feedback.c.track_id)
                )
                for row in await connection.execute(query):
                    found[row.track_id] += row.members
        return dict(found)


def _event(row: Any) -> Feedback:
    return Feedback(row.member_id, row.track_id, FeedbackKind(row.kind), row.at)


async def write_feedback(
    database: Database,
    connection: AsyncConnection,
    event: Feedback,
    name: str | None = None,
    since: datetime | None = None,
) -> bool:
    """Keep one feedback within a transaction; see `FeedbackLog.add`."""
    if since is not None and not await may_keep(connection, event.member, since):
        return False
    paused = await is_paused(connection, event.member)
    if paused:
        return False
    if paused is None:
        await ensure_member(database, connection, event.member, name)
    insert = database.insert(feedback).values(
        member_id=event.member, track_id=event.track, kind=event.kind.value, at=event.at
    )
    if event.kind.explicit:
        insert = insert.on_conflict_do_update(
            index_elements=["member_id", "track_id"],
            index_where=sa.text("kind IN ('like', 'dislike')"),
            set_={"kind": insert.excluded.kind, "at": insert.excluded.at},
            where=feedback.c.kind != insert.excluded.kind,
        )
    kept = (await connection.execute(insert.returning(feedback.c.id))).scalar()
    if kept is None:
        return False
    await note(database, connection, What.LEARNT, feedback_id=kept)
    return True


async def remove_feedback(
    database: Database, connection: AsyncConnection, member: str, track: str, *kinds: FeedbackKind
) -> list[FeedbackKind]:
    """Take feedback back within a transaction; return the kinds that there were."""
    removed = await connection.execute(
        feedback.delete()
        .where(
            feedback.c.member_id == member,
            feedback.c.track_id == track,
            feedback.c.kind.in_([kind.value for kind in kinds]),
        )
        .returning(feedback.c.kind)
    )
    gone = [FeedbackKind(kind) for kind in dict.fromkeys(removed.scalars())]
    for kind in gone:
        await note(database, connection, What.FORGOT, member=member, track=track, kind=kind)
    return gone
