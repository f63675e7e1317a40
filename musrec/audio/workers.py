"""Hearing off the event loop: in processes on this machine, or on a Dask cluster."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import math
import multiprocessing
import os
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Self

from musrec.model import Busy, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from distributed import Client

    from musrec.audio.encoder import Encoder
    from musrec.audio.listen import Listened
    from musrec.settings import Workers

QUESTION_SECONDS = 8.0
"""What hearing one clip may take while a member waits: usually well under one second."""

_START_SECONDS = 120.0
_CROWDED = "Try again; if it fails again, the clip is damaged or this machine is overloaded."


class Ears:
    """Hears clips, as many at once as there are workers; an async context manager.

    Each worker is one process in a pool of its own, so that one that crashes, hangs or is killed is
    replaced without disturbing the others. Workers start with the first clip, or by `warm`.

    Parameters
    ----------
    settings : Workers
        ``scheduler``, if set, is the address of a Dask cluster to hear on instead.
    encoder : Encoder, optional
        Hears every clip too; on a cluster its file is at the same path of each machine.

    Examples
    --------
    >>> async with Ears(settings.workers) as ears:  # doctest: +SKIP
    ...     analysis = (await ears.hear(data)).analysis
    """

    def __init__(self, settings: Workers, encoder: Encoder | None = None) -> None:
        self._settings = settings
        self._encoder = encoder
        count = 0 if settings.scheduler else settings.count
        self._workers = [_Worker(encoder) for _ in range(count)]
        self._idle: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()  # the warmest first
        self._cluster: Client | None = None

    async def __aenter__(self) -> Self:
        if self._settings.scheduler:
            self._cluster = await asyncio.to_thread(_connect, self._settings.scheduler)
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
            await asyncio.to_thread(self._cluster.close)
        await asyncio.gather(*(asyncio.to_thread(worker.end) for worker in self._workers))

    async def warm(self) -> None:
        """Start the workers, so that no clip has to wait for it."""
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
            by default, ``timeout_seconds``. A cluster, whose queue counts too, always has those.

        Raises
        ------
        NotAudio
            Nothing in it can be heard.
        Busy
            It took longer than it may, or crashed two workers.
        """
        seconds, longest = self._settings.clip_seconds, self._settings.timeout_seconds
        limit = min(limit, longest)
        if self._cluster is not None:
            executor = self._cluster.get_executor()
            return await _wait(executor.submit(_hear, data, seconds, limit, self._encoder), longest)
        for _ in range(2):
            worker = await self._idle.get()
            with contextlib.suppress(BrokenProcessPool):
                return await self._hear_in(worker, data, limit)
        raise Busy("Hearing this clip failed twice.", _CROWDED)

    async def _hear_in(self, worker: _Worker, data: bytes, limit: float) -> Listened:
        job: Future[Listened] | None = None
        try:
            await asyncio.to_thread(worker.start)
            job = worker.hear(data, self._settings.clip_seconds, limit)
            return await _wait(job, limit)
        except (Busy, BrokenProcessPool):
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
        return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(job)), limit)
    except TimeoutError:
        job.cancel()
        raise Busy(f"Hearing this clip took longer than {limit:g} s.", _CROWDED) from None


class _Worker:
    """One process that hears one clip at a time, and can be replaced."""

    def __init__(self, encoder: Encoder | None) -> None:
        self._encoder = encoder
        self._changing = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None
        self._pid = 0
        self._loaded: Future[None] = Future()
        self._job: Future[Listened] | Future[None] | None = None

    def start(self) -> None:
        """Start the process if it is not running, and wait until it has loaded everything."""
        with self._changing:
            if self._pool is None:
                pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _settle)
                try:
                    self._pid = pool.submit(os.getpid).result(_START_SECONDS)
                except TimeoutError:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise Busy("A process for hearing did not start.", _CROWDED) from None
                self._pool = pool
                self._job = self._loaded = pool.submit(_prepare, self._encoder)
        try:
            self._loaded.result(_START_SECONDS)
        except TimeoutError:
            raise Busy("A process for hearing did not start.", _CROWDED) from None

    def hear(self, data: bytes, seconds: float, limit: float) -> Future[Listened]:
        """Hand the process a clip."""
        if self._pool is None:
            raise BrokenProcessPool("the worker was ended")
        self._job = job = self._pool.submit(_hear, data, seconds, limit, self._encoder)
        return job

    def end(self) -> None:
        """End the process, even in the middle of a clip; `start` starts it again."""
        with self._changing:
            if self._pool is None:
                return
            if self._job is not None and not self._job.done():
                for process in multiprocessing.active_children():
                    if process.pid == self._pid:
                        process.kill()
            self._pool.shutdown(cancel_futures=True)
            self._pool = self._job = None


def _connect(address: str) -> Client:
    try:
        from distributed import Client
    except ImportError:
        raise SettingsError(
            "`workers.scheduler` needs Dask's `distributed`, which is not installed.",
            "Run `pip install '.[cluster]'` where musrec was unpacked, or leave the key out.",
        ) from None
    try:
        return Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"No Dask scheduler answers at {address}: {error}",
            "Start it, or correct or remove `workers.scheduler`.",
        ) from None


def _call(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed, and no caller is waiting
        loop.call_soon_threadsafe(function)


# In the worker ----------------------------------------------------------------------------------
# Only what runs here imports `listen`, and after `_settle`: numpy reads the number of threads when
# it is imported. The parent does not need it.


def _settle() -> None:
    """Prepare a fresh process: no Ctrl-C, one thread, and an end when the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"  # one clip per process: more threads would compete with the others
    if (parent := multiprocessing.parent_process()) is not None:
        # The process of a pool does not notice by itself that its parent was killed.
        threading.Thread(target=_leave_with, args=(parent.sentinel,), daemon=True).start()


def _leave_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _prepare(encoder: Encoder | None) -> None:
    from musrec.audio.listen import prepare

    prepare(encoder)


def _hear(data: bytes, seconds: float, limit: float, encoder: Encoder | None) -> Listened:
    from musrec.audio.listen import listen

    digest = hashlib.sha256(data).hexdigest()
    return listen(data, digest=digest, seconds=seconds, limit=limit, encoder=encoder)
