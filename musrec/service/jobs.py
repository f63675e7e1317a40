"""Work for quiet times: planned by every process, each job done by one of them."""

from __future__ import annotations

import asyncio
import logging
import platform
import secrets
from collections.abc import Mapping
from datetime import timedelta
from itertools import islice
from typing import Any

from musrec.audio.cluster import Deaf
from musrec.catalogue.model import DeadJob, Job, JobKind, JobState, path_of
from musrec.model import ANALYSER_VERSION, MusrecError, SettingsError, StoreError
from musrec.service.drops import Drops
from musrec.service.live import Live
from musrec.service.outside import Outside
from musrec.service.songs import Songs
from musrec.settings import Settings
from musrec.store import Store

STARTERS = 24
"""Starter songs, and previews to be heard again, planned per hour: all 409 within a day."""

FILES = 4_000
"""Files to be heard again, planned per hour: about as many as one process hears in one."""

LEASE = timedelta(minutes=1)
"""How long a job stays with a process that gives no sign of life."""

PLAN_SECONDS = 3600.0
"""How often jobs are planned."""

LOOK_SECONDS = 1.0
"""How often a process that has nothing to do looks for a job."""

AWAY_SECONDS = 10.0
"""Pause before a database that does not answer is asked for a job again."""

_SOON, _LATER = 1, 2
"""Urgency: what members asked for, under way when its process ended, comes before both."""

_log = logging.getLogger(__name__)


class Jobs:
    """What is to be done in quiet times."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        live: Live,
        outside: Outside,
        songs: Songs,
        drops: Drops,
    ) -> None:
        self._settings = settings
        self._store = store
        self._live = live
        self._outside = outside
        self._songs = songs
        self._drops = drops
        self._place = platform.node()

    async def counts(self) -> Mapping[JobKind, Mapping[JobState, int]]:
        """Return how many jobs of each kind are in each state; those done, of the last day."""
        return await self._store.jobs.counts()

    async def dead(self) -> list[DeadJob]:
        """Return the jobs that were given up in the last week and why, the latest first."""
        return await self._store.jobs.dead()

    # Planning ---------------------------------------------------------------------------------

    async def plan(self) -> None:
        """Put into the table what the next hour is for; any number of processes may do so.

        That is songs that an older analyser or encoder heard: up to `FILES` whose file is on this
        machine, and up to `STARTERS` previews. Then as many starter songs, and one look for songs
        around what members liked. With ``catalogue.explore_per_day = 0`` it is the files alone.
        """
        await self._plan_again()
        if self._settings.catalogue.explore_per_day:
            waiting = await self._store.analyses.unheard_starters()
            fresh = await self._fresh(JobKind.HEAR, waiting)
            starters = await self._store.tracks.many(fresh[:STARTERS])
            await self._store.jobs.add(JobKind.HEAR, starters.items(), urgency=_LATER)
            now = (await self._store.database.clock())()
            await self._store.jobs.add(
                JobKind.EXPLORE, [(f"{now:%Y-%m-%d %H}", None)], urgency=_SOON
            )

    async def _plan_again(self) -> None:
        encoder = self._live.encoder
        digest = None if encoder is None else encoder.digest
        keys = {
            f"{id_} {ANALYSER_VERSION} {digest}": (id_, origin, path)
            for id_, origin, path in await self._songs.waiting()
        }
        fresh = await self._fresh(JobKind.AGAIN, list(keys))

        def here() -> list[str]:
            paths = ((key, keys[key][2]) for key in fresh)
            there = (key for key, path in paths if path is not None and path_of(path).exists())
            return list(islice(there, FILES))

        files = await asyncio.to_thread(here)
        previews = (key for key in fresh if keys[key][2] is None)
        online = [key for key in previews if keys[key][1].startswith("preview:")]
        if not self._settings.catalogue.explore_per_day:
            online = []
        for some, place in ((files, self._place), (online[:STARTERS], None)):
            tracks = await self._store.tracks.many(keys[key][0] for key in some)
            wanted = [(key, tracks[keys[key][0]]) for key in some if keys[key][0] in tracks]
            await self._store.jobs.add(JobKind.AGAIN, wanted, urgency=_SOON, place=place)

    async def _fresh(self, kind: JobKind, keys: list[str]) -> list[str]:
        """Return those keys of which there is no job."""
        known = await self._store.jobs.known(kind, keys)
        return [key for key in keys if key not in known]

    # Working ----------------------------------------------------------------------------------

    async def work(
        self, *, side_by_side: int | None = 1, until_empty: bool = False, first_plan: float = 0.0
    ) -> int:
        """Plan every hour, and do jobs while no question is under way.

        Parameters
        ----------
        side_by_side : int, optional
            Jobs at once; None for as many as clips are heard at once, which on a cluster grows with
            its workers.
        until_empty : bool
            Plan once, and return when no job is due; else it goes on until it is cancelled.
        first_plan : float
            Seconds before jobs are planned for the first time.

        Returns
        -------
        int
            How many jobs were done.

        Raises
        ------
        StoreError, Busy, SettingsError
            The database cannot be used, nothing hears, or there is no such cluster; only with
            `until_empty`, else it is tried again.
        """
        token = secrets.token_hex(8)
        if until_empty:
            await self.plan()
        others = [asyncio.create_task(self._renew(token))]
        if not until_empty:
            others.append(asyncio.create_task(self._plan_hourly(first_plan)))
        workers: list[asyncio.Task[int]] = []
        try:
            return await self._staffed(workers, side_by_side, token, until_empty=until_empty)
        finally:
            for task in (*others, *workers):
                task.cancel()
            await asyncio.gather(*others, *workers, return_exceptions=True)

    async def _staffed(
        self,
        workers: list[asyncio.Task[int]],
        side_by_side: int | None,
        token: str,
        *,
        until_empty: bool,
    ) -> int:
        """Do jobs, by more workers as more can be heard; return how many when none is due."""
        if side_by_side is None:
            try:
                await self._outside.ears()  # a cluster tells how many it hears once it is asked
            except SettingsError:
                if until_empty:
                    raise
        while not any(worker.done() for worker in workers):
            for _ in range(len(workers), side_by_side or max(1, self._outside.places)):
                work = self._work(token, until_empty=until_empty)
                workers.append(asyncio.create_task(work))
            look = None if side_by_side else LOOK_SECONDS
            await asyncio.wait(workers, timeout=look, return_when=asyncio.FIRST_COMPLETED)
        return sum(await asyncio.gather(*workers))

    async def _plan_hourly(self, first: float) -> None:
        await asyncio.sleep(first)
        while True:
            try:
                await self.plan()
            except StoreError as error:
                _log.warning("nothing is planned", extra={"why": str(error)})
            await asyncio.sleep(PLAN_SECONDS)

    async def _renew(self, token: str) -> None:
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            try:
                await self._store.jobs.renew(token, LEASE)
            except StoreError as error:
                _log.warning("leases are not renewed", extra={"why": str(error)})

    async def _work(self, token: str, *, until_empty: bool) -> int:
        done, away = 0, False
        while True:
            job = None
            try:
                if self._outside.idle:
                    job = await self._store.jobs.claim(token, self._place, LEASE)
                if job is not None:
                    done += await self._do(job)
                elif until_empty and self._outside.idle:
                    return done
                away = False
            except (StoreError, Deaf, SettingsError) as error:
                if until_empty:
                    raise
                if not away:  # one line, however long it lasts
                    _log.warning("no jobs are done", extra={"why": str(error)})
                away = True
            if job is None or away:
                await asyncio.sleep(AWAY_SECONDS if away else LOOK_SECONDS)

    async def _do(self, job: Job) -> bool:
        """Do a job; return whether it went well."""
        keys = [job.key]
        try:
            outcome = await self._outcome(job)
        except StoreError:
            raise  # its lease will be over
        except (Deaf, SettingsError):  # no fault of the job
            await self._store.jobs.release(job.token, keys)
            raise
        except (MusrecError, TimeoutError) as error:
            why = str(error) or "A service did not answer in time."
            _log.info("%s failed (%s)", job.track or job.key, why)
            await self._store.jobs.failed(job, why)
            return False
        except asyncio.CancelledError:
            await asyncio.shield(self._store.jobs.release(job.token, keys))
            raise
        except Exception:  # noqa: BLE001 - one job must not stop the others
            _log.exception("a job failed", extra={"kind": job.kind, "key": job.key})
            await self._store.jobs.failed(job, "Something went wrong; the log says what.")
            return False
        await self._store.jobs.done(job.token, keys, outcome=outcome)
        return True

    async def _outcome(self, job: Job) -> Mapping[str, Any]:
        if job.kind is JobKind.DROP:
            return await self._drops.compose_ahead(job)
        await self._songs.do(job)
        return {}
