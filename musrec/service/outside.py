"""Worker processes that hear and services on the network, each opened when first needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

from musrec.audio.encoder import Encoder
from musrec.audio.workers import Ears
from musrec.model import Busy, NotFound
from musrec.settings import Settings
from musrec.sources import Deadline, Endpoints, Found, Missing, Preview, Sources
from musrec.store import Store

if TYPE_CHECKING:
    import subprocess

P = TypeVar("P", Found, Preview)

LEEWAY = 2.5
"""Seconds beyond a question's budget in which its answer is chosen, drawn and sent."""

_BUDGET: ContextVar[Deadline | None] = ContextVar("budget", default=None)


class Outside:
    """What the service needs beyond its own process."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        endpoints: Endpoints | None,
        encoder: Encoder | None,
        worker: subprocess.Popen[bytes] | None,
        stack: AsyncExitStack,
    ) -> None:
        self._settings = settings
        self._encoder = encoder
        self._worker = worker
        self._store = store
        self._endpoints = endpoints
        self._stack = stack
        self._ears: Ears | None = None
        self._sources: Sources | None = None
        self._opening = asyncio.Lock()
        self._questions = 0

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: Settings,
        store: Store,
        endpoints: Endpoints | None,
        encoder: Encoder | None = None,
        worker: subprocess.Popen[bytes] | None = None,
    ) -> AsyncIterator[Outside]:
        """Open nothing yet; close whatever was opened at the end."""
        async with AsyncExitStack() as stack:
            yield cls(settings, store, endpoints, encoder, worker, stack)

    async def ears(self) -> Ears:
        """Return the processes that hear."""
        async with self._opening:
            if self._ears is None:
                ears = Ears(self._settings.workers, self._encoder, self._worker)
                self._ears = await self._stack.enter_async_context(ears)
            return self._ears

    async def sources(self) -> Sources:
        """Return the services on the network."""
        async with self._opening:
            if self._sources is None:
                sources = Sources(
                    self._settings.sources, cache=self._store.lookups, endpoints=self._endpoints
                )
                self._sources = await self._stack.enter_async_context(sources)
            return self._sources

    @property
    def places(self) -> int:
        """Clips that are heard side by side now; 1 while no cluster was asked yet."""
        if self._ears is not None:
            return self._ears.places
        workers = self._settings.workers
        return 1 if workers.scheduler else workers.count

    @property
    def clips(self) -> int:
        """Clips that are being heard, or wait for it."""
        return self._ears.clips if self._ears is not None else 0

    @property
    def refused(self) -> tuple[str, ...]:
        """Why workers of a cluster get no work, in sentences."""
        return self._ears.refused if self._ears is not None else ()

    async def hear_again(self) -> None:
        """Let workers of a cluster take in that this process hears with something new."""
        if self._ears is not None:
            await self._ears.look_again()

    async def warm(self) -> None:
        """Start the processes that hear."""
        await (await self.ears()).warm()

    def deadline(self) -> Deadline:
        """Return when a question's time ends: that of `budget`, else of one that starts now."""
        return _BUDGET.get() or Deadline.within(self._settings.recommend.budget_seconds)

    @contextmanager
    def budget(self) -> Iterator[None]:
        """Let everything asked inside share one ``recommend.budget_seconds``."""
        token = _BUDGET.set(self.deadline())
        self._questions += 1
        try:
            yield
        finally:
            self._questions -= 1
            _BUDGET.reset(token)

    @asynccontextmanager
    async def promptly(self) -> AsyncIterator[None]:
        """Share one budget as in `budget`, and cancel what goes on `LEEWAY` beyond it.

        Inside another such block, that one's limit holds. What is `whole` is finished all the same.

        Raises
        ------
        Busy
            It was cancelled.
        """
        if _BUDGET.get() is not None:
            yield
            return
        limit = asyncio.timeout(self.deadline().left + LEEWAY)
        try:
            with self.budget():
                async with limit:
                    yield
        except TimeoutError:
            if not limit.expired():
                raise
            seconds = self._settings.recommend.budget_seconds + LEEWAY
            raise Busy(
                f"This takes longer than {seconds:.0f} seconds, so I stopped waiting.",
                "Try again in a minute.",
            ) from None

    @property
    def idle(self) -> bool:
        """Whether no question is under way: work that nobody waits for may go on."""
        return not self._questions


def present(answer: P | Missing) -> P:
    """Return what a service gave.

    Raises
    ------
    NotFound
        It is missing; the error says why and what to try.
    """
    if isinstance(answer, Missing):
        raise NotFound(answer.sentence, answer.hint)
    return answer
