"""The engine that answers come from, kept up to date while the service is open."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

import numpy as np

from musrec import space
from musrec.audio.encoder import Encoder
from musrec.audio.features import STATISTIC_NAMES
from musrec.catalogue import engine as engines
from musrec.catalogue.atlas import atlas
from musrec.catalogue.engine import Engine
from musrec.catalogue.model import Atlas
from musrec.settings import Settings
from musrec.store import Store

if TYPE_CHECKING:
    from musrec.model import Analysis, Catalogue, Feedback, FloatArray, Heard, Track
    from musrec.recommend import Recommender

T = TypeVar("T")
P = ParamSpec("P")

REFIT_AFTER = 25
"""Events before members are compared again; until then a thumb acts on its own member only."""

NO_TAGGER = "Without the tagger, songs are compared by statistics of their sound alone."


class Live:
    """The current engine, the thread that it thinks in, and work in the background."""

    def __init__(self, settings: Settings, store: Store, encoder: Encoder | None) -> None:
        self.encoder = encoder
        self._settings = settings
        self._store = store
        self.engine: Engine
        self.seen = 0
        """Number of the newest change of the store that the engine knows."""
        # The recommender is not thread-safe: thumbs and answers queue for this one thread.
        self._thinking = ThreadPoolExecutor(1, thread_name_prefix="recommend")
        self._changing = asyncio.Lock()
        self._background: set[asyncio.Task[None]] = set()
        self._whole: set[asyncio.Task[Any]] = set()
        self._atlas: tuple[Atlas, Catalogue] | None = None
        self._statistics: tuple[dict[str, int], FloatArray, Catalogue] | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: Settings, store: Store, encoder: Encoder | None = None
    ) -> AsyncIterator[Live]:
        """Load what can be recommended."""
        live = cls(settings, store, encoder)
        try:
            await live.reload()
            yield live
        finally:
            gc.unfreeze()
            live._thinking.shutdown()

    async def think(self, job: Callable[..., T], *args: object) -> T:
        """Run a job in the one thread where the recommender may be used."""
        return await asyncio.get_running_loop().run_in_executor(self._thinking, job, *args)

    @property
    def notes(self) -> tuple[str, ...]:
        """What limits every answer now, in sentences."""
        return () if self.engine.space.name == "full" else (NO_TAGGER,)

    async def reload(self) -> None:
        """Read the catalogue and all feedback again, and swap them in."""
        async with self._changing:
            seen = await self._store.changes.last()
            songs = await self._songs()
            feedback = await self._store.feedback.events()
            served = await self._store.answers.served()
            self.engine = await asyncio.to_thread(
                engines.build, songs, feedback, served, self.encoder
            )
            self.seen = seen
            # The catalogue stays. Going through it again in every full collection would hold up the
            # event loop for as long as half a second.
            gc.unfreeze()
            gc.freeze()

    async def _songs(self) -> list[tuple[Track, Analysis]]:
        store = self._store
        if not self._settings.catalogue.starter:
            return await store.analyses.songs(but_not=("upload", "starter"))
        songs = await store.analyses.songs(but_not=("upload",))
        starter = (await asyncio.to_thread(space.starter)).named()
        there = {track.id for track, _ in songs}
        if not there.issuperset(track.id for track, _ in starter):
            await store.analyses.add_starter(starter)
            songs = await store.analyses.songs(but_not=("upload",))
        return songs

    async def grow(self, heard: Sequence[Heard]) -> None:
        """Make newly heard songs recommendable."""
        async with self._changing:
            known = {track.id for track in self.engine.catalogue.tracks}
            fresh = [song for song in heard if song.track.id not in known]
            if fresh:
                self.engine = await self.think(engines.grown, self.engine, fresh)

    async def atlas(self) -> tuple[Atlas, Catalogue]:
        """Return the catalogue as a map, laid out once, and the catalogue."""
        catalogue, known = self.engine.catalogue, self._atlas
        if known is None or known[1] is not catalogue:
            known = await asyncio.to_thread(atlas, catalogue), catalogue
            self._atlas = known
        return known

    async def statistics(self) -> tuple[dict[str, int], FloatArray]:
        """Return the statistics of the catalogue, read once: id to row, and shape (n, d)."""
        catalogue, known = self.engine.catalogue, self._statistics
        if known is None or known[2] is not catalogue:
            found = await self._store.analyses.statistics()
            known = *(await asyncio.to_thread(_stacked, catalogue, found)), catalogue
            self._statistics = known
        return known[0], known[1]

    async def change_opinions(
        self, learnt: Sequence[Feedback], forgotten: Sequence[Feedback] = ()
    ) -> None:
        """Let the next answer know what the store has just taken in, or no longer holds."""
        if not learnt and not forgotten:
            return
        async with self._changing:  # what is read again meanwhile may not know it yet
            await self.think(_change, self.engine.recommender, learnt, forgotten)
        recommender = self.engine.recommender
        if recommender.unfitted >= REFIT_AFTER:
            self.spawn(asyncio.to_thread(recommender.refit))

    async def forget_member(self, member: str) -> None:
        """Let no answer know anything of a member."""
        async with self._changing:
            await self.think(self.engine.recommender.forget_member, member)

    def spawn(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a job that may outlive its question; it ends with the service."""
        task = asyncio.create_task(job)
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


def _stacked(
    catalogue: Catalogue, statistics: Mapping[str, FloatArray]
) -> tuple[dict[str, int], FloatArray]:
    width = len(STATISTIC_NAMES)
    ids = [
        track.id
        for track in catalogue.tracks
        if track.id in statistics and len(statistics[track.id]) == width
    ]
    rows = np.empty((len(ids), width), np.float32)
    for row, id_ in enumerate(ids):
        rows[row] = statistics[id_]
    return {id_: row for row, id_ in enumerate(ids)}, rows
