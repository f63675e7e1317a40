"""Moving everything from one store into another, on the same database or the other one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from musrec.model import StoreError
from musrec.store.database import Database
from musrec.store.schema import metadata

ROWS = 200
"""Rows per transaction: an analysis with its picture takes up to 100 KB."""

Progress = Callable[[str, int], None]
"""Called with the name of a table and how many of its rows are there."""


async def copy(source: str, target: str, progress: Progress | None = None) -> dict[str, int]:
    """Copy everything that a store holds at this moment into another, and count both.

    Run again, it goes on where it was interrupted: rows that are there are written over with the
    same values.

    Parameters
    ----------
    source, target : str
        SQLAlchemy addresses. The source is brought up to date first; the target is made.
    progress : callable, optional

    Returns
    -------
    dict of str to int
        Table to its rows.

    Raises
    ------
    StoreError
        One of them cannot be used, both are the same, a row of the source is damaged, or the
        target holds something else.
    """
    if make_url(source) == make_url(target):
        raise StoreError("Source and target are the same store.", "Name two addresses.")
    one = await Database.open(source)
    try:
        other = await Database.open(target)
        try:
            return await _copy(one, other, progress)
        finally:
            await other.close()
    finally:
        await one.close()


async def _copy(one: Database, other: Database, progress: Progress | None) -> dict[str, int]:
    counts = dict.fromkeys(metadata.tables, 0)
    async with one.snapshot() as reading:
        async for table, rows in _parts(one, reading):
            async with other.write() as writing:
                await put(other, writing, table, rows)
            counts[table.name] += len(rows)
            if progress:
                progress(table.name, counts[table.name])
    async with other.write() as writing:
        await number_on(other, writing)
        await compare(writing, counts)
    return counts


async def refill(source: str, database: Database) -> None:
    """Replace everything in a database by what a store holds, in one transaction."""
    one = await Database.open(source)
    try:
        counts = dict.fromkeys(metadata.tables, 0)
        async with one.snapshot() as reading, database.write() as writing:
            for table in reversed(metadata.sorted_tables):
                await writing.execute(table.delete())
            async for table, rows in _parts(one, reading):
                await put(database, writing, table, rows)
                counts[table.name] += len(rows)
            await number_on(database, writing)
            await compare(writing, counts)
    finally:
        await one.close()


async def _parts(
    database: Database, connection: AsyncConnection
) -> AsyncIterator[tuple[sa.Table, list[dict[str, Any]]]]:
    """Yield every row, some of one table at a time, after all that they refer to."""
    for table in metadata.sorted_tables:
        keys = list(table.primary_key)
        query, last = sa.select(table).order_by(*keys).limit(ROWS), None
        while True:
            part = query if last is None else query.where(sa.tuple_(*keys) > sa.tuple_(*last))
            found = database.set_aside.get(table.name, 0)
            result = await connection.execute(part)
            rows = database.readable(table, result, lambda row: dict(row._mapping))
            if database.set_aside.get(table.name, 0) > found:
                raise StoreError(
                    f"Damaged rows of {table.name} cannot be copied.",
                    "Restore a backup from before the damage, or delete those rows.",
                )
            if rows:
                yield table, rows
            if len(rows) < ROWS:
                break
            last = [sa.literal(rows[-1][key.name], key.type) for key in keys]


async def put(
    database: Database, connection: AsyncConnection, table: sa.Table, rows: list[dict[str, Any]]
) -> None:
    """Write rows with their keys, over those with the same keys."""
    insert = database.insert(table)
    keys = [key.name for key in table.primary_key]
    names = [column.name for column in table.c if column.name not in keys]
    values = {name: insert.excluded[name] for name in names}
    insert = (
        insert.on_conflict_do_update(index_elements=keys, set_=values)
        if values
        else insert.on_conflict_do_nothing()
    )
    try:
        await connection.execute(insert, rows)
    except sa.exc.IntegrityError as error:
        raise _different(table.name) from error


async def number_on(database: Database, connection: AsyncConnection) -> None:
    """Let PostgreSQL count on from the highest keys; SQLite does so by itself."""
    if not database.is_postgres:
        return
    for table in metadata.sorted_tables:
        if (key := table.autoincrement_column) is not None:
            highest = sa.select(sa.func.max(key)).scalar_subquery()
            sequence = sa.func.pg_get_serial_sequence(table.name, key.name)
            await connection.execute(
                sa.select(
                    sa.func.setval(sequence, sa.func.coalesce(highest, 1), highest.is_not(None))
                )
            )


async def compare(connection: AsyncConnection, counts: dict[str, int]) -> None:
    """Refuse a target that holds more, or less, than was copied."""
    for name, table in metadata.tables.items():
        if await connection.scalar(sa.select(sa.func.count()).select_from(table)) != counts[name]:
            raise _different(name)


def _different(table: str) -> StoreError:
    return StoreError(
        f"The target holds other rows of {table} than the source.",
        "Copy into an empty database, and stop everything that uses it.",
    )
