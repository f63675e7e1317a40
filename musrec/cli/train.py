"""Training: what the package ships, made from tables and music."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from musrec.cli.options import LISTENING, SHARED, Data, Json, Listening
from musrec.cli.printing import out, print_report

if TYPE_CHECKING:
    from pathlib import Path

app = typer.Typer(name="train", no_args_is_help=True, help="Make what the package ships.")

# Each command imports its training itself: NumPy and SciPy come with it.


@app.command()
def space(data: Data = SHARED, as_json: Json = False) -> None:
    """Learn the two spaces from the training clips."""
    from musrec.train.space import train

    print_report(train(data / "gtzan"), as_json=as_json)


@app.command()
def genre(data: Data = SHARED, as_json: Json = False) -> None:
    """Learn the genre heads from the training clips."""
    from musrec.train.genre import train

    print_report(train(data / "gtzan"), as_json=as_json)


@app.command()
def closeness(data: Data = SHARED) -> None:
    """Fit how alike songs must be to be called close, or very close."""
    from musrec.train.closeness import write

    _print_written(write(data / "gtzan"))


@app.command()
def parts(data: Data = SHARED, as_json: Json = False) -> None:
    """Choose how much rhythm and harmony count beside the rest of the sound."""
    from musrec.train.parts import train

    print_report(train(data / "gtzan"), as_json=as_json)


@app.command()
def starter(data: Data = SHARED, as_json: Json = False) -> None:
    """Build the starter catalogue from the training clips."""
    from musrec.train.starter import train

    print_report(train(data / "gtzan"), as_json=as_json)


@app.command()
def reference(data: Data = SHARED) -> None:
    """Measure the populations that percentiles refer to."""
    from musrec.train.reference import write

    _print_written(write(data))


@app.command()
def hearing(data: Data = SHARED) -> None:
    """Learn from labels which octave of a tempo is counted, and which key is heard."""
    from musrec.train.hearing import write

    _print_written(write(data))


@app.command()
def blend(data: Listening = LISTENING) -> None:
    """Fit the weights of a score's signals to how much is known about a member."""
    from musrec.train.hybrid import write

    _print_written(write(data))


def _print_written(path: Path) -> None:
    out.print(f"Wrote {path}", markup=False)
