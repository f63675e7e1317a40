"""Real processes on one store: ``python -m tests.support.store_processes JOB URL [ARGUMENTS]``.

Each says that it is ready with a line, and starts once it is given one.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from musrec.model import Feedback, FeedbackKind, Track
from musrec.store import Store, schema

DIED = 9
ROOT = Path(__file__).resolve().parents[2]
SONG = Track("a song", "A song", ("An artist",))


def start(job: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a process; return once it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.store_processes", job, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    """Let a process that is ready start."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def wait_for_go() -> None:
    print("ready", flush=True)  # noqa: T201 - for the process that started this one
    sys.stdin.readline()


async def thumbs(url: str, first: str, count: str) -> None:
    """Open the store, which may be new, and keep thumbs of as many members all at once."""
    wait_for_go()
    store = await Store.open(url)
    track = await store.tracks.add(SONG)
    likes = (
        Feedback(f"member {number}", track.id, FeedbackKind.LIKE, datetime.now(UTC))
        for number in range(int(first), int(first) + int(count))
    )
    kept = await asyncio.gather(*map(store.feedback.add, likes))
    await store.close()
    assert all(kept)


async def hold(file: str) -> None:
    """Hold the database as a long transaction does, until told to let go."""
    with sqlite3.connect(file, isolation_level=None) as connection:
        connection.execute("BEGIN IMMEDIATE")
        wait_for_go()
        connection.execute("COMMIT")


async def die_in_reaction(url: str, there: str) -> None:
    """React, or take the reaction back, and die with the thumb written and not yet counted."""
    store = await Store.open(url)
    engine = store.database._engine.sync_engine

    @sa.event.listens_for(engine, "after_cursor_execute")
    def die(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "feedback" in statement and not statement.startswith("SELECT"):
            os._exit(DIED)

    wait_for_go()
    event = Feedback("ann", SONG.id, FeedbackKind.LIKE, datetime.now(UTC))
    await store.cards.reacted("message", event, there=there == "there")


async def log_in(url: str) -> None:
    """Take the login slot, and keep it until told to let go."""
    store = await Store.open(url)
    async with store.database.alone("login"):
        wait_for_go()
    await store.close()


async def fit(url: str) -> None:
    """Be the one that makes a fit, and has begun to keep it, until told to let go."""
    store = await Store.open(url)
    async with store.fits.alone():
        async with store.database.write() as connection:
            row = {"recipe": "", "events": 1, "seen": 0, "own": 0, "writer": "", "whole": False}
            now = await store.database.now(connection)
            await connection.execute(schema.fits.insert().values(made_at=now, **row))
        wait_for_go()
    await store.close()


JOBS: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {
    "die_in_reaction": die_in_reaction,
    "fit": fit,
    "thumbs": thumbs,
    "hold": hold,
    "log_in": log_in,
}

if __name__ == "__main__":
    asyncio.run(JOBS[sys.argv[1]](*sys.argv[2:]))
