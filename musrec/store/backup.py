"""Backups of a store, made while it is in use, and brought back.

A backup is an SQLite file, whichever database it was made of: SQLite copies itself, PostgreSQL is
read in one snapshot. So one made of either can be restored into either.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from musrec.model import StoreError
from musrec.store import postgres
from musrec.store.copying import copy, refill
from musrec.store.database import Database, clear_errors
from musrec.store.schema import members, tracks


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
        There is a file of that name, or the store is damaged.
    """
    store = _file(url)
    _may_write(to, store, replace=replace)
    if store is not None:
        made = await asyncio.to_thread(_copy, store, to)
    else:
        made = await asyncio.to_thread(_make_beside, to)
        try:
            await copy(url, _address(made))
            await asyncio.to_thread(_close_log, made)
        except BaseException:
            made.unlink()
            raise
    await asyncio.to_thread(_put, made, to)


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
    if store is None:
        await _restore_into(url, file, replace=replace)
        return
    _may_write(store, file, replace=replace)
    made = await asyncio.to_thread(_copy, file, store)
    try:
        await (await Database.open(_address(made))).close()
        await asyncio.to_thread(_release, store)
    except BaseException:
        made.unlink()
        raise
    await asyncio.to_thread(_put, made, store)


async def _restore_into(url: str, file: Path, *, replace: bool) -> None:
    """Fill a PostgreSQL database from a backup: all of it, or nothing."""
    database = await Database.open(url)
    try:
        async with database.read() as connection:
            if await connection.run_sync(postgres.in_use):
                raise StoreError(
                    "The store is in use.", "Stop the bot and every other musrec, then try again."
                )
            kept = await connection.scalar(
                sa.select(sa.exists(sa.select(tracks.c.id)) | sa.exists(sa.select(members.c.id)))
            )
        if kept and not replace:
            raise StoreError(
                f"{database.address} holds a store already.",
                "Use another database, or add --force.",
            )
        with TemporaryDirectory(prefix="musrec-") as folder:
            made = await asyncio.to_thread(_copy, file, Path(folder) / "restored.db")
            await refill(_address(made), database)
    finally:
        await database.close()


def _file(url: str) -> Path | None:
    """Return the file of an SQLite store; None for PostgreSQL."""
    address = make_url(url)
    return Path(str(address.database)) if address.get_backend_name() == "sqlite" else None


def _address(file: Path) -> str:
    return f"sqlite+aiosqlite:///{file}"


def _may_write(target: Path, source: Path | None, *, replace: bool) -> None:
    if target.is_dir():
        raise StoreError(f"{target} is a folder.", "Name a file.")
    if source and target.exists() and source.exists() and target.samefile(source):
        raise StoreError(f"{source} is the store itself.", "Name another file.")
    if target.exists() and not replace:
        raise StoreError(
            f"{target} exists already.", "Choose another name, move it away, or add --force."
        )


def _copy(source: Path, target: Path) -> Path:
    """Copy a store into a new file beside the target, and check the copy by opening it."""
    if not source.is_file():
        raise StoreError(f"There is no database at {source}.", "Check the name and paths.data.")
    made = _make_beside(target)
    try:
        with (
            clear_errors(),
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as one,
            closing(sqlite3.connect(made)) as other,
        ):
            one.backup(other)
            # In one file: the log that a store in use has beside it is not part of a backup.
            other.execute("PRAGMA journal_mode = DELETE")
            _check(other, source)
    except BaseException:
        made.unlink()
        raise
    return made


def _make_beside(target: Path) -> Path:
    """Make an empty file beside the target, readable to its owner alone."""
    made = target.with_name(f".{target.name}.new")
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made.unlink(missing_ok=True)  # left over from a run that was killed
        os.close(os.open(made, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise StoreError(
            f"{target} cannot be written: {error.strerror}.", "Choose another place."
        ) from None
    return made


def _close_log(made: Path) -> None:
    """Leave a store that nothing has open in one file, without its log."""
    with clear_errors(), closing(sqlite3.connect(made)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")


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
