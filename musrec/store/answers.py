"""Answers that were given, and what they recommended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

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
        self, id_: str, answer: Answer, member: str | None = None, since: datetime | None = None
    ) -> None:
        """Keep an answer under an id of its own, for the buttons of its cards.

        Parameters
        ----------
        member, since
            Whose answer it is, as `Members.meet` said when they asked. It is kept as no member's
            if they paused or had everything deleted since.
        """
        row = {"id": id_, "body": codec.pack_answer(answer), "at": datetime.now(UTC)}
        async with self._database.write() as connection:
            if member and since and await may_keep(connection, member, since):
                row["member_id"] = member
            await connection.execute(answers.insert().values(row))

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
            return codec.unpack_answer(body, await read_tracks(self._database, connection, ids))

    async def remember_picks(
        self,
        member: str,
        picked: Sequence[str],
        query: str | None,
        at: datetime,
        *,
        since: datetime,
        arm: str | None = None,
    ) -> bool:
        """Keep what was recommended to a member, so that it is not recommended again too soon.

        Parameters
        ----------
        since : datetime
            What `Members.meet` said when they asked.
        arm : str, optional
            The arm of `musrec.recommend.hybrid.ARMS` that chose them.

        Returns
        -------
        bool
            False if they paused or had everything deleted since: nothing is kept.
        """
        async with self._database.write() as connection:
            if not await may_keep(connection, member, since):
                return False
            if not picked:
                return True
            await connection.execute(
                recommendations.insert(),
                [
                    {
                        "member_id": member,
                        "track_id": track,
                        "query_id": query,
                        "at": at,
                        "blend": arm,
                    }
                    for track in picked
                ],
            )
            return True

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
