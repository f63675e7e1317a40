"""Members compared with each other: by one process on the store, for all of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from musrec.model import StoreError
from musrec.store import Store

if TYPE_CHECKING:
    from musrec.recommend import Recommender
    from musrec.store.changes import Known

_log = logging.getLogger(__name__)

REFIT_AFTER = 25
"""Events before members are compared again; until then a thumb acts on its own member only."""

SLIGHT = 0.01
"""Share of its events that a fit may lack where one is needed at once: then it is not made again,
unless `REFIT_AFTER` of them are lacking."""

PATIENCE = 30.0
"""Seconds for which another process's fit is waited for before this one makes its own."""

TRIES = 3
"""How often a fit is made again because a member had everything deleted while it was made."""

PAUSE_SECONDS = 1.0
"""Pause before that, in which this process hears of the deletion."""

_Make = Callable[["bytes | None"], Awaitable["Recommender"]]


class Fits:
    """Gives the recommender of a process its fits.

    One process makes a fit at a time, and keeps it in the store; the others wait for it and read
    it. A process that dies meanwhile no longer holds them up.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._busy = asyncio.Lock()
        self._id = 0  # of the fit in use, or the last one that was

    async def first(self, recipe: str, make: _Make) -> Recommender:
        """Return a new recommender with a fit: one that is kept and fresh, else its own.

        Parameters
        ----------
        recipe : str
            What fits are good for, here and in other processes; "" to share none.
        make : callable
            Reads all feedback and makes the recommender, with a fit that is kept or its own.
        """
        if not recipe:
            return await make(None)
        if (made := await self._fresh(recipe, make)) is not None:
            return made
        async with self._alone():
            if (made := await self._fresh(recipe, make)) is not None:
                return made
            known = await self._store.changes.known(await self._store.changes.last())
            recommender = await make(None)
            await self._keep(recipe, recommender, known)
            return recommender

    async def again(
        self, recipe: str, recommender: Recommender, known: Callable[[], Awaitable[Known]]
    ) -> None:
        """Give a recommender that has learned much since its fit a new one.

        Parameters
        ----------
        known : callable
            Returns which changes the recommender knows.
        """
        async with self._busy:
            if recommender.unfitted < REFIT_AFTER:
                return
            if not recipe or not recommender.hands_on:
                await asyncio.to_thread(recommender.refit)
                return
            for _ in range(TRIES):
                then = await known()
                async with self._alone():
                    # Another process may have made one meanwhile.
                    adopted = await self._adopt(recipe, recommender)
                    if adopted and recommender.unfitted < REFIT_AFTER:
                        return
                    await asyncio.to_thread(recommender.refit)
                    if await self._keep(recipe, recommender, then):
                        return
                await asyncio.sleep(PAUSE_SECONDS)

    async def adopt(self, recipe: str, recommender: Recommender) -> None:
        """Give a recommender the newest fit that another process has made."""
        async with self._busy:
            await self._adopt(recipe, recommender)

    async def _adopt(self, recipe: str, recommender: Recommender) -> bool:
        """Take over the newest fit that is kept; False if there is no newer one."""
        for _ in range(TRIES):  # again if a member leaves meanwhile
            departures = recommender.departures
            fit = await self._store.fits.newest(recipe)
            if fit is None or fit.id <= self._id:
                break
            data = await self._store.fits.read(fit.id)
            adopted = await asyncio.to_thread(
                recommender.adopt, data, departures=departures, unfitted=fit.unfitted
            )
            if adopted:
                self._id = fit.id
                return True
        return False

    async def _fresh(self, recipe: str, make: _Make) -> Recommender | None:
        """Return a recommender with the fit that is kept; None if there is none, or too old."""
        for _ in range(TRIES):
            fit = await self._store.fits.newest(recipe)
            if fit is None or fit.unfitted >= REFIT_AFTER or fit.unfitted > SLIGHT * fit.events:
                break
            recommender = await make(await self._store.fits.read(fit.id))
            if recommender.fitted_here:
                await self._store.fits.drop(fit.id)
                return recommender
            # One that is gone was deleted with a member, whose feedback was not read.
            if await self._store.fits.has(fit.id):
                self._id, recommender.unfitted = fit.id, fit.unfitted
                return recommender
        return None

    async def _keep(self, recipe: str, recommender: Recommender, known: Known) -> bool:
        """Keep a fit; False if it must not be, since a member had everything deleted meanwhile."""
        data = await asyncio.to_thread(recommender.packed)
        if data is None:
            return True
        try:
            kept = await self._store.fits.keep(recipe, data, recommender.events, known)
        except StoreError as error:
            _log.warning("a fit is not kept for other processes", extra={"why": str(error)})
            return True
        if kept is None:
            return False
        self._id = kept
        return True

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Let no other process make a fit meanwhile, unless one takes too long."""
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(PATIENCE):
                    await stack.enter_async_context(self._store.fits.alone())
            except (TimeoutError, StoreError) as error:
                _log.warning("members are compared by this process too", extra={"why": str(error)})
            yield
