"""Backups of an SQLite store, made by SQLite while the store is in use, and brought back."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import make_url

from musrec.model import StoreError
from musrec.store.database import Database, clear_errors


async def backup(url: str, to: Path) -> None:
    """Write everything that a store holds at this moment into a new file.

    Parameters
    ----------
    url : str
        SQLAlchemy address of the store, which may be in use.
    to : Path

    Raises
    ------
    StoreError
        There is a file of that name, the store is not an SQLite file, or it is damaged.
    """
    await asyncio.to_thread(_copy, _file(url), to)


async def restore(url: str, file: Path) -> None:
    """Make a new store from a backup, brought up to date where an older version wrote it.

    Raises
    ------
    StoreError
        There is a store already, or the file is damaged, no store of musrec or one of a newer
        version.
    """
    store = _file(url)
    await asyncio.to_thread(_copy, file, store)
    try:
        await (await Database.open(url)).close()
    except BaseException:
        store.unlink()
        raise


def _file(url: str) -> Path:
    address = make_url(url)
    if address.get_backend_name() != "sqlite":
        raise StoreError("Only an SQLite store is backed up here.", "Use pg_dump for PostgreSQL.")
    return Path(str(address.database))


def _copy(source: Path, target: Path) -> None:
    """Copy a store into a file that does not exist yet, and check the copy by opening it."""
    if not source.is_file():
        raise StoreError(f"There is no database at {source}.", "Check the name and paths.data.")
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise StoreError(
            f"{target} exists already, and nothing is overwritten.",
            "Choose another name, or move that file away.",
        ) from None
    except OSError as error:
        raise StoreError(
            f"{target} cannot be written: {error.strerror}.", "Choose another place."
        ) from None
    try:
        with (
            clear_errors(),
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as one,
            closing(sqlite3.connect(target)) as copy,
        ):
            one.backup(copy)
            # In one file: the log that a store in use has beside it is not part of a backup.
            copy.execute("PRAGMA journal_mode = DELETE")
            _check(copy, source)
    except BaseException:
        target.unlink()
        raise


def _check(copy: sqlite3.Connection, source: Path) -> None:
    found = [row[0] for row in copy.execute("PRAGMA integrity_check")]
    if found != ["ok"]:
        raise StoreError(f"{source} is damaged: {found[0]}.", "Use another backup.")
    tables = {row[0] for row in copy.execute("SELECT name FROM sqlite_master")}
    if not {"alembic_version", "tracks", "feedback", "members"} <= tables:
        raise StoreError(f"{source} is not a database of musrec.", "Use a file made by a backup.")
