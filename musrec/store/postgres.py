"""What differs where the store is PostgreSQL: how it is reached, checked, and what it says."""

from __future__ import annotations

import errno
import re
import socket
import ssl
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from musrec.model import StoreError
from musrec.store.schema import metadata

OLDEST = 14
"""The oldest PostgreSQL that the store works with."""

CONNECT_SECONDS = 10
STATEMENT_SECONDS = 60
LOCK_SECONDS = 15
"""How long connecting, one statement, and waiting for another process may take."""

WRITERS = 0x6D757372
"""Key of the advisory lock under which processes write."""

Sentence = tuple[str, str]

_LOST = "The connection to PostgreSQL was lost.", "Try again in a minute."
_HELD = "Another process holds the database.", "Try again in a moment."
_RESTARTING = "PostgreSQL is starting, stopping or recovering.", "Try again in a minute."

# By SQLSTATE, or by its class: https://www.postgresql.org/docs/current/errcodes-appendix.html
_SAYS: dict[str, Sentence] = {
    "08": _LOST,
    "08P01": (
        "PostgreSQL refuses this connection: {said}.",
        "Name the server itself in store.url, not a pooler such as PgBouncer.",
    ),
    "25006": (
        "This PostgreSQL can only be read: it is a standby, or set to read-only.",
        "Point store.url at the primary server.",
    ),
    "25P03": _LOST,
    "28": (
        "PostgreSQL does not let this user in: {said}.",
        "Check the user and password in store.url; `createuser --pwprompt NAME` creates one.",
    ),
    "3D000": (
        "The server has no such database: {said}.",
        "Create it with `createdb --encoding UTF8 --owner USER NAME`.",
    ),
    "40": _HELD,
    "42501": (
        "The database's user lacks a right: {said}.",
        "Make it the owner: `ALTER DATABASE name OWNER TO user`.",
    ),
    "42P01": (
        "The database does not have the form that this version of musrec works with.",
        "Restore a backup, or name another database in store.url.",
    ),
    "53": ("PostgreSQL has run out of something: {said}.", "Its log says more."),
    "53100": (
        "There is no room left on the database's disk; nothing of this was kept.",
        "Make room and try again.",
    ),
    "53300": (
        "PostgreSQL has no connection left.",
        "Run fewer processes, or raise max_connections: each process needs up to 6.",
    ),
    "55000": ("PostgreSQL refuses: {said}.", "Name another database in store.url, or allow it."),
    "55P03": _HELD,
    "57014": (
        f"PostgreSQL took longer than {STATEMENT_SECONDS} s to answer.",
        "Try again; if it happens again, look at its load.",
    ),
    "57P": _RESTARTING,
    "XX": ("PostgreSQL reports damage: {said}.", "Restore a backup; its log says more."),
}
_SAYS["42703"] = _SAYS["42P01"]

_PASSING = ("08", "25P03", "57P", "53300")
"""Reasons why a server cannot be reached for a moment."""

_UNREACHED = {errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH}
"""Why an address cannot be connected to."""

_CUT = re.compile(
    "connection (is|was) closed|connection.*(reset|lost|refused)|connect call failed|"
    # What asyncpg says of a connection that has just broken.
    "cannot switch to state [0-9]+; another operation|"
    "name or service not known",
    re.IGNORECASE,
)


def engine(address: URL, connections: int) -> AsyncEngine:
    """Return an engine whose waits all end, and that notices when the server is gone."""
    made = create_async_engine(
        address,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=None,
        pool_pre_ping=True,
        connect_args={
            "timeout": CONNECT_SECONDS,
            # Beyond the server's own limit: an answer that is later than that will never come.
            "command_timeout": STATEMENT_SECONDS + 10,
            "server_settings": {
                "application_name": "musrec",
                "statement_timeout": f"{STATEMENT_SECONDS}s",
                "lock_timeout": f"{LOCK_SECONDS}s",
                # A writer that is cut off must not keep the others waiting.
                "idle_in_transaction_session_timeout": f"{STATEMENT_SECONDS}s",
                "tcp_keepalives_idle": "10",
                "tcp_keepalives_interval": "5",
                "tcp_keepalives_count": "3",
            },
        },
    )

    @sa.event.listens_for(made.sync_engine, "handle_error")
    def drop_broken(context: sa.ExceptionContext) -> None:
        """Give no broken connection to the next who needs one."""
        if _CUT.search(str(context.original_exception)):
            context.is_disconnect = True

    return made


def check(connection: sa.Connection) -> None:
    """Refuse a server that cannot hold a store.

    Raises
    ------
    StoreError
        It is too old, can only be read, keeps its text in another encoding, or its user may not
        write.
    """
    version, encoding, standby, read_only = connection.execute(
        sa.text(
            "SELECT current_setting('server_version_num')::int, current_setting('server_encoding'),"
            " pg_is_in_recovery(), current_setting('default_transaction_read_only')::bool"
        )
    ).one()
    if version < OLDEST * 10_000:
        raise StoreError(
            f"PostgreSQL {version // 10_000} is too old.", f"Version {OLDEST} or later is needed."
        )
    if standby or read_only:
        raise StoreError(*_SAYS["25006"])
    if encoding != "UTF8":
        raise StoreError(
            f"The database keeps its text as {encoding}, which cannot hold every title.",
            "Create one with `createdb --encoding UTF8 --template template0 NAME`.",
        )
    locked = connection.scalar(_UNWRITABLE, {"names": list(metadata.tables)})
    if locked is not None:
        raise StoreError(
            f"The database's user may not write to its table {locked}.",
            "Let the owner of the tables use it, or run `REASSIGN OWNED BY owner TO user` in it.",
        )


_UNWRITABLE = sa.text(
    "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
    " AND relkind = 'r' AND relname = ANY(:names) AND NOT (has_table_privilege(oid, 'SELECT')"
    " AND has_table_privilege(oid, 'INSERT') AND has_table_privilege(oid, 'UPDATE')"
    " AND has_table_privilege(oid, 'DELETE')) ORDER BY relname LIMIT 1"
)


def in_use(connection: sa.Connection) -> bool:
    """Whether another process has the store open."""
    others = connection.execute(
        sa.text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'musrec' AND pid <> pg_backend_pid()"
        )
    )
    return bool(others.scalar())


def said(error: BaseException) -> Sentence | None:
    """Return what to tell of a driver's error and what to try; None if it is not PostgreSQL's."""
    state, words = _state(error), str(getattr(error, "orig", None) or error)
    if state:
        # The most exact code counts: "53100" before "53".
        for length in (5, 3, 2):
            if found := _SAYS.get(state[:length]):
                what, hint = found
                return what.format(said=_short(words)), hint
        return None
    return _unheard(error, words)


def unusable(error: BaseException) -> StoreError:
    """Return what to tell where the first connection failed for a reason that `said` lacks."""
    words = _short(str(getattr(error, "orig", None) or error)) or type(error).__name__
    return StoreError(f"PostgreSQL cannot be used: {words}.", "Correct store.url.")


def passes(error: BaseException) -> bool:
    """Whether the server may be back in a moment: it restarts, or the network was cut."""
    state = _state(error)
    if state:
        return state.startswith(_PASSING)
    return isinstance(error, TimeoutError | OSError) or bool(_CUT.search(str(error)))


def _unheard(error: BaseException, words: str) -> Sentence | None:
    """Return what to tell where the server said nothing."""
    if isinstance(error, ssl.SSLError):
        certificate: str = getattr(error, "verify_message", "")
        return (
            f"PostgreSQL's certificate is not accepted: {_short(certificate or words)}.",
            "Set PGSSLROOTCERT to its authority's file; ssl=require encrypts without checking.",
        )
    if "rejected SSL upgrade" in words:
        return (
            "What answers at store.url is no PostgreSQL, or one without TLS.",
            "Correct its host and port, or leave ssl out.",
        )
    if _CUT.search(words) or _unreached(error):
        return "PostgreSQL does not answer.", "Start it, or correct store.url."
    if isinstance(error, TimeoutError):
        return "PostgreSQL does not answer in time.", "Try again; look at its load and the network."
    return None


def _unreached(error: BaseException) -> bool:
    """Whether connecting failed; the errors of a socket in a folder name no file."""
    if not isinstance(error, OSError):
        return False
    no_socket = error.filename is None and error.errno in (errno.ENOENT, errno.EACCES)
    return (
        no_socket
        or isinstance(error, ConnectionError | socket.gaierror)
        or error.errno in _UNREACHED
    )


def _state(error: BaseException) -> str | None:
    """Return the SQLSTATE of an error of the driver's, wrapped by SQLAlchemy or not."""
    origin: Any = getattr(error, "orig", None) or error
    state = getattr(origin, "sqlstate", None)
    return state if isinstance(state, str) else None


def _short(words: str) -> str:
    """Return the first line of what the driver said, without the name of its class."""
    return re.sub(r"^<class '[^']*'>: ", "", words.partition("\n")[0]).rstrip(".")
