"""The only way to the network: who may be asked, how much is read, where a redirect may lead."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from yarl import URL

from musrec.sources import shapes
from musrec.sources.gate import Absent, Deadline, Gate, Refused, Unsupported, retry_after

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.abc import AbstractResolver

_log = logging.getLogger(__name__)

JSON_BYTES = 2_000_000
AUDIO_BYTES = 8_000_000
HOPS = 4

NAME_THREADS = 8
"""Hosts whose addresses are looked up at once."""

BACK_OFF = 30.0
"""Seconds that a provider is left alone when it throttles without saying for how long."""

ComplaintReader = Callable[[object, int], None]


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the services are: at their own addresses, or all at one server, for tests.

    Attributes
    ----------
    stand_in : str or None
        Address of a server that stands for every service; None is the real world.
    trusted : bool
        Whether the stand-in replaces the lists of hosts too (downloads, redirects, yt-dlp's
        extractors); a test of those lists says no.
    """

    stand_in: str | None = None
    trusted: bool = True

    def at(self, name: str, real: str) -> str:
        """Return the real address, or the place on the stand-in that has this name."""
        return f"{self.stand_in}/{name}" if self.stand_in else real

    def origins(self, real: Iterable[str]) -> frozenset[str]:
        """Return the origins that may be asked, see `permitted`."""
        return frozenset({self.stand_in} if self.stand_in and self.trusted else real)


def permitted(address: str, origins: Iterable[str]) -> bool:
    """Whether an address lies at one of the origins.

    An origin is a scheme and a host, with a port where it is not the scheme's own; ``*.`` before
    the host stands for one or more labels. A numeric host must be named exactly, so that the
    production lists, which name none, refuse every one. A user or password is refused.
    """
    try:
        url = URL(address)
        host = url.host
    except ValueError:
        return False
    if not host or url.user or url.password or url.scheme not in ("http", "https"):
        return False
    port = "" if url.is_default_port() else f":{url.port}"
    if _numeric(host):
        return f"{url.scheme}://{host}{port}" in origins
    labels = host.lower().rstrip(".").split(".")
    names = [".".join(labels), *("*." + ".".join(labels[i:]) for i in range(1, len(labels)))]
    allowed = frozenset(origins)
    return any(f"{url.scheme}://{name}{port}" in allowed for name in names)


def _numeric(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        # 127.1, 2130706433 and 0x7f000001 are addresses too, for some resolvers.
        return all(label.isdigit() or label.startswith("0x") for label in host.lower().split("."))
    return True


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, read whole; `headers` takes a name in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


def resolver(stack: AsyncExitStack) -> AbstractResolver:
    """Return what looks up the addresses of hosts, in threads that end with `stack`.

    aiohttp's own shares the event loop's threads, where drawing waits too: a name server that does
    not answer would hold up all of them.
    """
    from aiohttp.abc import AbstractResolver, ResolveResult  # here: settings must load fast

    threads = ThreadPoolExecutor(NAME_THREADS, thread_name_prefix="names")
    stack.callback(threads.shutdown, wait=False, cancel_futures=True)

    class Resolver(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM, family=family)
            found = await asyncio.get_running_loop().run_in_executor(threads, ask)
            return [
                ResolveResult(
                    hostname=host,
                    host=str(address[0]),
                    port=int(address[1]),
                    family=kind,
                    proto=protocol,
                    flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
                )
                for kind, _, protocol, _, address in found
            ]

        async def close(self) -> None:
            """Leave the threads to the stack."""

    return Resolver()


async def fetch(
    session: aiohttp.ClientSession,
    address: str,
    *,
    origins: Iterable[str],
    who: str,
    max_bytes: int,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Fetch one address, following redirects as long as every hop lies at one of `origins`.

    Raises
    ------
    Refused
        An address that is not permitted, more than `max_bytes`, too many redirects, or a broken
        connection. The time limit is the caller's, by `Gate.turn`.
    """
    url = URL(address).update_query(params) if params else URL(address)
    for _ in range(HOPS):
        answer = await _hop(session, url, origins, who, max_bytes, headers)
        if isinstance(answer, Reply):
            return answer
        url = answer
    raise Refused(f"{who} redirects in circles")


async def redirect(
    session: aiohttp.ClientSession, address: str, *, origins: Iterable[str], who: str
) -> str | None:
    """Return where an address redirects, or None where it is a page itself.

    Raises
    ------
    Refused
        The address is not permitted, or the connection broke.
    """
    answer = await _hop(session, URL(address), origins, who, 0, None)
    return str(answer) if isinstance(answer, URL) else None


async def _hop(
    session: aiohttp.ClientSession,
    url: URL,
    origins: Iterable[str],
    who: str,
    max_bytes: int,
    headers: Mapping[str, str] | None,
) -> Reply | URL:
    """Ask one address: what it says, or where it redirects."""
    import aiohttp  # here: settings derive from the providers, and must load fast

    if not permitted(str(url), origins):
        raise Refused(f"{who} led to a host that is not on the list")
    try:
        async with session.get(url, headers=headers, allow_redirects=False) as response:
            where = response.headers.get("Location")
            if response.status in (301, 302, 303, 307, 308) and where:
                return response.url.join(URL(where))
            body = await _read(response, max_bytes, who) if max_bytes else b""
            return Reply(response.status, response.headers, body, str(response.url))
    except aiohttp.ClientConnectorError:
        raise Refused(f"{who} cannot be reached") from None
    except (aiohttp.ClientError, OSError, ValueError) as broken:
        _log.info("%s broke off (%s)", who, type(broken).__name__)
        raise Refused(f"{who} broke off in the middle of its answer") from None


async def _read(response: aiohttp.ClientResponse, max_bytes: int, who: str) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_chunked(64 * 1024):
        size += len(chunk)
        if size > max_bytes:
            raise Refused(f"{who} sent more than {max_bytes / 1e6:.0f} MB")
        chunks.append(chunk)
    return b"".join(chunks)


class Api:
    """A provider's JSON, asked through its gate.

    Parameters
    ----------
    gate : Gate
    session : aiohttp.ClientSession
    base : str
        Address before the path; its origin is the only one asked.
    headers, secret : mapping of str to str, optional
        Sent along; `secret` as part of the query.
    """

    def __init__(
        self,
        gate: Gate,
        session: aiohttp.ClientSession,
        base: str,
        *,
        headers: Mapping[str, str] | None = None,
        secret: Mapping[str, str] | None = None,
    ) -> None:
        self._gate = gate
        self._session = session
        self._base = base
        self._origin = frozenset({str(URL(base).origin())})
        self._headers = headers
        self._secret = secret or {}

    async def get(
        self,
        path: str,
        deadline: Deadline,
        params: Mapping[str, str | int] | None = None,
        *,
        ability: str = "",
        complaint: ComplaintReader | None = None,
    ) -> object:
        """Ask, and return the parsed JSON.

        Parameters
        ----------
        path : str
            Below the base, with its leading slash.
        deadline : Deadline
        params : mapping of str to str or int, optional
            The query.
        ability : str, optional
            See `Gate.turn`.
        complaint : callable, optional
            Given the JSON and the status of every answer, it raises one of the outcomes where the
            answer is a complaint, even one that comes with HTTP 200.

        Raises
        ------
        Absent, Refused, Unsupported
        """
        query = {key: str(value) for key, value in (params or {}).items()}
        query |= self._secret
        who = self._gate.name
        async with self._gate.turn(deadline, ability):
            reply = await fetch(
                self._session,
                self._base + path,
                origins=self._origin,
                who=who,
                max_bytes=JSON_BYTES,
                params=query,
                headers=self._headers,
            )
            if (left := shapes.number(reply.headers.get("X-RateLimit-Remaining"))) is not None:
                self._gate.remaining = int(left)
            try:
                answer = shapes.decode(reply.body)
            except ValueError:
                answer = None
            if complaint is not None:
                complaint(answer, reply.status)
            raise_for_status(who, reply, ability)
            if answer is None:
                raise Refused(f"{who} answered with something that is not JSON")
            return answer


def listed(who: str, answer: object, *path: str) -> list[object]:
    """Return the list that an answer must hold: a missing list is not an empty one.

    Raises
    ------
    Refused
        There is no list.
    """
    found = shapes.at(answer, *path)
    if not isinstance(found, list):
        raise Refused(f"{who} answered in a shape that is not known")
    return found


def raise_for_status(who: str, reply: Reply, ability: str = "") -> None:
    """Turn an HTTP status other than 200 into its outcome.

    Only a named ability is ever unsupported for good: one strange answer to a plain question must
    not switch a provider off until the next start.
    """
    status = reply.status
    if status == 200:
        return
    if status in (404, 410):
        raise Absent(f"{who} has no such thing")
    if status in (400, 401) and ability:
        asks = "asks for a key" if status == 401 else "no longer understands the question"
        raise Unsupported(f"{who} {asks} for {ability} (HTTP {status})")
    if status == 400:
        raise Absent(f"{who} does not understand the question (HTTP 400)")
    if status in (401, 403, 429, 503):
        wait = retry_after(reply.headers)
        what = "denied the question" if status in (401, 403) else "asks for patience"
        raise Refused(f"{who} {what} (HTTP {status})", BACK_OFF if wait is None else wait)
    raise Refused(f"{who} is out of order (HTTP {status})")
