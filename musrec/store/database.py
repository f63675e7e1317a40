"""The database: one SQL engine, SQLite by default, opened through SQLAlchemy.

Each process has one writer, and what many members do at once is written in one transaction
(`Database.write_together`). Writers of all processes take turns: they lock the database when they
begin, SQLite by ``BEGIN IMMEDIATE``, PostgreSQL by an advisory lock. So what a transaction has read
still holds when it writes, and two processes wait for each other instead of failing half-way. Only
what locks its own rows needs no turn on PostgreSQL (`Database.write_apart`). Each area of the store
builds on `Database.read` and `Database.write`, which are one transaction each.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import sqlite3
import sys
import zlib
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
)
from contextlib import aclosing, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import IO, Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from musrec.model import StoreError
from musrec.store import postgres, schema

if sys.platform != "win32":  # where processes do not take turns
    import fcntl

log = logging.getLogger(__name__)

T = TypeVar("T")

IN_CHUNK = 500
"""Values in one ``IN``: SQLite allows 32,766 parameters per statement; this keeps well below."""

WAITS_MS = 15_000
"""How long SQLite waits for another process's transaction before it calls the database locked."""

READERS_MS = 250
"""How long emptying the log waits for readers of it, each time."""

TRIES = 4
"""How often a transaction is begun before the database is reported as held or gone."""

CONNECTIONS = 6
"""Connections of a process, one of which listens for changes. More than the others only take turns:
each connection to an SQLite file has a thread of its own."""

LOOK_SECONDS = 0.5
"""How often an SQLite file is looked at for changes of other processes."""

QUIET_SECONDS = 30.0
"""How long PostgreSQL may tell of no change before it is asked whether it is still there."""

TURN_SECONDS = 0.2
"""How often a process that waits for its turn asks whether it has come."""

CHANNEL = "musrec"
"""On which PostgreSQL tells of changes."""

RESTART_SECONDS = 3.0
"""Pause before a PostgreSQL that restarts is tried again."""

Job = Callable[[AsyncConnection], Awaitable[Any]]


class Lost(StoreError):
    """The connection was lost; what was not committed by then is not kept."""


class Database:
    """An open database: readers side by side, one writer.

    Attributes
    ----------
    set_aside : dict of str to int
        Table to how many of its rows could not be read and were left out; see `readable`.
    token : str
        Tells what this process writes from what others do.
    is_postgres : bool
        Whether it is PostgreSQL; else it is an SQLite file.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writer = engine.execution_options(musrec_writes=True)
        self._writing = asyncio.Lock()
        self._waiting: list[tuple[Job, asyncio.Future[Any]]] = []
        self._committing: asyncio.Task[None] | None = None
        self.set_aside: dict[str, int] = {}
        self._announcing = False
        self.token = secrets.token_hex(8)
        self.is_postgres = engine.dialect.name == "postgresql"
        self.insert: Callable[[sa.Table], Any] = insert
        if self.is_postgres:
            from sqlalchemy.dialects import postgresql

            self.insert = postgresql.insert

    @classmethod
    async def open(cls, url: str) -> Database:
        """Open the database at an SQLAlchemy address, bringing an older one up to date first.

        Raises
        ------
        StoreError
            It cannot be opened or written, is damaged, or was written by a newer version.
        """
        address = make_url(url)
        if address.get_backend_name() == "sqlite":
            _make_file(Path(str(address.database)))
            # A transaction takes milliseconds, so every waiting writer gets its turn.
            engine = create_async_engine(
                address, pool_size=CONNECTIONS, max_overflow=0, pool_timeout=None
            )
            _configure_sqlite(engine)
        else:
            engine = postgres.engine(address, CONNECTIONS)
        sa.event.listen(engine.sync_engine, "before_cursor_execute", _storable, retval=True)
        database = cls(engine)
        try:
            if database.is_postgres:
                await database._check_server()
            await database._migrate()
        except BaseException:
            await engine.dispose()
            raise
        return database

    @property
    def address(self) -> str:
        """Where the database is, without its password."""
        return self._engine.url.render_as_string(hide_password=True)

    async def close(self) -> None:
        """Write what still waits, and give back every connection."""
        if self._committing is not None:
            await self._committing
        await self._engine.dispose()

    async def _check_server(self) -> None:
        try:
            async with self.read() as connection:
                await connection.run_sync(postgres.check)
        except StoreError:
            raise
        except (DBAPIError, OSError, ValueError) as error:
            # Nothing was asked yet but to be let in.
            raise postgres.unusable(error) from error

    async def _migrate(self) -> None:
        async with self.write() as connection:
            if await connection.run_sync(_revision) != schema.HEAD:
                await connection.run_sync(_upgrade)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection to read with."""
        with clear_errors():
            async with self._engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection whose reads all show the database as it was at the first of them."""
        async with self.read() as connection:
            if self.is_postgres:
                await connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection to write with: committed at the end, rolled back on an error."""
        async with self._writing, self._transaction() as connection:
            yield connection

    @asynccontextmanager
    async def write_apart(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection to write with that waits for no turn where the database needs none.

        On PostgreSQL others write meanwhile: lock rows before deciding by what is in them, always
        in the same order. Nothing may be announced. SQLite has one writer, so there it is `write`.
        """
        if not self.is_postgres:
            async with self.write() as connection:
                yield connection
            return
        with clear_errors():
            connection = await self._begun(in_turn=False)
            try:
                yield connection
                await connection.commit()
            finally:
                await asyncio.shield(connection.close())

    async def write_together(self, job: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run a job in one transaction with all the others that wait for the writer.

        Jobs run in the order of the calls. One that fails takes no other with it.
        """
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((job, done))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._write_waiting())
        return await done

    async def _write_waiting(self) -> None:
        while self._waiting:
            async with self._writing:
                jobs, self._waiting = self._waiting, []
                try:
                    await self._write_all(jobs)
                except StoreError as error:
                    _fail(jobs, error)
                except Exception:  # noqa: BLE001 - only the job that caused it may fail
                    for job in jobs:
                        try:
                            await self._write_all([job])
                        except Exception as error:  # noqa: BLE001 - raised where it was called
                            _fail([job], error)

    async def _write_all(self, jobs: list[tuple[Job, asyncio.Future[Any]]]) -> None:
        for left in reversed(range(TRIES)):
            committing = False
            try:
                async with self._transaction() as connection:
                    results = [await job(connection) for job, _ in jobs]
                    committing = True
                break
            except Lost:
                # Once more, unless it may have been committed: nothing must be kept twice.
                if committing or not left:
                    raise
        for (_, done), result in zip(jobs, results, strict=True):
            if not done.done():  # else its caller was cancelled
                done.set_result(result)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        with clear_errors():
            connection = await self._begun()
            try:
                self._announcing = False
                yield connection
                if self._announcing and self.is_postgres:
                    await connection.execute(sa.select(sa.func.pg_notify(CHANNEL, "")))
                await connection.commit()
            finally:
                await asyncio.shield(connection.close())

    async def _begun(self, *, in_turn: bool = True) -> AsyncConnection:
        """Begin to write; try again while another process writes, or PostgreSQL restarts."""
        for left in reversed(range(TRIES)):
            connection = self._writer.connect()
            try:
                await connection.start()
                await connection.begin()
                if self.is_postgres and in_turn:
                    turn = sa.func.pg_advisory_xact_lock(postgres.WRITERS)
                    await connection.execute(sa.select(turn))
            except BaseException as error:
                if connection.sync_connection is not None:
                    await asyncio.shield(connection.close())
                gone = self.is_postgres and postgres.passes(error)
                if not left or not (gone or _is_held(error)):
                    raise
                why = "PostgreSQL is away" if gone else "another process holds the database"
                log.warning(why, extra={"tries_left": left})
                await asyncio.sleep(RESTART_SECONDS if gone else 0)
            else:
                return connection
        raise AssertionError("the last try returns or raises")

    @asynccontextmanager
    async def arrivals(self) -> AsyncIterator[AsyncIterator[None]]:
        """Give an iterator with one step now, and one whenever another process may have written."""
        with clear_errors():
            async with self._engine.connect() as connection:
                steps = _told(connection) if self.is_postgres else _looked(connection)
                async with aclosing(steps):
                    yield steps

    @asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[None]:
        """Hold a lock of that name, which one process on this database holds at a time.

        The others wait. A process that dies, or loses its connection, no longer holds it.
        """
        with clear_errors():
            if self.is_postgres:
                key = sa.literal(postgres.WRITERS), sa.literal(zlib.crc32(name.encode()) >> 1)
                asked = sa.select(sa.func.pg_try_advisory_lock(*key))
                async with self._engine.connect() as connection:
                    await connection.execution_options(isolation_level="AUTOCOMMIT")
                    await _turn(lambda: connection.scalar(asked))
                    try:
                        yield
                    finally:
                        await asyncio.shield(connection.invalidate())
            elif sys.platform == "win32":
                yield
            else:
                beside = Path(f"{self._engine.url.database}.{name}")
                with await asyncio.to_thread(beside.open, "ab") as file:
                    await _turn(lambda: asyncio.to_thread(_locked, file))
                    yield

    async def now(self, connection: AsyncConnection) -> datetime:
        """Return what time the database says it is: the clocks of its processes may differ."""
        if not self.is_postgres:
            return datetime.now(UTC)
        there = await connection.scalar(sa.select(sa.func.clock_timestamp()))
        assert isinstance(there, datetime)
        return there.astimezone(UTC)

    async def clock(self) -> Callable[[], datetime]:
        """Return a clock that shows the database's time."""
        async with self.read() as connection:
            ahead = await self.now(connection) - datetime.now(UTC)
        return lambda: datetime.now(UTC) + ahead

    def day(self, column: sa.Column[Any]) -> sa.ColumnElement[str]:
        """Return the day in UTC of an instant, as text such as ``2026-11-27``."""
        if self.is_postgres:
            # Literals: a query that groups by it names it twice, and parameters would differ.
            utc: sa.ColumnElement[str] = sa.literal_column("'UTC'")
            form: sa.ColumnElement[str] = sa.literal_column("'YYYY-MM-DD'")
            return sa.func.to_char(sa.func.timezone(utc, column), form)
        return sa.func.date(column)

    def upsert(self, table: sa.Table, row: Iterable[str], *key: str) -> Any:
        """Return what writes rows of these columns over those with the same key; without one, new.

        It is built once. SQLAlchemy takes longer to build it than SQLite to run it.

        Parameters
        ----------
        row : iterable of str
            Names of columns, such as a row to be written.
        key : str
            Columns; without any, a row that is there already stays.
        """
        return _upsert(self.insert, table, tuple(row), key)

    def announce(self) -> None:
        """Let the steps of `arrivals` happen in every process, once this is committed."""
        self._announcing = True

    def readable(
        self, table: sa.Table, result: sa.CursorResult[Any], build: Callable[[Any], T]
    ) -> list[T]:
        """Build a record of each row; set those aside that no record can be built of.

        One damaged row, or one that a newer version wrote, must not hide all the others.
        """
        records, unreadable = [], 0
        while True:
            try:
                if (row := result.fetchone()) is None:
                    break
                records.append(build(row))
            except (ValueError, TypeError, LookupError) as error:
                unreadable += 1
                log.debug("unreadable row", extra={"table": table.name, "error": repr(error)})
        if unreadable > self.set_aside.get(table.name, 0):
            self.set_aside[table.name] = unreadable
            log.warning("rows set aside", extra={"table": table.name, "rows": unreadable})
        return records

    async def empty_log(self) -> bool:
        """Move SQLite's write-ahead log, which still holds old pages, into the database file.

        Returns
        -------
        bool
            Whether the log is empty now: what any process still reads from it stays in it.
        """
        if self.is_postgres:
            return True
        async with self._writing:
            for _ in range(TRIES):
                async with self.read() as connection:
                    if await connection.run_sync(_checkpoint):
                        return True
        return False


async def _looked(connection: AsyncConnection) -> AsyncGenerator[None, None]:
    """Step whenever SQLite's file has changed."""
    seen = None
    while True:
        if (now := await connection.run_sync(_data_version)) != seen:
            seen = now
            yield
        await asyncio.sleep(LOOK_SECONDS)


def _data_version(connection: sa.Connection) -> int:
    # Not as a statement of SQLAlchemy's, which would begin a transaction that sees no change.
    cursor = connection.connection.cursor()
    try:
        cursor.execute("PRAGMA data_version")
        [(version,)] = cursor.fetchall()
    finally:
        cursor.close()
    return int(version)


async def _told(connection: AsyncConnection) -> AsyncGenerator[None, None]:
    """Step whenever PostgreSQL tells of a change."""
    listener: Any = (await connection.get_raw_connection()).driver_connection
    told = asyncio.Event()

    def tell(*_: object) -> None:
        told.set()

    await listener.add_listener(CHANNEL, tell)
    listener.add_termination_listener(tell)
    try:
        while True:
            yield
            try:
                async with asyncio.timeout(QUIET_SECONDS):
                    await told.wait()
            except TimeoutError:
                await listener.fetchval("SELECT 1", timeout=postgres.CONNECT_SECONDS)
            told.clear()
            if listener.is_closed():
                raise ConnectionResetError("connection was closed")
    finally:
        listener.remove_termination_listener(tell)
        if not listener.is_closed():
            await listener.remove_listener(CHANNEL, tell)


async def _turn(come: Callable[[], Awaitable[Any]]) -> None:
    """Wait until it is this process's turn."""
    while not await come():  # noqa: ASYNC110 - whoever lets go tells no process
        await asyncio.sleep(TURN_SECONDS)


def _locked(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@cache
def _upsert(
    insert: Callable[[sa.Table], Any], table: sa.Table, row: tuple[str, ...], key: tuple[str, ...]
) -> Any:
    statement = insert(table)
    if not key:
        return statement.on_conflict_do_nothing()
    written = {name: statement.excluded[name] for name in row}
    return statement.on_conflict_do_update(index_elements=key, set_=written)


def utc(value: Any) -> datetime:
    """Read what an aggregate of a `Moment` gives: SQLite answers with its text."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=UTC)


def _fail(jobs: list[tuple[Job, asyncio.Future[Any]]], error: Exception) -> None:
    for _, done in jobs:
        if not done.done():
            done.set_exception(error)


def _is_held(error: BaseException) -> bool:
    return isinstance(error, DBAPIError) and bool(_HELD.search(str(error.orig)))


_HELD = re.compile("locked|busy|due to lock timeout", re.IGNORECASE)


def _make_file(file: Path) -> None:
    """Make what does not exist yet readable to its owner alone; SQLite's other files follow it."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"The folder {file.parent} cannot be made: {error.strerror}.",
            "Choose another with paths.data in the configuration.",
        ) from None
    with clear_errors():
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))


def _configure_sqlite(engine: AsyncEngine) -> None:
    """Set each connection up, and begin transactions ourselves rather than when sqlite3 likes."""

    @sa.event.listens_for(engine.sync_engine, "connect")
    def connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout = {WAITS_MS}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "secure_delete = ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine.sync_engine, "begin")
    def begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("musrec_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _storable(
    _connection: Any, _cursor: Any, statement: str, values: Any, *_: object
) -> tuple[str, Any]:
    """Replace what no database stores: half characters, and nulls, which PostgreSQL refuses."""
    return statement, values if _is_storable(values) else _without(values)


def _is_storable(value: Any) -> bool:
    """Whether there is certainly nothing to replace."""
    if type(value) is str:
        return value.isascii() and "\0" not in value
    if isinstance(value, tuple | list):
        return all(map(_is_storable, value))
    return not isinstance(value, str | dict)


def _without(value: Any) -> Any:
    match value:
        case str():
            return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)
        case tuple() | list():
            return type(value)(_without(one) for one in value)
        case dict():
            return {name: _without(one) for name, one in value.items()}
    return value


_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def _checkpoint(connection: sa.Connection) -> bool:
    # Not as a statement of SQLAlchemy's, which would begin a transaction first. While it waits for
    # readers no process can write, so it waits briefly.
    cursor = connection.connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {READERS_MS}")
    try:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        [(busy, _, _)] = cursor.fetchall()
    finally:
        cursor.execute(f"PRAGMA busy_timeout = {WAITS_MS}")
        cursor.close()
    return not busy


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: sa.Connection) -> None:
    # Alembic is imported only when there is something to migrate.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", "musrec.store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SET LOCAL statement_timeout = 0"))  # tables may be large
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreError(
            "The database was written by a newer version of musrec.",
            "Update musrec, or point paths.data at another folder.",
        ) from error


_DRIVER_SAYS = (
    (
        r"disk is full|No space left",
        "There is no room left on the disk; nothing of this was kept.",
        "Make room and try again.",
    ),
    (
        r"readonly|read-only|unable to open|permission denied",
        "The database cannot be opened for writing.",
        "Check the permissions of paths.data, or choose another folder.",
    ),
    (
        r"no such (table|column)|has no column",
        "The database does not have the form that this version of musrec works with.",
        "Restore a backup, or point paths.data at another folder.",
    ),
    (
        r"not a database|malformed",
        "The database file is damaged or is not a database.",
        "Put a backup in its place, or move it away to start with an empty one.",
    ),
    (
        _HELD.pattern,
        "Another process holds the database.",
        "Try again in a moment.",
    ),
)


@contextmanager
def clear_errors() -> Iterator[None]:
    """Turn what a database driver says into what a person can act on."""
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        if found := postgres.said(error):
            raise (Lost if postgres.passes(error) else StoreError)(*found) from error
        if isinstance(error, DBAPIError | sqlite3.Error | OSError):
            said = str(error.orig if isinstance(error, DBAPIError) else error)
            for pattern, sentence, hint in _DRIVER_SAYS:
                if re.search(pattern, said, re.IGNORECASE):
                    raise StoreError(sentence, hint) from error
        raise
