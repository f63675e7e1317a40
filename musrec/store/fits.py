"""What was learned from all members at one time: made by one process, read by all.

A fit is kept under a recipe, which says what it is good for, and the newest of each is kept alone.
It is made of members' likes, so all of them go when a member has everything deleted, and one that
was being made from that member's likes is refused.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from musrec.store.changes import Known, What, note
from musrec.store.database import Database
from musrec.store.schema import changes, fit_parts, fits

PART = 1 << 18
"""Bytes in one row: small enough to be copied with many others."""

AT_ONCE = 16
"""Parts that are written in one transaction; those of a larger fit hold no other writer up."""

KEPT = timedelta(hours=12)
"""How long a fit counts: likes fade, and older changes, which it may not know, are not kept."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A fit that is kept.

    Attributes
    ----------
    events : int
        How many events it was made from.
    unfitted : int
        How many opinions were given or taken back since.
    """

    id: int
    events: int
    unfitted: int


class Fits:
    """The fits of all processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def alone(self) -> AbstractAsyncContextManager[None]:
        """Let one process make a fit at a time: the others wait, and find it kept."""
        return self._database.alone("fit")

    async def newest(self, recipe: str) -> Fit | None:
        """Return the newest fit of a recipe; None if there is none, or it is too old."""
        async with self._database.read() as connection:
            now = await self._database.now(connection)
            kept = sa.select(fits).where(fits.c.recipe == recipe, fits.c.whole)
            kept = kept.where(fits.c.made_at > now - KEPT, fits.c.made_at < now + KEPT)
            row = (await connection.execute(kept.order_by(fits.c.id.desc()).limit(1))).first()
            if row is None:
                return None
            known = Known(row.seen, row.own)
            query = _unknown(known, row.writer, What.LEARNT, What.FORGOT)
            return Fit(row.id, row.events, await connection.scalar(query) or 0)

    async def read(self, id_: int) -> bytes:
        """Return a fit; nothing if it is no longer kept."""
        query = sa.select(fit_parts.c.body).where(fit_parts.c.fit_id == id_)
        async with self._database.read() as connection:
            parts = await connection.execute(query.order_by(fit_parts.c.position))
            return b"".join(parts.scalars())

    async def has(self, id_: int) -> bool:
        """Whether a fit is still kept."""
        async with self._database.read() as connection:
            found = await connection.scalar(sa.select(fits.c.id).where(fits.c.id == id_))
            return found is not None

    async def keep(self, recipe: str, data: bytes, events: int, known: Known) -> int | None:
        """Keep a fit in place of older ones, and tell the other processes.

        Parameters
        ----------
        known : Known
            What was known before the members' likes were read to make it.

        Returns
        -------
        int or None
            Its id; None if a member had everything deleted since then.
        """
        cut = [data[at : at + PART] for at in range(0, len(data), PART)]
        row = {
            "recipe": recipe,
            "events": events,
            "seen": known.seen,
            "own": known.own,
            "writer": self._database.token,
            "whole": False,
        }
        async with self._database.write() as connection:
            now = await self._database.now(connection)
            made = await connection.execute(fits.insert().values(made_at=now, **row))
            (id_,) = made.inserted_primary_key or (0,)
            parts = [
                {"fit_id": id_, "position": position, "body": body}
                for position, body in enumerate(cut)
            ]
            if len(parts) <= AT_ONCE:
                await connection.execute(fit_parts.insert(), parts)
                return await self._finish(connection, int(id_), recipe, known)
        try:
            for at in range(0, len(parts), AT_ONCE):
                async with self._database.write_apart() as connection:
                    await connection.execute(fit_parts.insert(), parts[at : at + AT_ONCE])
        except sa.exc.IntegrityError:
            return None  # the fit was deleted with a member
        async with self._database.write() as connection:
            return await self._finish(connection, int(id_), recipe, known)

    async def _finish(
        self, connection: AsyncConnection, id_: int, recipe: str, known: Known
    ) -> int | None:
        left = await connection.scalar(_unknown(known, self._database.token, What.LEFT))
        whole = fits.update().where(fits.c.id == id_).values(whole=True)
        if left or not (await connection.execute(whole)).rowcount:
            await connection.execute(fits.delete().where(fits.c.id == id_))
            return None
        now = await self._database.now(connection)
        # What is not whole was being written by a process that died: one makes a fit at a time.
        old = (fits.c.recipe == recipe) | ~fits.c.whole | (fits.c.made_at < now - KEPT)
        await connection.execute(fits.delete().where(old, fits.c.id != id_))
        await note(self._database, connection, What.FITTED)
        return id_

    async def sweep(self) -> None:
        """Delete fits that no longer count, with thumbs that were taken back since."""
        async with self._database.write() as connection:
            now = await self._database.now(connection)
            await connection.execute(fits.delete().where(fits.c.made_at < now - KEPT))

    async def drop(self, id_: int) -> None:
        """Delete a fit that cannot be read."""
        async with self._database.write() as connection:
            await connection.execute(fits.delete().where(fits.c.id == id_))


def _unknown(known: Known, writer: str, *kinds: What) -> sa.Select[int]:
    """Count the changes of some kinds that a process did not know."""
    return (
        sa.select(sa.func.count())
        .select_from(changes)
        .where(
            changes.c.id > known.seen,
            (changes.c.writer != writer) | (changes.c.id > known.own),
            changes.c.kind.in_([kind.value for kind in kinds]),
        )
    )
