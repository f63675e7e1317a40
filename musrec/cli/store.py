"""Backups of the store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from musrec.cli.opening import finish, load_settings
from musrec.cli.options import Json
from musrec.cli.printing import out, print_json

app = typer.Typer()

Backup = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there already.")]


@app.command()
def backup(
    context: typer.Context, file: Backup, force: Force = False, as_json: Json = False
) -> None:
    """Copy the store into one file and check the copy; the bot may be running."""
    from musrec.service import Service

    settings = load_settings(context)
    finish(Service.backup(settings, file, replace=force))
    if as_json:
        print_json(file=str(file), bytes=file.stat().st_size)
    else:
        out.print(f"Saved the store to [bold]{escape(str(file))}[/]", soft_wrap=True)


@app.command()
def restore(
    context: typer.Context, file: Backup, force: Force = False, as_json: Json = False
) -> None:
    """Make the store of a backup; stop the bot first."""
    from musrec.service import Service

    settings = load_settings(context)
    finish(Service.restore(settings, file, replace=force))
    if as_json:
        print_json(file=str(file))
    else:
        out.print(f"Restored the store from [bold]{escape(str(file))}[/]", soft_wrap=True)
