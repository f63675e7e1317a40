"""All providers behind one door: which are on, in which order they are asked, and how they are."""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from types import TracebackType

import aiohttp
from pydantic import TypeAdapter, ValidationError

from musrec import __version__
from musrec.model import MusrecError, Track
from musrec.settings import SourcesSettings
from musrec.sources import shapes
from musrec.sources.candidates import candidates
from musrec.sources.deezer import Deezer
from musrec.sources.fetch import Endpoints
from musrec.sources.gate import Deadline, Gate, Record, Unanswered, span
from musrec.sources.itunes import ITunes
from musrec.sources.lastfm import LastFm
from musrec.sources.listenbrainz import ListenBrainz
from musrec.sources.lookups import DAY, LookupCache, Lookups
from musrec.sources.musicbrainz import MusicBrainz
from musrec.sources.oembed import OEmbed
from musrec.sources.previews import preview
from musrec.sources.provider import ForeignFeatures, Preview, Provider
from musrec.sources.reccobeats import ReccoBeats
from musrec.sources.resolve import Missing, Resolution, Resolver
from musrec.sources.spotify import Spotify
from musrec.sources.ytdlp import YtDlp

RECORDED = 7 * DAY
"""Seconds that is kept what went wrong with a provider."""
_RECORD = TypeAdapter(Record)


@dataclass(frozen=True, slots=True)
class ProviderHealth:
    """How a provider is, for `musrec doctor` and `/status`.

    Attributes
    ----------
    name : str
        For people.
    on : bool
    why : str
        Why it is off, or what it cannot do with this key.
    last_error : str
        With how long ago it was, in this process or an earlier one; empty where there was none.
    remaining : int or None
        Questions left in its quota, where it says so.
    breaker : str
        ``closed`` (asked), ``open`` (left alone) or ``half-open`` (on trial).
    """

    name: str
    on: bool
    why: str
    last_error: str
    remaining: int | None
    breaker: str


@dataclass(frozen=True, slots=True)
class Tool:
    """A program beside us.

    Attributes
    ----------
    name : str
    path : str or None
        None where it was not found.
    version : str
    used_for : str
    wrong : str
        Why it cannot be used; empty where it can.
    """

    name: str
    path: str | None
    version: str
    used_for: str
    wrong: str


class Sources:
    """The outside world; an async context manager.

    Parameters
    ----------
    settings : SourcesSettings
    cache : LookupCache, optional
        Where answers are kept between questions.
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
        whose = shapes.one_line(self._settings.contact)
        contact = f" ({whose})" if whose else ""
        session = aiohttp.ClientSession(
            headers={"User-Agent": f"musrec/{__version__}{contact}"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(limit=60, limit_per_host=16),
        )
        await self._stack.enter_async_context(session)
        self._all = self._providers(session)
        self._on = [provider for provider in self._all if not provider.off]
        for gate in self._gates():
            await self._resume(gate)
        self._resolver = Resolver(self._on, session, self._endpoints)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    def _providers(self, session: aiohttp.ClientSession) -> tuple[Provider, ...]:
        """All providers, in the order in which they are asked."""
        wanted, endpoints, lookups = self._settings, self._endpoints, self._lookups
        deezer = Deezer(session, endpoints, lookups)
        itunes = ITunes(session, endpoints, lookups, wanted.country)
        spotify = Spotify(
            wanted.spotify_client_id,
            wanted.spotify_client_secret,
            endpoints,
            lookups,
            wanted.country,
        )
        reccobeats = ReccoBeats(session, endpoints, lookups)
        musicbrainz = MusicBrainz(session, endpoints, lookups)
        listenbrainz = ListenBrainz(session, endpoints, lookups, wanted.listenbrainz_token)
        lastfm = LastFm(session, endpoints, lookups, wanted.lastfm_key)
        pages = [OEmbed(session, *service) for service in endpoints.oembed.items()]
        ytdlp = YtDlp(endpoints, audio=wanted.ytdlp_audio)
        switches: tuple[tuple[Provider, bool], ...] = (
            (deezer, wanted.deezer),
            (itunes, wanted.itunes),
            (reccobeats, wanted.reccobeats),
            (musicbrainz, wanted.musicbrainz),
            (listenbrainz, wanted.listenbrainz),
            *((page, wanted.oembed) for page in pages),
            (ytdlp, wanted.ytdlp),
        )
        for provider, on in switches:
            if not on:
                provider.off = f"sources.{provider.name} is false"
        return (
            deezer,
            itunes,
            spotify,
            reccobeats,
            musicbrainz,
            listenbrainz,
            lastfm,
            *pages,
            ytdlp,
        )

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
            What is wrong with what a person sent, or with the services, is a `Missing` with a
            sentence and a hint; nothing is raised for it.
        """
        answer = await self._resolver.resolve(text, deadline)
        await self._record()
        return answer

    async def finish(self, track: Track, *, deadline: Deadline) -> Track:
        """Fill in what others know of a track, for one that was chosen from a `Choices`."""
        return await self._resolver.finish(track, deadline)

    async def known_by(
        self, provider: str, tracks: Iterable[Track], *, deadline: Deadline
    ) -> list[Track]:
        """Return those tracks whose recording one service has, with its id and link, in time."""
        found = []
        for track in tracks:  # one after the other: many songs are no reason to hurry a service
            if not deadline.left:
                break
            if known := await self._resolver.known_by(provider, track, deadline):
                found.append(known)
        await self._record()
        return found

    async def preview(self, track: Track, *, deadline: Deadline) -> Preview | Missing:
        """Return some 30 s of this very recording, with the page that must be shown beside it."""
        answer = await preview(self._on, track, deadline, self._lookups)
        await self._record()
        return answer

    async def candidates(self, track: Track, *, deadline: Deadline, limit: int = 60) -> list[Track]:
        """Return songs to consider, best-looking first, each recording once, without `track`."""
        found = await candidates(self._on, track, deadline, limit)
        await self._record()
        return found

    async def foreign_features(
        self, track: Track, *, deadline: Deadline | None = None
    ) -> list[ForeignFeatures]:
        """Return other services' numbers for a sound; to be shown with their origin, only.

        Parameters
        ----------
        deadline : Deadline, optional
            By default eight seconds from now.
        """
        deadline = deadline or Deadline.within(8.0)

        async def ask(provider: Provider) -> ForeignFeatures | None:
            try:
                return await provider.features(track, deadline)
            except Unanswered:
                return None

        found = await asyncio.gather(*(ask(provider) for provider in self._on))
        await self._record()
        return [features for features in found if features]

    def _gates(self) -> list[Gate]:
        return [gate for provider in self._all for gate in provider.gates]

    async def _record(self) -> None:
        """Keep what went wrong, for the next process and for whoever asks how things are."""
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
        """How each provider is, without asking it anything."""
        return tuple(_health(provider) for provider in self._all)

    async def tools(self) -> tuple[Tool, ...]:
        """Look for the programs that yt-dlp makes use of."""
        return tuple(await asyncio.gather(*(_tool(*wanted) for wanted in _TOOLS)))


TOOL_SECONDS = 5.0
"""Within which a program must have said its version."""

# YouTube hides its formats behind JavaScript; these run it (yt-dlp's own requirements).
_TOOLS = (
    ("deno", "--version", (2, 3), "YouTube links, through yt-dlp"),
    ("node", "--version", (22, 0), "YouTube links, through yt-dlp, where there is no deno"),
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
        return Tool(name, path, "", used_for, "does not tell its version")
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
