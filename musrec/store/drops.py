"""Weekly drops: subscriptions, weeks and their messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from musrec.drops.model import LONGEST_PAUSE, Drop, Issue, Part, Post, Rating, Schedule, State
from musrec.model import Answer, NotFound
from musrec.store import codec, schema
from musrec.store.database import Database, utc
from musrec.store.members import meet_unless_paused
from musrec.store.schema import (
    drop_issues,
    drop_listeners,
    drop_posts,
    drop_ratings,
    drops,
    members,
    mixtape_members,
    recommendations,
)

LONGEST_SLEEP = timedelta(days=8)
"""No drop's next hour is further away: a week, a change of the clocks, and `SPREAD`."""


class Drops:
    """Drops; each week is claimed before it is posted and marked after."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, drop: Drop) -> Drop:
        """Keep a member's or a server's drop, in place of an earlier one.

        Raises
        ------
        Paused
            The member paused.
        """
        row = {
            "member_id": drop.member,
            "guild_id": drop.guild,
            "channel_id": drop.channel,
            "home_id": drop.home,
            "weekday": drop.schedule.weekday,
            "hour": drop.schedule.hour,
            "zone": drop.schedule.zone,
            "size": drop.size,
            "adventurous": drop.adventurous,
            "active": drop.active,
            "trouble": drop.trouble,
            "since": drop.since,
            "wake_at": drop.since,
        }
        owner = "guild_id" if drop.member is None else "member_id"
        async with self._database.write() as connection:
            if drop.member is not None:
                await meet_unless_paused(self._database, connection, drop.member)
            result = await connection.execute(
                self._database.insert(drops)
                .values(row)
                .on_conflict_do_update(index_elements=[owner], set_=row)
                .returning(drops.c.id)
            )
            return replace(drop, id=result.scalar_one())

    async def turn_off(self, drop: Drop) -> Drop:
        """Switch a drop off, unless it was deleted meanwhile."""
        off = {"active": False, "trouble": ""}
        async with self._database.write() as connection:
            await connection.execute(drops.update().where(drops.c.id == drop.id).values(off))
        return replace(drop, active=False, trouble="")

    async def of_member(self, member: str) -> Drop | None:
        """Return a member's drop; None if they never set one up."""
        return await self._one(drops.c.member_id == member)

    async def of_server(self, guild: str) -> Drop | None:
        """Return a server's mixtape; None if it never set one up."""
        return await self._one(drops.c.guild_id == guild)

    async def get(self, id_: int) -> Drop | None:
        """Return the drop with that id."""
        return await self._one(drops.c.id == id_)

    async def _one(self, where: sa.ColumnElement[bool]) -> Drop | None:
        async with self._database.read() as connection:
            row = (await connection.execute(sa.select(drops).where(where))).first()
            return _drop(row) if row else None

    async def due(self, now: datetime) -> list[tuple[Drop, str | None]]:
        """Return the drops to look at now, each with a week that was begun but not finished.

        Drops of members who paused are left alone. What a clock that was ahead has written is not
        believed: no drop sleeps longer than its week, and weeks to come were not begun.
        """
        this_week = f"{now + timedelta(days=1):%G-W%V}"  # by the first calendar that shows it
        begun = (
            sa.select(sa.func.max(drop_issues.c.week))
            .where(
                drop_issues.c.drop_id == drops.c.id,
                drop_issues.c.state == State.OPEN.value,
                drop_issues.c.week <= this_week,
            )
            .scalar_subquery()
        )
        query = (
            sa.select(drops, begun.label("begun"))
            .select_from(drops.outerjoin(members, drops.c.member_id == members.c.id))
            .where(
                drops.c.active,
                (drops.c.wake_at <= now) | (drops.c.wake_at > now + LONGEST_SLEEP),
                sa.func.coalesce(members.c.paused, False) == sa.false(),
            )
            .order_by(drops.c.wake_at, drops.c.id)
        )
        async with self._database.read() as connection:
            result = await connection.execute(query)
            return self._database.readable(drops, result, lambda row: (_drop(row), row.begun))

    async def soon(self, now: datetime, until: datetime) -> list[Drop]:
        """Return members' drops that are looked at between now and then; of none who paused."""
        query = (
            sa.select(drops)
            .join(members, drops.c.member_id == members.c.id)
            .where(drops.c.active, ~members.c.paused, drops.c.wake_at.between(now, until))
            .order_by(drops.c.wake_at, drops.c.id)
        )
        async with self._database.read() as connection:
            return self._database.readable(drops, await connection.execute(query), _drop)

    async def wake(self, id_: int, at: datetime) -> None:
        """Leave a drop alone until then."""
        async with self._database.write() as connection:
            await connection.execute(drops.update().where(drops.c.id == id_).values(wake_at=at))

    async def claim(
        self,
        drop: Drop,
        week: str,
        token: str,
        now: datetime,
        *,
        until: datetime,
        following: datetime,
    ) -> Issue | None:
        """Take a week's issue of a drop for one process, until its lease ends.

        Parameters
        ----------
        token : str
            Identifies the process that holds the lease.
        until : datetime
            When another process may take it.
        following : datetime
            When the drop is due next, in case this week's is already finished.

        Returns
        -------
        Issue or None
            None if it is finished, another process holds it, or the drop is gone.
        """
        async with self._database.write() as connection:
            kept = await connection.execute(
                sa.select(drops).where(drops.c.id == drop.id).with_for_update()
            )
            if (row := kept.first()) is None:
                return None
            await connection.execute(
                self._database.insert(drop_issues)
                .values(
                    drop_id=drop.id,
                    week=week,
                    state=State.OPEN.value,
                    token="",
                    leased_until=now,
                    failures=0,
                    at=now,
                )
                .on_conflict_do_nothing()
            )
            issue = (
                await connection.execute(
                    sa.select(drop_issues).where(
                        drop_issues.c.drop_id == drop.id, drop_issues.c.week == week
                    )
                )
            ).one()
            leased = now < issue.leased_until <= now + LONGEST_PAUSE
            free = issue.state == State.OPEN.value and not leased
            wake = until if free else following if issue.state != State.OPEN.value else None
            if wake is not None:
                await connection.execute(
                    drops.update().where(drops.c.id == drop.id).values(wake_at=wake)
                )
            if not free:
                return None
            await connection.execute(
                drop_issues.update()
                .where(drop_issues.c.id == issue.id)
                .values(token=token, leased_until=until)
            )
            posts = await _posts(connection, issue.id)
            return _issue(issue, _drop(row), token, posts)

    async def compose(
        self,
        issue: Issue,
        posts: Sequence[Post],
        at: datetime,
        *,
        answers: Mapping[str, Answer],
        arms: Mapping[str, str],
    ) -> Issue:
        """Keep the content of an issue, and that it was recommended to its member.

        All of it, or nothing if the drop was deleted meanwhile.

        Parameters
        ----------
        answers : mapping of id to Answer
            The answers that `posts` feature.
        arms : mapping of track id to arm
            The arm of `musrec.recommend.hybrid.ARMS` that chose each song, if known.
        """
        async with self._database.write() as connection:
            if answers:
                kept = [
                    {
                        "id": id_,
                        "member_id": issue.drop.member,
                        "body": codec.pack_answer(answer),
                        "at": at,
                    }
                    for id_, answer in answers.items()
                ]
                await connection.execute(schema.answers.insert(), kept)
            rows = [
                {
                    "issue_id": issue.id,
                    "position": post.position,
                    "part": post.part.value,
                    "words": post.words,
                    "track_id": post.track,
                    "answer_id": post.answer,
                }
                for post in posts
            ]
            await connection.execute(drop_posts.insert(), rows)
            # An issue that waited for answers is as old as what was made of them.
            await connection.execute(
                drop_issues.update().where(drop_issues.c.id == issue.id).values(at=at, failures=0)
            )
            if listeners := [
                {"issue_id": issue.id, "position": post.position, "member_id": member}
                for post in posts
                for member in post.listeners
            ]:
                await connection.execute(drop_listeners.insert(), listeners)
            picked = [post.track for post in posts if post.track]
            if picked and issue.drop.member:
                await connection.execute(
                    recommendations.insert(),
                    [
                        {
                            "member_id": issue.drop.member,
                            "track_id": id_,
                            "at": at,
                            "blend": arms.get(id_),
                        }
                        for id_ in picked
                    ],
                )
        return replace(issue, posts=tuple(posts), failures=0, began=at)

    async def begin_post(
        self, issue: Issue, position: int, now: datetime, *, until: datetime
    ) -> bool:
        """Mark that a message is about to be posted, and renew the lease.

        Returns
        -------
        bool
            False if another process has taken the issue over: do not post.
        """
        async with self._database.write() as connection:
            renewed = await connection.execute(
                drop_issues.update()
                .where(drop_issues.c.id == issue.id, drop_issues.c.token == issue.token)
                .values(leased_until=until)
            )
            if not renewed.rowcount:
                return False
            await connection.execute(
                drops.update().where(drops.c.id == issue.drop.id).values(wake_at=until)
            )
            await connection.execute(
                drop_posts.update().where(*_is_post(issue, position)).values(began_at=now)
            )
            return True

    async def end_post(self, issue: Issue, position: int, message: str) -> None:
        """Mark that a message was posted, even if another process has taken the issue over."""
        async with self._database.write() as connection:
            await connection.execute(
                drop_posts.update().where(*_is_post(issue, position)).values(message_id=message)
            )
            await connection.execute(
                drop_issues.update().where(drop_issues.c.id == issue.id).values(failures=0)
            )

    async def skip_post(self, issue: Issue, position: int) -> None:
        """Leave out a message whose song was deleted since."""
        async with self._database.write() as connection:
            await connection.execute(drop_posts.delete().where(*_is_post(issue, position)))

    async def finish(
        self, issue: Issue, state: State, following: datetime, *, pause: str = "", after: int = 1
    ) -> bool | None:
        """Mark how an issue ended; the drop sleeps until `following`, or is paused, all at once.

        Parameters
        ----------
        pause : str, optional
            Why the drop is paused if so many issues in a row, `after`, ended like this.

        Returns
        -------
        bool or None
            Whether the drop was paused; None if another process has taken the issue over, or it is
            gone.
        """
        ended = (
            sa.select(drop_issues.c.state)
            .where(drop_issues.c.drop_id == issue.drop.id)
            .order_by(drop_issues.c.week.desc())
            .limit(after)
        )
        of_drop: dict[str, Any] = {"wake_at": following}
        async with self._database.write() as connection:
            if not await _let_go(connection, issue, {"state": state.value}):
                return None
            if state is not State.FAILED:
                of_drop["trouble"] = ""
            last = (await connection.execute(ended)).scalars().all() if pause else []
            paused = len(last) == after and set(last) == {state.value}
            if paused:
                of_drop |= {"active": False, "trouble": pause}
            await connection.execute(
                drops.update().where(drops.c.id == issue.drop.id).values(of_drop)
            )
            return paused

    async def fail(self, issue: Issue, again_at: datetime) -> None:
        """Count a failure, and let the issue be claimed again, but not before that."""
        failed = {"leased_until": again_at, "failures": drop_issues.c.failures + 1}
        async with self._database.write() as connection:
            if await _let_go(connection, issue, failed):
                await connection.execute(
                    drops.update().where(drops.c.id == issue.drop.id).values(wake_at=again_at)
                )

    async def reopen(self, drop: int, week: str, now: datetime) -> bool:
        """Reopen a week's issue that ended without songs; return whether it had.

        Its questions are deleted; what had been decided before posting failed is kept.
        """
        ended = sa.select(drop_issues.c.id, drop_issues.c.state).where(
            drop_issues.c.drop_id == drop,
            drop_issues.c.week == week,
            drop_issues.c.state.in_((State.ASKED.value, State.FAILED.value)),
        )
        async with self._database.write() as connection:
            issue = (await connection.execute(ended)).first()
            if issue is None:
                return False
            if issue.state == State.ASKED.value:
                await connection.execute(
                    drop_posts.delete().where(drop_posts.c.issue_id == issue.id)
                )
            await connection.execute(
                drop_issues.update()
                .where(drop_issues.c.id == issue.id)
                .values(state=State.OPEN.value, leased_until=now, failures=0, at=now)
            )
            return True

    async def trouble(self, id_: int, why: str, *, active: bool) -> None:
        """Note what is wrong with a drop, and whether it goes on coming."""
        async with self._database.write() as connection:
            await connection.execute(
                drops.update().where(drops.c.id == id_).values(active=active, trouble=why)
            )

    async def troubled(self) -> list[Drop]:
        """Return every drop with something wrong."""
        query = sa.select(drops).where(drops.c.trouble != "").order_by(drops.c.id)
        async with self._database.read() as connection:
            return self._database.readable(drops, await connection.execute(query), _drop)

    async def issue(self, drop: Drop, week: str) -> Issue | None:
        """Return a week's issue of a drop to look at; None if there is none yet."""
        async with self._database.read() as connection:
            row = (
                await connection.execute(
                    sa.select(drop_issues).where(
                        drop_issues.c.drop_id == drop.id, drop_issues.c.week == week
                    )
                )
            ).first()
            if row is None:
                return None
            posts = await _posts(connection, row.id)
            return _issue(row, drop, "", posts)

    async def previous(self, issue: Issue) -> datetime | None:
        """Return when the last issue with songs before this one was made."""
        query = sa.select(sa.func.max(drop_issues.c.at)).where(
            drop_issues.c.drop_id == issue.drop.id,
            drop_issues.c.week < issue.week,
            drop_issues.c.state == State.POSTED.value,
        )
        async with self._database.read() as connection:
            at = await connection.scalar(query)
            return utc(at) if at else None

    async def dropped(self, drop: int, since: datetime) -> set[str]:
        """Return the tracks that were in a drop since then."""
        query = (
            sa.select(drop_posts.c.track_id)
            .join(drop_issues, drop_posts.c.issue_id == drop_issues.c.id)
            .where(
                drop_issues.c.drop_id == drop,
                drop_issues.c.at >= since,
                drop_posts.c.track_id.is_not(None),
            )
        )
        async with self._database.read() as connection:
            return set((await connection.execute(query)).scalars())

    async def mixtape_members(self, drop: int) -> list[str]:
        """Return the members whose likes a mixtape may use, except those who paused."""
        query = (
            sa.select(mixtape_members.c.member_id)
            .join(members, members.c.id == mixtape_members.c.member_id)
            .where(mixtape_members.c.drop_id == drop, ~members.c.paused)
        )
        async with self._database.read() as connection:
            return list((await connection.execute(query.order_by(members.c.id))).scalars())

    async def join_mixtape(self, drop: int, member: str, *, there: bool) -> None:
        """Note that a mixtape may use a member's likes, or no longer may.

        Raises
        ------
        NotFound
            The mixtape is gone.
        Paused
            The member wants to join, but paused.
        """
        here = sa.select(drops.c.id).where(drops.c.id == drop)
        row = {"drop_id": drop, "member_id": member}
        async with self._database.write() as connection:
            if there:
                if await connection.scalar(here) is None:
                    raise NotFound("That mixtape is no longer made.", "`/mixtape on` starts one.")
                await meet_unless_paused(self._database, connection, member)
                insert = self._database.insert(mixtape_members).values(row)
                await connection.execute(insert.on_conflict_do_nothing())
            else:
                await connection.execute(
                    mixtape_members.delete().where(
                        mixtape_members.c.drop_id == drop, mixtape_members.c.member_id == member
                    )
                )

    async def rate(self, issue: int, member: str, stars: int, at: datetime) -> int | None:
        """Keep how well an issue suited a member; the same stars again take the rating back.

        Returns
        -------
        int or None
            What is kept now. None also if the issue is gone.

        Raises
        ------
        Paused
            The member paused; taking a rating back is always possible.
        """

        async def job(connection: AsyncConnection) -> int | None:
            here = (drop_ratings.c.issue_id == issue, drop_ratings.c.member_id == member)
            if await connection.scalar(sa.select(drop_ratings.c.stars).where(*here)) == stars:
                await connection.execute(drop_ratings.delete().where(*here))
                return None
            there = sa.select(drop_issues.c.id).where(drop_issues.c.id == issue)
            if await connection.scalar(there) is None:
                return None
            await meet_unless_paused(self._database, connection, member)
            row = {"issue_id": issue, "member_id": member, "stars": stars, "at": at}
            insert = self._database.insert(drop_ratings).values(row)
            await connection.execute(
                insert.on_conflict_do_update(index_elements=["issue_id", "member_id"], set_=row)
            )
            return stars

        return await self._database.write_together(job)

    async def ratings(self) -> list[Rating]:
        """Return every rating, oldest first."""
        # What was recommended for an issue bears the time at which its content was decided.
        arms = (
            sa.select(drop_ratings.c.issue_id, recommendations.c.blend)
            .join(drop_issues, drop_issues.c.id == drop_ratings.c.issue_id)
            .join(drop_posts, drop_posts.c.issue_id == drop_issues.c.id)
            .join(
                recommendations,
                (recommendations.c.track_id == drop_posts.c.track_id)
                & (recommendations.c.member_id == drop_ratings.c.member_id)
                & (recommendations.c.at == drop_issues.c.at),
            )
            .where(recommendations.c.blend.is_not(None))
            .distinct()
        )
        query = (
            sa.select(drop_ratings, drop_issues.c.week, drops.c.guild_id)
            .join(drop_issues, drop_issues.c.id == drop_ratings.c.issue_id)
            .join(drops, drops.c.id == drop_issues.c.drop_id)
            .order_by(drop_ratings.c.at)
        )
        async with self._database.read() as connection:
            chosen: dict[int, set[str]] = {}
            for issue, arm in await connection.execute(arms):
                chosen.setdefault(issue, set()).add(arm)

            def rating(row: Any) -> Rating:
                arms_ = frozenset(chosen.get(row.issue_id, ()))
                mixtape = row.guild_id is not None
                return Rating(row.member_id, row.week, mixtape, row.stars, arms_)

            result = await connection.execute(query)
            return self._database.readable(drop_ratings, result, rating)


async def _let_go(connection: AsyncConnection, issue: Issue, values: Mapping[str, Any]) -> bool:
    held = await connection.execute(
        drop_issues.update()
        .where(drop_issues.c.id == issue.id, drop_issues.c.token == issue.token)
        .values(values)
    )
    return held.rowcount > 0


def _drop(row: Any) -> Drop:
    ZoneInfo(row.zone)  # raises if there is no such zone, or no longer
    return Drop(
        member=row.member_id,
        guild=row.guild_id,
        schedule=Schedule(row.weekday, row.hour, row.zone),
        since=row.since,
        channel=row.channel_id,
        home=row.home_id,
        size=row.size,
        adventurous=row.adventurous,
        active=row.active,
        trouble=row.trouble,
        id=row.id,
    )


def _issue(row: Any, drop: Drop, token: str, posts: tuple[Post, ...]) -> Issue:
    return Issue(row.id, drop, row.week, State(row.state), token, row.failures, row.at, posts)


def _is_post(issue: Issue, position: int) -> tuple[sa.ColumnElement[bool], ...]:
    return drop_posts.c.issue_id == issue.id, drop_posts.c.position == position


async def _posts(connection: AsyncConnection, issue: int) -> tuple[Post, ...]:
    listeners: dict[int, list[str]] = {}
    for row in await connection.execute(
        sa.select(drop_listeners)
        .where(drop_listeners.c.issue_id == issue)
        .order_by(drop_listeners.c.member_id)
    ):
        listeners.setdefault(row.position, []).append(row.member_id)
    rows = await connection.execute(
        sa.select(drop_posts).where(drop_posts.c.issue_id == issue).order_by(drop_posts.c.position)
    )
    return tuple(
        Post(
            row.position,
            Part(row.part),
            row.words,
            row.track_id,
            row.answer_id,
            tuple(listeners.get(row.position, ())),
            row.began_at,
            row.message_id,
        )
        for row in rows
    )
