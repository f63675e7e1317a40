"""The store: backups, and moving it to another database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from musrec.cli.opening import finish, load_settings
from musrec.cli.options import Json
from musrec.cli.printing import err, out, print_json

app = typer.Typer()
_store = typer.Typer(help="Move the store to another database.", no_args_is_help=True)
app.add_typer(_store, name="store")

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


Address = Annotated[
    str,
    typer.Argument(help="An SQLAlchemy address, such as postgresql+asyncpg://user@host/musrec."),
]


@_store.command()
def copy(context: typer.Context, source: Address, target: Address, as_json: Json = False) -> None:
    """Copy everything from one database into an empty one; stop the bot first.

    Run it again if it was interrupted: it completes the copy and compares the counts.
    """
    from musrec.service import Service
    from musrec.settings import known_database

    load_settings(context)
    for address in (source, target):
        known_database(address)

    def show(table: str, rows: int) -> None:
        err.print(f"{table}: {rows:,}", soft_wrap=True)

    counts = finish(Service.copy_store(source, target, None if as_json else show))
    if as_json:
        print_json(rows=counts)
    else:
        out.print(f"Copied {sum(counts.values()):,} rows; both stores hold the same numbers.")
