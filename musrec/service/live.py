"""The engine that answers come from, kept up to date while the service is open."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

from musrec import space
from musrec.audio.encoder import Encoder
from musrec.catalogue import engine as engines
from musrec.catalogue.atlas import atlas
from musrec.catalogue.engine import Engine
from musrec.catalogue.model import Atlas
from musrec.columns import Tracks
from musrec.model import StoreError
from musrec.recommend import kept
from musrec.service import upkeep
from musrec.service.fits import REFIT_AFTER, Fits
from musrec.service.measures import Measures
from musrec.settings import Settings
from musrec.store import Store

if TYPE_CHECKING:
    from musrec.model import Catalogue, Feedback, FloatArray
    from musrec.recommend import Recommender
    from musrec.store.changes import Known

_log = logging.getLogger(__name__)

T = TypeVar("T")
P = ParamSpec("P")

NO_TAGGER = "Without the tagger, songs are compared by statistics of their sound alone."


class Live:
    """The current engine, the thread that it thinks in, work in the background, and counts."""

    def __init__(self, settings: Settings, store: Store, encoder: Encoder | None) -> None:
        self.encoder = encoder
        self.measures = Measures()
        self._settings = settings
        self._store = store
        self._origins = ("upload",) if settings.catalogue.starter else ("upload", "starter")
        self.engine: Engine
        self.seen = 0
        """Number of the newest change of the store that the engine knows."""
        self._recommender: Recommender | None = None
        self._read_until = 0
        self._fits = Fits(store)
        self._leaving = asyncio.Lock()
        # The recommender is not thread-safe: thumbs and answers queue for this one thread.
        self._thinking = ThreadPoolExecutor(1, thread_name_prefix="recommend")
        self._changing = asyncio.Lock()
        self._background: set[asyncio.Task[None]] = set()
        self._whole: set[asyncio.Task[Any]] = set()
        self._settling = False
        self._atlas: tuple[Atlas, Catalogue] | None = None
        self._found: dict[Callable[[Engine], Any], tuple[Any, Engine]] = {}

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: Settings, store: Store, encoder: Encoder | None = None
    ) -> AsyncIterator[Live]:
        """Open what can be recommended, up to date."""
        live = cls(settings, store, encoder)
        try:
            await live.reload()
            yield live
        finally:
            gc.unfreeze()
            live._thinking.shutdown()
            if hasattr(live, "engine"):
                live.engine.blocks.close()

    async def think(self, job: Callable[..., T], *args: object) -> T:
        """Run a job in the one thread where the recommender may be used."""
        return await asyncio.get_running_loop().run_in_executor(self._thinking, job, *args)

    @property
    def notes(self) -> tuple[str, ...]:
        """What limits every answer now, in sentences."""
        return () if self.engine.space.name == "full" else (NO_TAGGER,)

    async def recommender(self) -> Recommender:
        """Return the recommender, to be used in `think`; it is fitted when it is first needed."""
        if self._recommender is None:
            async with self._changing:
                if self._recommender is None:
                    self._recommender = await self._fitted(self.engine)
        return self._recommender

    async def _fitted(self, engine: Engine) -> Recommender:
        await upkeep.checked(self._store, engine, engines.PLACES_AND_SCALES)

        read_until = 0

        async def make(fit: bytes | None) -> Recommender:
            nonlocal read_until
            read_until = await self._store.changes.last()
            feedback = await self._store.feedback.events()
            served = await self._store.answers.served()
            return await self.think(engines.recommender, engine, feedback, served, fit)

        made = await self._fits.first(_recipe(engine), make)
        self._read_until = read_until
        # The catalogue stays. Going through it again in every full collection would hold up the
        # event loop for as long as half a second.
        gc.unfreeze()
        gc.freeze()
        return made

    async def reload(self) -> None:
        """Bring the catalogue up to date with the store, and read all feedback again."""
        async with self._changing:
            seen = await self._store.changes.last()
            await self._add_starter()
            opened = await upkeep.opened(self._settings, self._store, self.encoder, self._origins)
            fitted = self._recommender and await self._fitted(opened)
            if hasattr(self, "engine"):
                self.engine.blocks.close()
            self.engine, self._recommender, self.seen = opened, fitted, seen

    async def _add_starter(self) -> None:
        if "starter" in self._origins:
            return
        if await self._store.analyses.lacks(await asyncio.to_thread(space.starter_ids)):
            songs = await asyncio.to_thread(space.starter)
            await self._store.analyses.add_starter(songs.named())

    async def grow(self) -> None:
        """Make recommendable what the store has taken in since."""
        async with self._changing:
            try:
                engine = await upkeep.grown(self._store, self.engine, self._origins)
            except OSError as error:
                _log.warning("new songs cannot be recommended yet", extra={"why": str(error)})
                return
            if engine is not None:
                if self._recommender is not None:
                    await self.think(engines.extend, self._recommender, engine)
                self.engine = engine
        if engine is None:
            await self.reload()
        elif not engines.is_settled(engine.blocks) and not self._settling:
            self._settling = True
            self.spawn(self._settle())

    async def _settle(self) -> None:
        try:
            await upkeep.settled(self.engine)
        finally:
            self._settling = False

    async def atlas(self) -> tuple[Atlas, Catalogue]:
        """Return the catalogue as a map, laid out once, and the catalogue."""
        catalogue, known = self.engine.catalogue, self._atlas
        if known is None or known[1] is not catalogue:
            known = await asyncio.to_thread(atlas, catalogue), catalogue
            self._atlas = known
        return known

    async def once(self, job: Callable[[Engine], T]) -> T:
        """Return what a function finds in all songs, computed once until there are others."""
        engine, known = self.engine, self._found.get(job)
        if known is None or known[1] is not engine:
            known = self._found[job] = await asyncio.to_thread(job, engine), engine
        found: T = known[0]
        return found

    async def statistics(self) -> tuple[Mapping[str, int], FloatArray]:
        """Return the statistics of the catalogue: id to row, and shape (n, d)."""
        engine = self.engine
        await upkeep.checked(self._store, engine, ("statistics",))
        rows = Tracks.of(engine.catalogue.tracks).row_of
        return rows, engine.blocks["statistics"][: len(engine.catalogue)]

    async def read_until(self) -> int:
        """Return the number of the newest change that the recommender read with all feedback."""
        async with self._changing:
            return self._read_until

    async def change_opinions(
        self, learnt: Sequence[Feedback], forgotten: Sequence[Feedback] = ()
    ) -> None:
        """Let the next answer know what the store has just taken in, or no longer holds."""
        if not learnt and not forgotten:
            return
        async with self._changing:  # what is read again meanwhile may not know it yet
            if (recommender := self._recommender) is None:
                return  # it will read them
            await self.think(_change, recommender, learnt, forgotten)
        if recommender.unfitted >= REFIT_AFTER:
            again = self._fits.again(_recipe(self.engine), recommender, self._known)
            self.spawn(again)

    async def _known(self) -> Known:
        """Return which changes of the store the recommender knows."""
        async with self._leaving:  # a member who is deleted here is forgotten, too
            return await self._store.changes.known(self.seen)

    def take_over_fit(self) -> None:
        """Take over the fit that another process has made, in the background."""
        if self._recommender is not None:
            adopting = self._fits.adopt(_recipe(self.engine), self._recommender)
            self.spawn(adopting)

    @property
    def members(self) -> tuple[str, ...]:
        """The members that the recommender knows; none before it is first needed."""
        return () if self._recommender is None else self._recommender.members

    async def delete_member(self, member: str) -> bool:
        """Delete a member from the store, and let no answer know anything of them.

        Returns
        -------
        bool
            Whether there was one.
        """
        async with self._leaving:
            known = await self._store.members.delete(member)
            await self.forget_member(member)
        return known

    async def forget_member(self, member: str) -> None:
        """Let no answer know anything of a member that another process deleted."""
        async with self._changing:
            if self._recommender is not None:
                await self.think(self._recommender.forget_member, member)

    def spawn(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a job that may outlive its question; it ends with the service.

        It is given up if the database does not answer: nothing waits for it.
        """
        task = asyncio.create_task(_unless_away(job))
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def run_whole(self, job: Coroutine[Any, Any, T]) -> T:
        """Run a job to its end, even if its caller is cancelled meanwhile."""
        task = asyncio.create_task(job)
        self._whole.add(task)
        task.add_done_callback(self._whole.discard)
        return await asyncio.shield(task)

    async def end_background(self) -> None:
        """Cancel what still runs in the background, and wait until all has ended."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, *self._whole, return_exceptions=True)


def _recipe(engine: Engine) -> str:
    """Return what fits are kept under: code, models and settings that they are made by."""
    return engine.blocks.recipe and f"{engine.blocks.recipe} {kept.form()}"


async def _unless_away(job: Coroutine[Any, Any, None]) -> None:
    try:
        await job
    except StoreError as error:
        _log.warning("work in the background is given up", extra={"why": str(error)})


class _HasLive(Protocol):
    _live: Live


S = TypeVar("S", bound=_HasLive)


def whole(
    method: Callable[Concatenate[S, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """Let a method that changes the store and the recommender change both, or neither.

    The time limit of a question, which cancels its caller, ends the waiting but not the method.
    """

    @wraps(method)
    async def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._live.run_whole(method(self, *args, **kwargs))

    return run


def _change(
    recommender: Recommender, learnt: Sequence[Feedback], forgotten: Sequence[Feedback]
) -> None:
    for event in forgotten:
        recommender.forget(event.member, event.track, event.kind)
    recommender.learn(learnt)
