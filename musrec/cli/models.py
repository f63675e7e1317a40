"""The tagger's model: fetched and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from musrec.cli.options import Json
from musrec.cli.printing import err, out, print_json

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
    """Show whether the tagger can be used."""
    from musrec.audio import tagger

    found = tagger.status()
    if as_json:
        print_json(
            installed=found.installed,
            path=str(found.path),
            version=found.version,
            problem=found.problem,
        )
    else:
        from musrec.service.overview import tagger_line

        out.print(tagger_line(), markup=False, soft_wrap=True)
