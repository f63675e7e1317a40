"""Jobs for quiet times, done by a process of their own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from musrec.cli.opening import load_settings, run
from musrec.cli.options import Json
from musrec.cli.printing import err, out, print_json

if TYPE_CHECKING:
    from musrec.service import Service

app = typer.Typer()


@app.command()
def work(
    context: typer.Context,
    side_by_side: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            min=1,
            max=64,
            help="Jobs at once.",
            show_default="as many as are heard at once",
        ),
    ] = None,
    until_empty: Annotated[
        bool, typer.Option("--until-empty", help="Stop when no job is left.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Hear songs that the bot left for later, on any machine that shares its store."""
    import asyncio
    import contextlib
    import signal

    from musrec.service.metrics import watched

    settings = load_settings(context)

    async def job(service: Service) -> None:
        task = asyncio.current_task()
        assert task is not None
        with contextlib.suppress(NotImplementedError):  # Windows has no such handlers
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        if not (as_json or until_empty):
            err.print("Working; Ctrl-C stops.")
        async with watched(service, "work", tell=partial(err.print, markup=False, soft_wrap=True)):
            done = await service.jobs.work(side_by_side=side_by_side, until_empty=until_empty)
        counts = await service.jobs.counts()
        if as_json:
            print_json(done=done, jobs=counts)
        else:
            out.print(f"Did {done:,} job{'' if done == 1 else 's'}; no other is due.")

    run(settings, job)
