"""What changed lately, for the other processes that have the store open.

A change stands here without its member's id, so that nothing is left of one who has everything
deleted: a thumb by the row that it is kept in, everything else under a mark that only a process
that knows the member can read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from musrec.members.model import mark
from musrec.model import Feedback, FeedbackKind
from musrec.store.database import Database
from musrec.store.schema import changes, feedback


class What(StrEnum):
    """Kinds of changes."""

    SONG = "song"
    """Songs were heard, or more is known of them: see `analyses.revision`."""
    GONE = "gone"
    """A song was taken out of the catalogue."""
    LEARNT = "learnt"
    """A member did something with a song."""
    FORGOT = "forgot"
    """A member took it back."""
    CHOSE = "chose"
    """A member changed what may be learned from them."""
    LEFT = "left"
    """A member had everything deleted."""
    FITTED = "fitted"
    """Members were compared with each other; see `musrec.store.fits`."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change that another process made.

    Attributes
    ----------
    number : int
    what : What
    track : str or None
        Id of the song, of `GONE` and `FORGOT`.
    mark : str or None
        `mark_of` the member, of `FORGOT` and `LEFT`.
    kind : FeedbackKind or None
        Of `FORGOT`.
    event : Feedback or None
        Of `LEARNT`.
    """

    number: int
    what: What
    track: str | None = None
    mark: str | None = None
    kind: FeedbackKind | None = None
    event: Feedback | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """Which changes a process knew at one time.

    Attributes
    ----------
    seen : int
        Number of the newest change of which it knew all before.
    own : int
        Number of the newest change that it made itself.
    """

    seen: int
    own: int


class Changes:
    """The changes of all processes, in their order."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def arrivals(self) -> AbstractAsyncContextManager[AsyncIterator[None]]:
        """Give an iterator with one step now, and one whenever there may be changes.

        PostgreSQL tells at once; SQLite's file is looked at every `database.LOOK_SECONDS`.
        """
        return self._database.arrivals()

    async def last(self) -> int:
        """Return the number of the newest change; 0 if there is none."""
        async with self._database.read() as connection:
            return await connection.scalar(sa.select(sa.func.max(changes.c.id))) or 0

    async def known(self, seen: int) -> Known:
        """Return what this process knows if it has taken in all that others changed until then."""
        own = sa.select(sa.func.max(changes.c.id)).where(changes.c.writer == self._database.token)
        async with self._database.read() as connection:
            return Known(seen, await connection.scalar(own) or 0)

    async def since(self, number: int) -> tuple[int, list[Change]]:
        """Return the newest number, and what other processes changed after that one, in order."""
        query = (
            sa.select(
                changes,
                feedback.c.member_id,
                feedback.c.track_id.label("of"),
                feedback.c.kind.label("did"),
                feedback.c.at.label("when"),
            )
            .select_from(changes.outerjoin(feedback, feedback.c.id == changes.c.feedback_id))
            .where(changes.c.id > number)
            .order_by(changes.c.id)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        others = [_change(row) for row in rows if row.writer != self._database.token]
        return max([number, *(row.id for row in rows)]), others

    async def sweep(self, before: datetime) -> None:
        """Forget changes older than that: every process has seen them."""
        async with self._database.write() as connection:
            await connection.execute(changes.delete().where(changes.c.at < before))


def mark_of(member: str) -> str:
    """Return what a member's changes stand under."""
    return mark("changes", member)


_NOTE = changes.insert()


async def note(
    database: Database,
    connection: AsyncConnection,
    what: What,
    *,
    member: str | None = None,
    track: str | None = None,
    kind: FeedbackKind | None = None,
    feedback_id: int | None = None,
) -> int:
    """Tell the other processes of a change, once its transaction is committed.

    Returns
    -------
    int
        The number of the change: larger than those of all before it.
    """
    row = {
        "kind": what.value,
        "feedback_id": feedback_id,
        "track_id": track,
        "mark": member and mark_of(member),
        "detail": kind and kind.value,
        "writer": database.token,
        "at": datetime.now(UTC),
    }
    noted = await connection.execute(_NOTE, row)
    database.announce()
    (number,) = noted.inserted_primary_key or (0,)
    return int(number)


def _change(row: Any) -> Change:
    event = None
    if row.member_id is not None:
        event = Feedback(row.member_id, row.of, FeedbackKind(row.did), row.when)
    kind = FeedbackKind(row.detail) if row.detail else None
    return Change(row.id, What(row.kind), row.track_id, row.mark, kind, event)
