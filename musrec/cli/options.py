"""Options that several commands share, and what is asked of the whole program."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

SHARED = Path("../shared/data")
LISTENING = SHARED / "lastfm"


@dataclass
class Invocation:
    """What one run of the program was asked for besides its command: Typer's ``context.obj``.

    Attributes
    ----------
    config : Path or None
        The TOML file to read; None leaves it to `musrec.settings.load`.
    as_json : bool
        Errors are printed as JSON, too.
    """

    config: Path | None = None
    as_json: bool = False


def _note_json(context: typer.Context, wanted: bool) -> bool:
    invocation: Invocation = context.obj
    invocation.as_json = wanted
    return wanted


Member = Annotated[str, typer.Option("--as", metavar="NAME", help="Act as this member.")]
MaybeMember = Annotated[
    str | None, typer.Option("--as", metavar="NAME", help="Act as this member.")
]
Song = Annotated[str, typer.Argument(help="A file, title, link or id.")]
Count = Annotated[int, typer.Option("-n", "--count", min=1, max=25, help="How many songs.")]
Adventurous = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="0 for the closest songs, 1 for the most adventurous."),
]
Offline = Annotated[bool, typer.Option("--offline", help="Use no online service.")]
# Eager, so that it is known before another parameter turns out to be missing or wrong.
Json = Annotated[
    bool,
    typer.Option("--json", callback=_note_json, is_eager=True, help="Print one JSON object."),
]
Data = Annotated[
    Path,
    typer.Option(
        "--data", metavar="DIR", envvar="MUSREC_SHARED_DATA", help="Folder of music and tables."
    ),
]
Listening = Annotated[
    Path,
    typer.Option("--data", metavar="DIR", help="Folder in the format of HetRec 2011 Last.fm."),
]


def picture_to(default: str) -> Any:
    """Return the option that says where a picture goes."""
    return typer.Option(
        "--picture",
        metavar="FILE",
        help="Where to write the picture; with --json it is written only if named.",
        show_default=default,
    )
