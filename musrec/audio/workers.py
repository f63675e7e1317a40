"""Hearing off the event loop: in processes on this machine, or on a Dask cluster."""

from __future__ import annotations

import asyncio
import contextlib
import math
import pickle
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from musrec.audio import worker as child
from musrec.audio.cluster import Cluster
from musrec.model import Busy

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from types import TracebackType

    from musrec.audio.encoder import Encoder
    from musrec.audio.listen import Listened
    from musrec.settings import Workers

QUESTION_SECONDS = 8.0
"""What hearing one clip may take while a member waits: usually well under one second."""

_START_SECONDS = 120.0
_CROWDED = "Try again; if it fails again, the clip is damaged or this machine is overloaded."


class Ears:
    """Hears clips, as many at once as there are workers; an async context manager.

    Its `clips` are how many are being heard now, or wait for it.

    Each worker is one process (`musrec.audio.worker`); one that crashes, hangs or is killed is
    replaced without disturbing the others. Workers start with the first clip, or by `warm`.

    Parameters
    ----------
    settings : Workers
        ``scheduler``, if set, is the address of a Dask cluster to hear on instead; see
        `musrec.audio.cluster`.
    encoder : Encoder, optional
        Hears every clip too; on a cluster its file is at the same path of each machine.
    started : Popen, optional
        A process from `musrec.audio.worker.start`, to be the first worker.

    Examples
    --------
    >>> async with Ears(settings.workers) as ears:  # doctest: +SKIP
    ...     analysis = (await ears.hear(data)).analysis
    """

    def __init__(
        self,
        settings: Workers,
        encoder: Encoder | None = None,
        started: subprocess.Popen[bytes] | None = None,
    ) -> None:
        self._settings = settings
        self._encoder = encoder
        count = 0 if settings.scheduler else settings.count
        # The last of these hears first.
        self._workers = [_Worker(encoder) for _ in range(count - 1)]
        self._workers += [_Worker(encoder, started)] * min(count, 1)
        self._idle: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()  # the warmest first
        self._cluster: Cluster | None = None
        self.clips = 0

    async def __aenter__(self) -> Self:
        if self._settings.scheduler:
            self._cluster = await Cluster.connect(self._settings, self._encoder)
        for worker in self._workers:
            self._idle.put_nowait(worker)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End every process, even in the middle of a clip."""
        if self._cluster is not None:
            await self._cluster.close()
        await asyncio.gather(*(asyncio.to_thread(worker.end) for worker in self._workers))

    @property
    def places(self) -> int:
        """Clips that are heard side by side now; on a cluster, workers come and go."""
        return len(self._workers) if self._cluster is None else self._cluster.threads

    @property
    def said(self) -> str:
        """Where clips are heard, in words."""
        if self._cluster is not None:
            return self._cluster.said
        count = len(self._workers)
        return f"{count} process{'' if count == 1 else 'es'} on this machine"

    @property
    def refused(self) -> tuple[str, ...]:
        """Why workers of a cluster get no work, in sentences."""
        return () if self._cluster is None else self._cluster.refused

    async def look_again(self) -> None:
        """Take in that what this process hears with has changed, such as a new tagger."""
        if self._cluster is not None:
            await self._cluster.look_again()

    async def warm(self) -> None:
        """Start the workers, so that no clip has to wait for it."""
        if self._cluster is not None:
            await self._cluster.warm()
        starts = (asyncio.to_thread(worker.start) for worker in self._workers)
        await asyncio.gather(*starts, return_exceptions=True)  # the next clip will find out

    async def hear(self, data: bytes, *, limit: float = math.inf) -> Listened:
        """Hear a clip without blocking the event loop.

        If the caller is cancelled, the worker finishes the clip before it takes the next.

        Parameters
        ----------
        data : bytes
        limit : float
            Seconds that it may take once a worker has it, such as `QUESTION_SECONDS`; at most, and
            by default, ``timeout_seconds``. On a cluster, which others may use too, it bounds the
            decoding, and ``timeout_seconds`` everything.

        Raises
        ------
        NotAudio
            Nothing in it can be heard.
        Busy
            It took longer than it may, or crashed two workers; as `Deaf`, a cluster has gone.
        """
        self.clips += 1
        try:
            return await self._hear(data, limit)
        finally:
            self.clips -= 1

    async def _hear(self, data: bytes, limit: float) -> Listened:
        seconds, longest = self._settings.clip_seconds, self._settings.timeout_seconds
        limit = min(limit, longest)
        if self._cluster is not None:
            return await self._cluster.hear(data, seconds, limit, longest)
        for _ in range(2):
            worker = await self._idle.get()
            with contextlib.suppress(_Ended):
                return await self._hear_in(worker, data, limit)
        raise Busy("Hearing this clip failed twice.", _CROWDED)

    async def _hear_in(self, worker: _Worker, data: bytes, limit: float) -> Listened:
        job: Future[Listened] | None = None
        try:
            await asyncio.to_thread(worker.start)
            job = worker.hear(data, self._settings.clip_seconds, limit)
            return await _wait(job, limit)
        except (Busy, _Ended):
            await asyncio.to_thread(worker.end)
            raise
        finally:
            release = partial(self._idle.put_nowait, worker)
            if job is None or job.done():
                release()
            else:  # the caller was cancelled; the worker is free once the clip is done
                loop = asyncio.get_running_loop()
                job.add_done_callback(lambda _: _call(loop, release))


async def _wait(job: Future[Listened], limit: float) -> Listened:
    try:
        async with asyncio.timeout(limit):
            return await asyncio.shield(asyncio.wrap_future(job))
    except TimeoutError:
        job.cancel()
        raise Busy(f"Hearing this clip took longer than {limit:g} s.", _CROWDED) from None


class _Ended(Exception):
    """The process ended before it answered."""


class _Worker:
    """One process that hears one clip at a time, and can be replaced."""

    def __init__(
        self, encoder: Encoder | None, started: subprocess.Popen[bytes] | None = None
    ) -> None:
        self._encoder = encoder
        self._started = started
        self._changing = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        # Asks, and waits for the answer.
        self._asking: ThreadPoolExecutor | None = None
        self._loaded: Future[None] = Future()
        self._job: Future[Listened] | Future[None] | None = None

    @property
    def pid(self) -> int | None:
        """Of its process; None while there is none."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process if it is not running, and wait until it has loaded everything."""
        with self._changing:
            if self._process is None:
                self._process, self._started = self._started or child.start(), None
                self._asking = ThreadPoolExecutor(1, thread_name_prefix="hear")
                ask = partial(_ask, self._process, self._encoder)
                self._job = self._loaded = self._asking.submit(ask)
            loaded = self._loaded
        try:
            loaded.result(_START_SECONDS)
        except TimeoutError:
            raise Busy("A process for hearing did not start.", _CROWDED) from None

    def hear(self, data: bytes, seconds: float, limit: float) -> Future[Listened]:
        """Hand the process a clip."""
        with self._changing:
            if self._process is None or self._asking is None:
                raise _Ended
            ask = partial(_ask, self._process, (data, seconds, limit))
            self._job = job = self._asking.submit(ask)
            return job

    def end(self) -> None:
        """End the process, even in the middle of a clip; `start` starts it again."""
        with self._changing:
            if self._process is None or self._asking is None:
                return
            self._process.kill()
            self._asking.shutdown()  # what it asked has no answer
            child.end(self._process)
            self._process = self._asking = self._job = None


def _ask(process: subprocess.Popen[bytes], question: Encoder | child.Question | None) -> Any:
    """Return a process's answer, or raise what it raised, or `_Ended`."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        pickle.dump(question, process.stdin, pickle.HIGHEST_PROTOCOL)
        process.stdin.flush()
        worked, outcome = pickle.load(process.stdout)  # noqa: S301 - of our own program
    except (OSError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise _Ended from error
    if not worked:
        raise outcome
    return outcome


def _call(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed, and no caller is waiting
        loop.call_soon_threadsafe(function)
