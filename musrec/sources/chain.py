"""All providers behind one door: which of them are on, what they are asked, and how they are."""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress
from datetime import date
from types import TracebackType

from pydantic import TypeAdapter, ValidationError

from musrec import __version__
from musrec.model import MusrecError, Track
from musrec.sources import shapes, ytdlp
from musrec.sources.candidates import candidates
from musrec.sources.covers import cover
from musrec.sources.fetch import Endpoints, resolver
from musrec.sources.gate import Deadline, Gate, Record, Unanswered, span
from musrec.sources.lookups import DAY, LookupCache, Lookups
from musrec.sources.model import Cover, ProviderHealth, Tool
from musrec.sources.previews import preview
from musrec.sources.provider import ForeignFeatures, Preview, Provider, Setup
from musrec.sources.providers import PROVIDERS, SourcesSettings
from musrec.sources.resolve import Missing, Resolution, Resolver

RECORDED = 7 * DAY
"""Seconds for which a provider's last failure is kept."""
_RECORD = TypeAdapter(Record)


class Sources:
    """The outside world; an async context manager.

    Parameters
    ----------
    settings : SourcesSettings
    cache : LookupCache, optional
        Where answers are kept.
    endpoints : Endpoints, optional
        Where the services are; for tests.
    """

    def __init__(
        self,
        settings: SourcesSettings,
        cache: LookupCache | None = None,
        *,
        endpoints: Endpoints | None = None,
    ) -> None:
        self._settings = settings
        self._cache = cache
        self._lookups = Lookups(cache)
        self._endpoints = endpoints or Endpoints()
        self._stack = AsyncExitStack()
        self._all: tuple[Provider, ...] = ()

    async def __aenter__(self) -> Sources:
        import aiohttp  # here: settings derive from the providers, and must load fast

        whose = shapes.one_line(self._settings.contact)
        contact = f" ({whose})" if whose else ""
        session = aiohttp.ClientSession(
            headers={"User-Agent": f"musrec/{__version__}{contact}"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(
                limit=60, limit_per_host=16, resolver=resolver(self._stack)
            ),
        )
        await self._stack.enter_async_context(session)
        setup = Setup(session, self._endpoints, self._lookups, self._settings)
        self._all = tuple(one for provider in PROVIDERS for one in provider.build(setup))
        self._on = [provider for provider in self._all if not provider.off]
        for gate in self._gates():
            await self._resume(gate)
        self._resolver = Resolver(self._on, session, self._endpoints)
        self._session = session
        self._covers = {
            one.name: Gate(f"{one.label}'s covers", rate=10, seconds=2, places=4)
            for one in self._on
            if one.covers
        }
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def resolve(self, text: str, *, deadline: Deadline) -> Resolution:
        """Find the song that a link or a text means.

        Parameters
        ----------
        text : str
            A link, a title, a title and an artist, or a message with a link in it.
        deadline : Deadline

        Returns
        -------
        Found, Choices or Missing
            If the text means no song, or no service answers, a `Missing` with a sentence and a
            hint; nothing is raised for it.
        """
        answer = await self._resolver.resolve(text, deadline)
        await self._record()
        return answer

    async def finish(self, track: Track, *, deadline: Deadline) -> Track:
        """Fill in what other providers know of a track that was chosen from a `Choices`."""
        return await self._resolver.finish(track, deadline)

    async def known_by(
        self, provider: str, tracks: Iterable[Track], *, deadline: Deadline
    ) -> list[Track]:
        """Return the tracks that one service has too, with its id and link, until the deadline."""
        found = []
        for track in tracks:  # one after the other, to spare the service
            if not deadline.left:
                break
            if known := await self._resolver.known_by(provider, track, deadline):
                found.append(known)
        await self._record()
        return found

    async def preview(self, track: Track, *, deadline: Deadline) -> Preview | Missing:
        """Return audio of this very recording, with the page that must be shown beside it."""
        answer = await preview(self._on, track, deadline, self._lookups)
        await self._record()
        return answer

    async def candidates(self, track: Track, *, deadline: Deadline, limit: int = 60) -> list[Track]:
        """Return songs to consider, best-looking first, each recording once, without `track`."""
        found = await candidates(self._on, track, deadline, limit)
        await self._record()
        return found

    async def foreign_features(self, track: Track, *, deadline: Deadline) -> ForeignFeatures | None:
        """Return the first service's numbers for a sound, only to be shown with their origin.

        ReccoBeats took over Spotify's, so it is asked only if Spotify does not tell this key.
        """
        found = None
        for provider in self._on:
            with suppress(Unanswered):
                found = await provider.features(track, deadline)
                break
        await self._record()
        return found

    async def cover(self, track: Track, *, deadline: Deadline) -> Cover | None:
        """Return the first cover that opens, to be shown beside a link to its service's page."""
        return await cover(
            self._on,
            track,
            deadline,
            session=self._session,
            endpoints=self._endpoints,
            gates=self._covers,
        )

    def _gates(self) -> list[Gate]:
        return [gate for provider in self._all for gate in provider.gates]

    async def _record(self) -> None:
        """Keep what went wrong, for the next process and for `health`."""
        for gate in self._gates():
            if gate.news and self._cache is not None:
                body = _RECORD.dump_json(gate.record()).decode()
                with suppress(MusrecError):
                    await self._cache.put(f"gate:{gate.name}", body, RECORDED)

    async def _resume(self, gate: Gate) -> None:
        if self._cache is not None:
            with suppress(MusrecError, ValidationError):
                if body := await self._cache.get(f"gate:{gate.name}"):
                    gate.resume(_RECORD.validate_json(body))

    def health(self) -> tuple[ProviderHealth, ...]:
        """Return how each provider is, without asking it anything."""
        return tuple(_health(provider) for provider in self._all)

    def old(self, today: date) -> str:
        """Say that yt-dlp is too old to rely on; empty if it is not, or is off."""
        asked = any(provider.name == "ytdlp" and not provider.off for provider in self._all)
        return ytdlp.old(today) if asked else ""

    async def tools(self) -> tuple[Tool, ...]:
        """Look for the programs that yt-dlp uses."""
        return tuple(await asyncio.gather(*(_tool(*wanted) for wanted in _TOOLS)))


TOOL_SECONDS = 5.0
"""How long a program may take to say its version."""

# YouTube hides its formats behind JavaScript; deno or node runs it (yt-dlp's own requirements).
_TOOLS = (
    ("deno", "--version", (2, 3), "YouTube links, through yt-dlp"),
    ("node", "--version", (22, 0), "YouTube links, through yt-dlp, if there is no deno"),
    ("ffmpeg", "-version", (0, 0), "some audio formats, through yt-dlp"),
)


async def _say(path: str, flag: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        path,
        flag,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(TOOL_SECONDS):
            return (await process.communicate())[0]
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _tool(name: str, flag: str, oldest: tuple[int, int], used_for: str) -> Tool:
    path = shutil.which(name)
    if path is None:
        return Tool(name, None, "", used_for, "not found")
    try:
        said = await _say(path, flag)
    except (OSError, TimeoutError):
        return Tool(name, path, "", used_for, "does not run")
    version = re.search(r"\d+(\.\d+)+", said.decode(errors="replace"))
    if version is None:
        return Tool(name, path, "", used_for, "does not say its version")
    numbers = tuple(int(part) for part in version[0].split(".")[:2])
    wanted = ".".join(map(str, oldest))
    wrong = f"too old: {wanted} or later is needed" if numbers < oldest else ""
    return Tool(name, path, version[0], used_for, wrong)


def _last_error(provider: Provider) -> str:
    last = max(provider.gates, key=lambda gate: gate.last_error_at)
    if not last.last_error:
        return ""
    return f"{last.last_error}, {span(max(0.0, time.time() - last.last_error_at))} ago"


def _health(provider: Provider) -> ProviderHealth:
    states = [gate.breaker.state for gate in provider.gates]
    return ProviderHealth(
        name=provider.label,
        on=not provider.off,
        why=provider.off or "; ".join(provider.gate.cannot),
        last_error=_last_error(provider),
        remaining=provider.gate.remaining,
        breaker=next((state for state in ("open", "half-open") if state in states), "closed"),
    )
