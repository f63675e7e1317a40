"""PostgreSQL as owners meet it: absent, refusing, restarted, too old a form, and in use."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from musrec.audio.decode import WHOLE_SECONDS
from musrec.catalogue.model import Added
from musrec.model import Feedback, FeedbackKind, StoreError
from musrec.service import Service
from musrec.store import Store
from musrec.store import database as databases
from musrec.store import postgres as driver
from tests.support.postgres import Server, running_server
from tests.support.posting import settings
from tests.support.running import write_some
from tests.support.store_processes import SONG

NOW = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def own() -> Iterator[Server]:
    """A server that tests may stop."""
    yield from running_server()


@pytest.fixture
def own_url(own: Server) -> str:
    return own.prepared()


@pytest.fixture(scope="module")
def no_database() -> Iterator[int]:
    """A port at which a server speaks HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with suppress(OSError):  # closed: the tests are over
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(100)
                        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        yield listener.getsockname()[1]


@pytest.fixture(scope="module")
def refusing(postgres: Server, no_database: int) -> dict[str, str]:
    """Addresses that cannot be used, by why."""
    store = postgres.prepared()
    postgres.execute(
        "CREATE ROLE looker LOGIN",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker",
        database=store.rpartition("/")[2],
    )
    postgres.execute(
        "CREATE ROLE careful LOGIN PASSWORD 'right'",
        "CREATE DATABASE ascii ENCODING SQL_ASCII TEMPLATE template0",
        "CREATE DATABASE closed ALLOW_CONNECTIONS false",
        "CREATE ROLE guest LOGIN",
        "CREATE DATABASE latin ENCODING LATIN1 TEMPLATE template0",
        "CREATE DATABASE read_only",
        "ALTER DATABASE read_only SET default_transaction_read_only = on",
        "CREATE ROLE crowd LOGIN CONNECTION LIMIT 0",
    )
    postgres.demand_password("careful")
    return {
        "no server": "postgresql+asyncpg://postgres@127.0.0.1:1/musrec",
        "no socket": "postgresql+asyncpg://postgres@/musrec?host=/nowhere",
        "no PostgreSQL": f"postgresql+asyncpg://postgres@127.0.0.1:{no_database}/musrec",
        "no TLS": f"{postgres.url('postgres')}?ssl=require",
        "no authority": f"{postgres.url('postgres')}?ssl=verify-full",
        "wrong password": postgres.url("postgres", "careful:wrong"),
        "no password": postgres.url("postgres", "careful"),
        "closed": postgres.url("closed"),
        "ascii": postgres.url("ascii"),
        "may not write": store.replace("postgres@", "looker@"),
        "no database": postgres.url("missing"),
        "no role": postgres.url("postgres", "stranger"),
        "no right": postgres.url("postgres", "guest"),
        "encoding": postgres.url("latin"),
        "read only": postgres.url("read_only"),
        "no connection": postgres.url("postgres", "crowd"),
    }


@pytest.mark.parametrize(
    ("why", "words"),
    [
        ("no server", "does not answer"),
        ("no socket", "does not answer"),
        ("no PostgreSQL", "is no PostgreSQL, or one without TLS"),
        ("no TLS", "is no PostgreSQL, or one without TLS"),
        ("no authority", "cannot be used: .*[Pp]ostgre"),
        ("wrong password", 'let this user in: password authentication failed for user "careful"'),
        ("no password", 'let this user in: password authentication failed for user "careful"'),
        ("closed", 'refuses: database "closed" is not currently accepting connections'),
        ("ascii", "as SQL_ASCII"),
        ("may not write", "may not write to its table accounts"),
        ("no database", 'no such database: database "missing" does not exist'),
        ("no role", 'does not let this user in: role "stranger" does not exist'),
        ("no right", "lacks a right: permission denied for schema public"),
        ("encoding", "as LATIN1"),
        ("read only", "can only be read"),
        ("no connection", "no connection left"),
    ],
)
async def test_what_is_wrong_with_a_server_is_said(
    why: str, words: str, refusing: dict[str, str]
) -> None:
    with pytest.raises(StoreError, match=words) as caught:
        await Store.open(refusing[why])
    assert caught.value.hint


async def test_a_server_that_is_too_old_is_refused(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "OLDEST", 99)
    with pytest.raises(StoreError, match=r"PostgreSQL \d\d is too old") as caught:
        await Store.open(postgres_url)
    assert "Version 99" in caught.value.hint


async def test_a_standby_is_read_and_never_opened(own: Server, own_url: str) -> None:
    store = await Store.open(own_url)
    await store.tracks.add(SONG)
    await asyncio.to_thread(own.stand_by)
    try:
        with pytest.raises(StoreError, match="can only be read"):
            await Store.open(own_url)
        assert await store.tracks.get(SONG.id) == SONG
        with pytest.raises(StoreError, match="can only be read"):
            await store.tracks.add(replace(SONG, id="another"))
    finally:
        await asyncio.to_thread(own.stand_by, False)
    await store.tracks.add(replace(SONG, id="another"))
    await store.close()


async def test_a_statement_that_takes_too_long_ends_with_a_sentence(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "STATEMENT_SECONDS", 0.1)
    store = await Store.open(postgres_url)
    with pytest.raises(StoreError, match="took longer than"):
        async with store.database.read() as connection:
            await connection.execute(sa.text("SELECT pg_sleep(30)"))
    await store.close()


async def test_files_are_added_and_one_new_song_by_ten_at_once(
    postgres: Server, tmp_path: Path
) -> None:
    url = await asyncio.to_thread(postgres.prepared)
    configured = settings(tmp_path / "data", starter=False, url=url)
    [tune] = write_some(tmp_path / "tunes", 0)
    async with Service.open(configured) as service:
        steps = [step async for step in service.songs.add([tmp_path / "tunes"])]
        assert [(step.known, step.problem) for step in steps] == [(False, Added(tune).problem)]
        again = [step async for step in service.songs.add([tmp_path / "tunes"])]
        assert [step.known for step in again] == [True]
        data = tune.read_bytes()
        stores = [await Store.open(configured.store_url) for _ in range(3)]
        heard = await service.songs.hear_clip(data, tune.name)
        assert heard.analysis.seconds >= WHOLE_SECONDS
        tracks = await asyncio.gather(
            *(
                stores[number % 3].analyses.add(
                    replace(heard.track, id=f"other {number}"), heard.analysis, "file", marks=[1, 2]
                )
                for number in range(10)
            )
        )
        assert {track.id for track in tracks} == {heard.track.id}
        for store in stores:
            await store.close()


async def test_a_thumb_given_while_the_server_restarts_is_kept_once(
    own: Server, own_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "RESTART_SECONDS", 0.05)
    monkeypatch.setattr(databases, "TRIES", 1000)
    store = await Store.open(own_url)
    await store.tracks.add(SONG)
    for crash in (False, True):
        thumbs = [
            asyncio.create_task(
                store.feedback.add(Feedback(f"{crash} {number}", SONG.id, FeedbackKind.PLAY, NOW))
            )
            for number in range(50)
        ]
        await asyncio.sleep(0)
        await asyncio.to_thread(own.stop, signal.SIGQUIT if crash else signal.SIGINT)
        thumbs += [
            asyncio.create_task(
                store.feedback.add(Feedback(f"{crash} late", SONG.id, FeedbackKind.PLAY, NOW))
            )
        ]
        await asyncio.to_thread(own.start)
        outcomes = await asyncio.gather(*thumbs, return_exceptions=True)
        kept = [event.member for event in await store.feedback.events()]
        assert len(kept) == len(set(kept))
        assert f"{crash} late" in kept
        for number, outcome in enumerate(outcomes[:-1]):
            # What was cut off while it was committed may be kept; it was not called kept.
            assert outcome is True or isinstance(outcome, StoreError)
            assert outcome is not True or f"{crash} {number}" in kept
    await store.close()


async def test_a_writer_that_hangs_holds_the_others_up_for_a_while_only(
    postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = await asyncio.to_thread(postgres.prepared)
    monkeypatch.setattr(driver, "LOCK_SECONDS", 1)
    monkeypatch.setattr(databases, "TRIES", 1)
    stores = [await Store.open(url) for _ in range(2)]
    async with stores[0].database.write():
        with pytest.raises(StoreError, match="Another process holds the database"):
            await stores[1].tracks.add(SONG)
    await stores[1].tracks.add(SONG)
    async with stores[0].database.read() as connection:
        assert await connection.scalar(sa.text("SELECT count(*) FROM tracks")) == 1
    for store in stores:
        await store.close()
