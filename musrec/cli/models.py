"""The tagger's model: fetched and checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musrec.cli.options import Json
from musrec.cli.printing import err, out, print_json

if TYPE_CHECKING:
    from musrec.audio.tagger import ModelStatus

app = typer.Typer(name="models", no_args_is_help=True, help="Fetch and check the tagger's model.")

# Each function imports the tagger itself: NumPy comes with it, and `musrec --help` goes without.


@app.command()
def install(
    wheel: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The musicnn package, if you have downloaded it already."
        ),
    ] = None,
) -> None:
    """Fetch the tagger's weights with pip, check and convert them, unless they are installed."""
    from musrec.audio import tagger

    tagger.install(wheel=wheel, progress=err.print)


@app.command()
def status(as_json: Json = False) -> None:
    """Show whether the tagger, and the one of instruments, can be used."""
    from musrec.audio import tagger

    if as_json:
        first, second = (_plain(tagger.status(name=name)) for name in tagger.NAMES)
        print_json(**first, instruments=second)
    else:
        from musrec.service.overview import tagger_line

        for name in tagger.NAMES:
            out.print(tagger_line(name), markup=False, soft_wrap=True)


def _plain(found: ModelStatus) -> dict[str, Any]:
    return {
        "installed": found.installed,
        "path": str(found.path),
        "version": found.version,
        "problem": found.problem,
    }
