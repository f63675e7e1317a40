"""Connections to an SQLite file whose thread runs a statement and fetches its rows in one step.

aiosqlite makes, runs, fetches and closes a cursor in four steps, each of which goes from the event
loop to the connection's thread and back. Going there takes longer than most statements.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Self

import aiosqlite
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine


def engine(address: sa.URL, connections: int) -> AsyncEngine:
    """Return an engine over an SQLite file, with at most so many connections."""

    async def connect() -> _Connection:
        named, options = made.dialect.create_connect_args(address)
        return await _Connection(partial(sqlite3.connect, *named, **options))

    # A transaction takes milliseconds, so every waiting writer gets its turn.
    made = create_async_engine(
        address, async_creator=connect, pool_size=connections, max_overflow=0, pool_timeout=None
    )
    return made


class _Connection(aiosqlite.Connection):
    def __init__(self, connector: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connector, iter_chunk_size=64)
        self._thread.daemon = True  # a program that ends without closing does not wait for it

    def cursor(self) -> _Cursor:  # type: ignore[override]
        return _Cursor(self)

    async def run(
        self, run: Callable[[sqlite3.Cursor], object]
    ) -> tuple[Any, int, int | None, list[Any]]:
        """Return the description, row count, last row id and rows of a statement."""
        return await self._execute(self._run, run)  # type: ignore[no-any-return]

    def _run(
        self, run: Callable[[sqlite3.Cursor], object]
    ) -> tuple[Any, int, int | None, list[Any]]:
        cursor = self._conn.cursor()
        try:
            run(cursor)
            rows = cursor.fetchall() if cursor.description else []
            return cursor.description, cursor.rowcount, cursor.lastrowid, rows
        finally:
            cursor.close()


class _Cursor:
    """What SQLAlchemy asks of a driver's cursor; its rows are there once a statement has run."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, values: Sequence[Any] = ()) -> Self:
        await self._run(lambda cursor: cursor.execute(sql, values))
        return self

    async def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> Self:
        await self._run(lambda cursor: cursor.executemany(sql, rows))
        return self

    async def _run(self, run: Callable[[sqlite3.Cursor], object]) -> None:
        found = await self._connection.run(run)
        self.description, self.rowcount, self.lastrowid, self._rows = found

    async def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        self._rows = []
