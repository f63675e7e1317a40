"""Looking through folders, and reading files, from drives that may not answer."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from musrec.catalogue import files
from musrec.catalogue.files import Found

T = TypeVar("T")

GIVE_UP = 3
"""Folders that do not answer after which the rest is left: each of them takes the whole limit."""

BATCH = 250
BATCH_SECONDS = 0.2
"""What is found is handed on in batches of at most so many files, or after so long."""


class Unanswered(Exception):
    """A folder does not answer, and what comes after it cannot be looked into."""

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


def late(seconds: float) -> str:
    """Say that a file or folder does not answer."""
    return f"It could not be read within {seconds:.0f} s: is its drive there?"


async def walk(paths: Sequence[Path], limit: float) -> AsyncIterator[list[Found]]:
    """Yield what `files.walk` finds in batches, the first at once.

    A folder that does not answer for `limit`, in seconds, is yielded as a problem, and passed over.

    Raises
    ------
    Unanswered
        So did `GIVE_UP` folders, or the first path itself.
    """
    silent: list[Path] = []
    while True:
        look = _Look(paths, silent)
        try:
            while True:
                async with asyncio.timeout(limit):
                    batch = await look.batches.get()
                if batch is None:
                    return
                yield batch
        except TimeoutError:
            if look.batch:
                yield look.batch
            again = look.where in silent
            silent.append(look.where)
            if again or len(silent) == GIVE_UP or look.where == paths[0]:
                raise Unanswered(look.where) from None
            yield [Found(str(look.where), problem=late(limit))]
        finally:
            look.stopped.set()


class _Look:
    """A look through folders, in a thread that nothing waits for.

    Attributes
    ----------
    batches : Queue of list of Found, or None
        What was found; None at the end.
    batch : list of Found
        What was found since.
    where : Path
        The folder that was looked into last.
    stopped : Event
        Ends it, once it answers.
    """

    def __init__(self, paths: Sequence[Path], silent: Sequence[Path]) -> None:
        self.batches: asyncio.Queue[list[Found] | None] = asyncio.Queue()
        self.batch: list[Found] = []
        self.where = paths[0] if paths else Path()
        self.stopped = threading.Event()
        self._loop = asyncio.get_running_loop()
        looking = (tuple(paths), tuple(silent))
        threading.Thread(target=self._run, args=looking, daemon=True, name="folders").start()

    def _run(self, paths: Sequence[Path], silent: Sequence[Path]) -> None:
        handed = time.monotonic()
        for found in files.walk(paths, silent):
            if self.stopped.is_set():
                return
            if isinstance(found, Path):
                self.where = found
            else:
                self.batch.append(found)
            now = time.monotonic()
            if len(self.batch) >= BATCH or now - handed > BATCH_SECONDS:
                self._hand_on(self.batch)
                self.batch, handed = [], now
        self._hand_on(self.batch)
        self._hand_on(None)

    def _hand_on(self, batch: list[Found] | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self.batches.put_nowait, batch)
