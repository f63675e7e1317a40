"""Looking through folders, and reading files, from drives that may not answer."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from musrec.catalogue import files
from musrec.catalogue.files import Found

T = TypeVar("T")

BATCH = 250
BATCH_SECONDS = 0.2
"""What is found is handed on in batches of at most so many files, or after so long."""


class Unanswered(Exception):
    """A folder does not answer."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self.folder = folder


async def in_thread(job: Callable[[], T], limit: float) -> T:
    """Run a job in a thread that nothing waits for, as a drive that has gone may hold it for ever.

    Raises
    ------
    TimeoutError
        It takes longer than `limit`, in seconds.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if outcome.done():
            return
        if error is None:
            outcome.set_result(result)  # type: ignore[arg-type]
        else:
            outcome.set_exception(error)

    def run() -> None:
        result, error = None, None
        try:
            result = job()
        except Exception as raised:  # noqa: BLE001 - for the caller
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, daemon=True, name="file").start()
    async with asyncio.timeout(limit):
        return await outcome


async def walk(paths: Sequence[Path], limit: float) -> AsyncIterator[list[Found]]:
    """Yield what `files.walk` finds in batches, the first at once.

    Raises
    ------
    Unanswered
        A folder does not answer for `limit`, in seconds.
    """
    loop = asyncio.get_running_loop()
    batches: asyncio.Queue[list[Found] | None] = asyncio.Queue()
    stopped = threading.Event()
    where = [paths[0]] if paths else []

    def hand_on(batch: list[Found] | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(batches.put_nowait, batch)

    def look(paths: Iterable[Path]) -> None:
        batch: list[Found] = []
        handed = time.monotonic()
        for found in files.walk(paths):
            if isinstance(found, Path):
                where[:] = [found]
            else:
                batch.append(found)
            now = time.monotonic()
            if len(batch) >= BATCH or now - handed > BATCH_SECONDS:
                hand_on(batch)
                batch, handed = [], now
            if stopped.is_set():
                return
        hand_on(batch)
        hand_on(None)

    threading.Thread(target=look, args=(paths,), daemon=True, name="folders").start()
    try:
        while True:
            try:
                async with asyncio.timeout(limit):
                    batch = await batches.get()
            except TimeoutError:
                raise Unanswered(where[0]) from None
            if batch is None:
                return
            yield batch
    finally:
        stopped.set()
