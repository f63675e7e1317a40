"""Hearing off the event loop: in processes on this machine, or on a Dask cluster."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import multiprocessing
import os
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from musrec.model import Analysis, Busy, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from distributed import Client

    from musrec.settings import Workers

P = ParamSpec("P")
T = TypeVar("T")

_START_SECONDS = 60.0
_CROWDED = "Try again; if it fails again, the clip is damaged or this machine is overloaded."


class Ears:
    """Hears clips, as many at once as there are workers; an async context manager.

    Each worker is one process in a pool of its own, so that one that crashes, hangs or is killed is
    replaced without disturbing the others. Workers start with the first clip, or by `warm`.

    Parameters
    ----------
    settings : Workers
        ``scheduler``, if set, is the address of a Dask cluster to hear on instead.

    Examples
    --------
    >>> async with Ears(settings.workers) as ears:  # doctest: +SKIP
    ...     analysis = await ears.hear(data)
    """

    def __init__(self, settings: Workers) -> None:
        self._settings = settings
        self._workers = [] if settings.scheduler else [_Worker() for _ in range(settings.count)]
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
        """Start the workers and let them load everything, so that no clip has to wait for it."""
        await asyncio.gather(*(asyncio.to_thread(worker.warm) for worker in self._workers))

    async def hear(self, data: bytes) -> Analysis:
        """Hear a clip without blocking the event loop.

        If the caller is cancelled, the worker finishes the clip before it takes the next.

        Raises
        ------
        NotAudio
            Nothing in it can be heard.
        Busy
            It took longer than ``timeout_seconds``, or crashed two workers.
        """
        if self._cluster is not None:
            executor = self._cluster.get_executor()
            return await self._wait(executor.submit(_hear, data, self._settings.clip_seconds))
        for _ in range(2):
            worker = await self._idle.get()
            with contextlib.suppress(BrokenProcessPool):
                return await self._hear_in(worker, data)
        raise Busy("Hearing this clip failed twice.", _CROWDED)

    async def _hear_in(self, worker: _Worker, data: bytes) -> Analysis:
        job: Future[Analysis] | None = None
        try:
            await asyncio.to_thread(worker.start)
            job = worker.hear(data, self._settings.clip_seconds)
            return await self._wait(job)
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

    async def _wait(self, job: Future[Analysis]) -> Analysis:
        limit = self._settings.timeout_seconds
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(job)), limit)
        except TimeoutError:
            job.cancel()
            raise Busy(f"Hearing this clip took longer than {limit:g} s.", _CROWDED) from None


class _Worker:
    """One process that hears one clip at a time, and can be replaced."""

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None
        self._pid = 0
        self._job: Future[Any] | None = None

    def start(self) -> None:
        """Start the process if it is not running."""
        with self._changing:
            if self._pool is not None:
                return
            pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _settle)
            try:
                self._pid = pool.submit(os.getpid).result(_START_SECONDS)
            except TimeoutError:
                pool.shutdown(wait=False, cancel_futures=True)
                raise Busy("A process for hearing did not start.", _CROWDED) from None
            self._pool = pool

    def warm(self) -> None:
        """Start the process and wait until it has loaded everything."""
        self.start()
        with contextlib.suppress(BrokenProcessPool):  # the next clip will find out
            self._submit(_prepare).result()

    def hear(self, data: bytes, seconds: float) -> Future[Analysis]:
        """Hand the process a clip."""
        return self._submit(_hear, data, seconds)

    def _submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        if self._pool is None:
            raise BrokenProcessPool("the worker was ended")
        job = self._pool.submit(function, *args, **kwargs)
        self._job = job
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
            'Run `pip install "musrec[cluster]"`, or leave the key out.',
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


def _prepare() -> None:
    from musrec.audio.listen import prepare

    prepare()


def _hear(data: bytes, seconds: float) -> Analysis:
    from musrec.audio.listen import listen

    return listen(data, digest=hashlib.sha256(data).hexdigest(), seconds=seconds)
