"""Opens the service for a command: the one place of the command line that imports it.

What is heavy is imported inside the functions: `musrec --help` needs neither pydantic (settings),
nor asyncio, nor what comes with the service (NumPy, SciPy, SQLAlchemy, Pillow).
"""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from musrec.audio import worker
from musrec.cli.options import Invocation

if TYPE_CHECKING:
    from musrec.service import Service
    from musrec.settings import Settings

T = TypeVar("T")

STOPPED = 130  # the exit code after Ctrl-C, as in shells


def load_settings(context: typer.Context) -> Settings:
    """Read the configuration, and set logging up as it says."""
    with _loading():
        from musrec.settings import load

    invocation: Invocation = context.obj
    settings = load(invocation.config)
    # Answers say what went wrong; the log is for those who look for the cause.
    level = logging.DEBUG if settings.log.level == "DEBUG" else logging.CRITICAL
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")
    return settings


def run(
    settings: Settings, job: Callable[[Service], Coroutine[Any, Any, T]], *, hears: bool = False
) -> T:
    """Open the service with these settings, run one job with it, and close it.

    If it `hears` a clip, the process that does so starts while the service is loaded.
    """
    started = worker.start() if hears and settings.workers.scheduler is None else None
    try:
        with _loading():
            from musrec.service import Service

        async def opened() -> T:
            async with Service.open(settings, worker=started) as service:
                return await job(service)

        return finish(opened())
    finally:
        if started is not None:
            worker.end(started)


def with_service(
    context: typer.Context, job: Callable[[Service], Coroutine[Any, Any, T]], song: str = ""
) -> T:
    """Open the service as configured, run one job with it, and close it.

    Parameters
    ----------
    song : str
        What the job will hear, if it is a file.
    """
    return run(load_settings(context), job, hears=_is_file(song))


def _is_file(text: str) -> bool:
    """Whether a text names a file, as far as its drive says at once."""
    found = []

    def look() -> None:
        # It may be too long for a name, or there is no such home folder.
        with suppress(OSError, RuntimeError, ValueError):
            found.append(Path(text).expanduser().is_file())

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    looking.join(0.2)
    return found == [True]


@contextmanager
def _loading() -> Iterator[None]:
    """Import modules without looking for garbage: there is none, and looking takes a tenth."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; being cancelled ends the program like Ctrl-C."""
    import asyncio

    try:
        return asyncio.run(work)
    except asyncio.CancelledError:
        raise typer.Exit(STOPPED) from None
