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


async def backup(url: str, to: Path, *, replace: bool = False) -> None:
    """Write everything that a store holds at this moment into a file.

    Parameters
    ----------
    url : str
        SQLAlchemy address of the store, which may be in use.
    to : Path
    replace : bool
        Whether a file of that name may be replaced, once the copy is known to be sound.

    Raises
    ------
    StoreError
        There is a file of that name, the store is not an SQLite file, or it is damaged.
    """
    store = _file(url)
    _may_write(to, store, replace=replace)
    copy = await asyncio.to_thread(_copy, store, to)
    await asyncio.to_thread(_put, copy, to)


async def restore(url: str, file: Path, *, replace: bool = False) -> None:
    """Make the store of a backup, brought up to date where an older version wrote it.

    Parameters
    ----------
    url : str
    file : Path
    replace : bool
        Whether the present store may be replaced, once the backup is known to be sound.

    Raises
    ------
    StoreError
        There is a store already, or it is in use; or the file is damaged, no store of musrec or
        one of a newer version.
    """
    store = _file(url)
    _may_write(store, file, replace=replace)
    copy = await asyncio.to_thread(_copy, file, store)
    try:
        await (await Database.open(str(make_url(url).set(database=str(copy))))).close()
        await asyncio.to_thread(_release, store)
    except BaseException:
        copy.unlink()
        raise
    await asyncio.to_thread(_put, copy, store)


def _file(url: str) -> Path:
    address = make_url(url)
    if address.get_backend_name() != "sqlite":
        raise StoreError("Only an SQLite store is backed up here.", "Use pg_dump for PostgreSQL.")
    return Path(str(address.database))


def _may_write(target: Path, source: Path, *, replace: bool) -> None:
    if target.is_dir():
        raise StoreError(f"{target} is a folder.", "Name a file.")
    if target.exists() and source.exists() and target.samefile(source):
        raise StoreError(f"{source} is the store itself.", "Name another file.")
    if target.exists() and not replace:
        raise StoreError(
            f"{target} exists already.", "Choose another name, move it away, or add --force."
        )


def _copy(source: Path, target: Path) -> Path:
    """Copy a store into a new file beside the target, and check the copy by opening it."""
    if not source.is_file():
        raise StoreError(f"There is no database at {source}.", "Check the name and paths.data.")
    copy = target.with_name(f".{target.name}.new")
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        copy.unlink(missing_ok=True)  # left over from a run that was killed
        os.close(os.open(copy, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise StoreError(
            f"{target} cannot be written: {error.strerror}.", "Choose another place."
        ) from None
    try:
        with (
            clear_errors(),
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as one,
            closing(sqlite3.connect(copy)) as other,
        ):
            one.backup(other)
            # In one file: the log that a store in use has beside it is not part of a backup.
            other.execute("PRAGMA journal_mode = DELETE")
            _check(other, source)
    except BaseException:
        copy.unlink()
        raise
    return copy


def _put(copy: Path, target: Path) -> None:
    """Give a sound copy its name, in one step: never half a file under that name."""
    with clear_errors():
        copy.replace(target)


def _release(store: Path) -> None:
    """Take SQLite's log away from a store that is about to be replaced, unless it is in use."""
    if not store.exists():
        return
    try:
        with closing(sqlite3.connect(store, timeout=1)) as connection:
            # SQLite leaves the write-ahead mode only if no other connection is open.
            connection.execute("PRAGMA journal_mode = DELETE").fetchall()
    except sqlite3.OperationalError:
        raise StoreError(
            f"{store} is in use.", "Stop the bot and every other musrec, then try again."
        ) from None
    except sqlite3.DatabaseError:
        pass  # damaged, which is a reason to restore a backup
    for suffix in ("-wal", "-shm"):
        store.with_name(store.name + suffix).unlink(missing_ok=True)


def _check(copy: sqlite3.Connection, source: Path) -> None:
    found = [row[0] for row in copy.execute("PRAGMA integrity_check")]
    if found != ["ok"]:
        raise StoreError(f"{source} is damaged: {found[0]}.", "Use another backup.")
    tables = {row[0] for row in copy.execute("SELECT name FROM sqlite_master")}
    if not {"alembic_version", "tracks", "feedback", "members"} <= tables:
        raise StoreError(f"{source} is not a database of musrec.", "Use a file made by a backup.")
