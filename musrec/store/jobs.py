"""Work that any process may do, each job by one of them at a time.

A job is `waiting`, `running` under the token of whoever does it, `done`, or `dead` after too many
tries. A process that dies leaves a lease that runs out, and another one does the job again: jobs
are such that twice is no harm. Every instant is the database's: see `Database.now`.

On PostgreSQL jobs wait for no other writer: a claim passes over what another one has locked
(``FOR UPDATE SKIP LOCKED``), and whoever locks several jobs does so in the order of their keys.
SQLite has one writer, and its statements lock nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from musrec.catalogue.model import DeadJob, Job, JobKind, JobState
from musrec.model import Track
from musrec.store.database import IN_CHUNK, Database
from musrec.store.schema import jobs

TRIES = 5
"""How often a job is tried before it is given up."""

FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=10), timedelta(hours=3)
"""Before a job that failed is tried again; from one to the next, three times as long."""

DONE_FOR, WAITING_FOR, DEAD_FOR = timedelta(days=1), timedelta(days=1), timedelta(days=7)
"""How long a job stays in the table that is done, that nobody takes, or that was given up."""

_STALE = {JobState.DONE: DONE_FOR, JobState.WAITING: WAITING_FOR, JobState.DEAD: DEAD_FOR}


class Jobs:
    """Jobs of all processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self,
        kind: JobKind,
        wanted: Iterable[tuple[str, Track | None]],
        *,
        urgency: int,
        place: str | None = None,
    ) -> None:
        """Let some process do jobs: those whose key is in the table already stay as they are.

        Parameters
        ----------
        wanted : iterable of (str, Track or None)
            Key of each job, and the song that it is about.
        urgency : int
            The lowest is done first.
        place : str, optional
            The machine whose processes alone can do it.
        """
        listed = sorted(wanted, key=itemgetter(0))
        if not listed:
            return
        await self._sweep()
        async with self._database.write_apart() as connection:
            now = await self._database.now(connection)
            rows = [_row(kind, *one, now, urgency=urgency, place=place) for one in listed]
            await connection.execute(self._database.insert(jobs).on_conflict_do_nothing(), rows)

    async def known(self, kind: JobKind, keys: Collection[str]) -> set[str]:
        """Return those keys of which there is a job, in whatever state."""
        listed, found = list(keys), set[str]()
        async with self._database.read() as connection:
            for start in range(0, len(listed), IN_CHUNK):
                part = jobs.c.key.in_(listed[start : start + IN_CHUNK])
                query = sa.select(jobs.c.key).where(jobs.c.kind == kind.value, part)
                found |= set((await connection.execute(query)).scalars())
        return found

    async def take(
        self, kind: JobKind, wanted: Sequence[tuple[str, Track]], token: str, lease: timedelta
    ) -> set[str]:
        """Begin jobs that this process does at once; return the keys of those nobody else does.

        If it dies, they wait for another process once the lease is over.
        """
        if not wanted:
            return set()
        await self._sweep()
        async with self._database.write_apart() as connection:
            now = await self._database.now(connection)
            until = now + lease
            rows = [
                _row(kind, key, track, until, urgency=0) | _running(token, until)
                for key, track in sorted(dict(wanted).items(), key=itemgetter(0))
            ]
            insert = self._database.insert(jobs).values(rows)
            values = {
                name: insert.excluded[name] for name in rows[0] if name not in ("kind", "key")
            }
            free = (jobs.c.state != JobState.RUNNING.value) | (jobs.c.due_at <= now)
            mine = insert.on_conflict_do_update(
                index_elements=["kind", "key"], set_=values, where=free
            )
            return set((await connection.execute(mine.returning(jobs.c.key))).scalars())

    async def is_running(self, kind: JobKind, key: str) -> bool:
        """Whether a process does that job now."""
        async with self._database.read() as connection:
            now = await self._database.now(connection)
            query = sa.select(jobs.c.id).where(
                jobs.c.kind == kind.value,
                jobs.c.key == key,
                jobs.c.state == JobState.RUNNING.value,
                jobs.c.due_at > now,
            )
            return (await connection.execute(query)).first() is not None

    async def claim(self, token: str, place: str, lease: timedelta) -> Job | None:
        """Begin the most urgent job that is due and can be done at a place; None if there is none.

        One whose process died counts as a try that failed.
        """
        if not self._database.is_postgres and not await self._any_due(place):
            return None  # without a turn at writing
        async with self._database.write_apart() as connection:
            now = await self._database.now(connection)
            due = sa.select(jobs).where(_due(now, place))
            order = jobs.c.urgency, jobs.c.due_at, jobs.c.id
            first = due.order_by(*order).limit(1).with_for_update(skip_locked=True)
            row = (await connection.execute(first)).first()
            if row is None:
                return None
            tries = row.tries + (row.state == JobState.RUNNING.value)
            if tries >= TRIES:
                why = "The process that did it died, each time."
                dead = {"state": JobState.DEAD.value, "due_at": now, "tries": tries, "why": why}
                await connection.execute(jobs.update().where(jobs.c.id == row.id).values(dead))
                return None
            values = {**_running(token, now + lease), "tries": tries}
            await connection.execute(jobs.update().where(jobs.c.id == row.id).values(values))
        return Job(row.id, JobKind(row.kind), row.key, _track(row.body), token)

    async def _any_due(self, place: str) -> bool:
        async with self._database.read() as connection:
            now = await self._database.now(connection)
            query = sa.select(jobs.c.id).where(_due(now, place)).limit(1)
            return (await connection.execute(query)).first() is not None

    async def renew(self, token: str, lease: timedelta) -> None:
        """Keep what runs under a token for longer."""
        async with self._database.write_apart() as connection:
            until = await self._database.now(connection) + lease
            await connection.execute(_locked(*_of(token)).values(due_at=until))

    async def done(
        self,
        token: str,
        keys: Collection[str] | None = None,
        *,
        outcome: Mapping[str, Any] | None = None,
    ) -> None:
        """Note that what runs under a token is done: those keys, or all of it.

        Parameters
        ----------
        outcome : mapping, optional
            What came of it, for `outcome`.
        """
        body = dict(outcome or {})
        await self._end(token, keys, state=JobState.DONE.value, body=body, why="")

    async def outcome(self, kind: JobKind, key: str) -> dict[str, Any]:
        """Return what came of a job; empty if nothing did, or it is not done."""
        query = sa.select(jobs.c.body).where(
            jobs.c.kind == kind.value, jobs.c.key == key, jobs.c.state == JobState.DONE.value
        )
        async with self._database.read() as connection:
            return dict(await connection.scalar(query) or {})

    async def release(self, token: str, keys: Collection[str] | None = None) -> None:
        """Let any process do what was begun under a token, without counting it as a try."""
        await self._end(token, keys, state=JobState.WAITING.value)

    async def _end(self, token: str, keys: Collection[str] | None, **values: Any) -> None:
        where = _of(token) if keys is None else (*_of(token), jobs.c.key.in_(keys))
        async with self._database.write_apart() as connection:
            now = await self._database.now(connection)
            ended = {**values, "token": "", "due_at": now}
            await connection.execute(_locked(*where).values(ended))

    async def failed(self, job: Job, why: str) -> None:
        """Try a job again after a pause, or give it up with its reason after `TRIES`."""
        async with self._database.write_apart() as connection:
            now = await self._database.now(connection)
            query = sa.select(jobs.c.tries).where(jobs.c.id == job.id, *_of(job.token))
            if (before := await connection.scalar(query.with_for_update())) is None:
                return  # another process has taken it over
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 3**before)
            last = before + 1 >= TRIES
            values = {
                "state": (JobState.DEAD if last else JobState.WAITING).value,
                "due_at": now if last else now + pause,
                "tries": before + 1,
                "token": "",
                "why": why,
            }
            await connection.execute(jobs.update().where(jobs.c.id == job.id).values(values))

    async def _sweep(self) -> None:
        """Forget old jobs, in a transaction of its own: whoever holds those waits for no others."""
        async with self._database.write_apart() as connection:
            now = await self._database.now(connection)
            stale = [
                (jobs.c.state == state.value) & (jobs.c.due_at < now - kept)
                for state, kept in _STALE.items()
            ]
            old = sa.select(jobs.c.id).where(sa.or_(*stale)).with_for_update(skip_locked=True)
            await connection.execute(jobs.delete().where(jobs.c.id.in_(old)))

    async def counts(self) -> dict[JobKind, dict[JobState, int]]:
        """Return how many jobs of each kind are in each state; those done, of the last day."""
        query = sa.select(jobs.c.kind, jobs.c.state, sa.func.count()).group_by(
            jobs.c.kind, jobs.c.state
        )
        found: dict[JobKind, dict[JobState, int]] = {
            kind: dict.fromkeys(JobState, 0) for kind in JobKind
        }
        async with self._database.read() as connection:
            for kind, state, count in await connection.execute(query):
                found[JobKind(kind)][JobState(state)] = count
        return found

    async def dead(self) -> list[DeadJob]:
        """Return the jobs that were given up, the latest first."""
        query = sa.select(jobs).where(jobs.c.state == JobState.DEAD.value)
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(jobs.c.due_at.desc()))).all()
        return [
            DeadJob(JobKind(row.kind), _track(row.body), row.why, row.tries, row.due_at)
            for row in rows
        ]


def _row(
    kind: JobKind,
    key: str,
    track: Track | None,
    due: datetime,
    *,
    urgency: int,
    place: str | None = None,
) -> dict[str, Any]:
    return {
        "kind": kind.value,
        "key": key,
        "body": {} if track is None else asdict(track),
        "place": place,
        "urgency": urgency,
        "state": JobState.WAITING.value,
        "token": "",
        "due_at": due,
        "tries": 0,
        "why": "",
    }


def _running(token: str, until: datetime) -> dict[str, Any]:
    return {"state": JobState.RUNNING.value, "token": token, "due_at": until}


def _track(body: dict[str, Any]) -> Track | None:
    return Track(**{**body, "artists": tuple(body["artists"])}) if body else None


def _of(token: str) -> tuple[sa.ColumnElement[bool], ...]:
    return jobs.c.token == token, jobs.c.state == JobState.RUNNING.value


def _due(now: datetime, place: str) -> sa.ColumnElement[bool]:
    return sa.and_(
        jobs.c.state.in_((JobState.WAITING.value, JobState.RUNNING.value)),
        jobs.c.due_at <= now,
        jobs.c.place.is_(None) | (jobs.c.place == place),
    )


def _locked(*where: sa.ColumnElement[bool]) -> sa.Update:
    """Return an update of some jobs that are locked in the order of their keys."""
    ids = sa.select(jobs.c.id).where(*where).order_by(jobs.c.key).with_for_update()
    return jobs.update().where(jobs.c.id.in_(ids))
