"""Answers that were given, and what they recommended."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from musrec.model import Answer, Served
from musrec.store import codec
from musrec.store.database import Database, utc
from musrec.store.members import may_keep
from musrec.store.schema import answers, recommendations
from musrec.store.tracks import read_tracks


class Answers:
    """Answers kept for the buttons of their cards, and what was recommended."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(
        self,
        answer: Answer,
        at: datetime,
        *,
        member: str | None = None,
        since: datetime | None = None,
        served: bool = True,
        arm: str | None = None,
    ) -> bool:
        """Keep an answer under its id, and its picks as recommended to a member: both, or neither.

        Parameters
        ----------
        member, since
            Whose answer it is, as `Members.meet` said when they asked. It is kept as no member's
            if they paused or had everything deleted since.
        served : bool
            Whether its picks are not to be recommended to that member again too soon.
        arm : str, optional
            The arm of `musrec.recommend.hybrid.ARMS` that chose them.

        Returns
        -------
        bool
            Whether it is that member's.
        """
        row = {"id": answer.id, "body": codec.pack_answer(answer), "at": at}
        query = answer.query.id if answer.query else None
        async with self._database.write() as connection:
            theirs = bool(member and since and await may_keep(connection, member, since))
            if theirs:
                row["member_id"] = member
            await connection.execute(answers.insert().values(row))
            if theirs and served and answer.picks:
                picked = {"member_id": member, "query_id": query, "at": at, "blend": arm}
                await connection.execute(
                    recommendations.insert(),
                    [{**picked, "track_id": pick.track.id} for pick in answer.picks],
                )
            return theirs

    async def get(self, id_: str) -> Answer | None:
        """Return a kept answer: its tracks and reasons, not how its songs sound.

        Picks whose track is gone are left out.
        """
        async with self._database.read() as connection:
            result = await connection.execute(sa.select(answers.c.body).where(answers.c.id == id_))
            body = result.scalar()
            if body is None:
                return None
            ids = [row["track"] for row in body["picks"]]
            ids += [body["query"]] if body["query"] else []
            return codec.unpack_answer(
                id_, body, await read_tracks(self._database, connection, ids)
            )

    async def served(self) -> list[Served]:
        """Return every recommendation whose arm is known, oldest first."""
        async with self._database.read() as connection:
            result = await connection.execute(
                sa.select(
                    recommendations.c.member_id.label("member"),
                    recommendations.c.track_id.label("track"),
                    recommendations.c.blend.label("arm"),
                    recommendations.c.at,
                )
                .where(recommendations.c.blend.is_not(None))
                .order_by(recommendations.c.at, recommendations.c.id)
            )
            return self._database.readable(
                recommendations, result, lambda row: Served(**row._mapping)
            )

    async def recommended(self, member: str, since: datetime) -> dict[str, datetime]:
        """Return what was recommended to a member since then, with the latest time of each."""
        async with self._database.read() as connection:
            result = await connection.execute(
                sa.select(recommendations.c.track_id, sa.func.max(recommendations.c.at).label("at"))
                .where(recommendations.c.member_id == member, recommendations.c.at >= since)
                .group_by(recommendations.c.track_id)
            )
            return dict(
                self._database.readable(
                    recommendations, result, lambda row: (row.track_id, utc(row.at))
                )
            )

    async def sweep(self, before: datetime) -> None:
        """Forget answers older than that."""
        async with self._database.write() as connection:
            await connection.execute(answers.delete().where(answers.c.at < before))
