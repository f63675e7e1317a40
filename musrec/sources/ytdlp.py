"""yt-dlp: titles of YouTube, SoundCloud and Bandcamp links; audio only if the owner opts in.

It runs in a process of its own that is killed, with all that it started, once its time is up.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import sys
import tempfile
from contextlib import suppress
from dataclasses import replace
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import ClassVar
from urllib.parse import SplitResult, parse_qs, urlsplit

from musrec.model import Track
from musrec.sources import shapes
from musrec.sources.gate import Absent, Deadline, Gate, Refused, Unsupported
from musrec.sources.matching import Wanted, readings, same
from musrec.sources.provider import (
    LIST_ID,
    SLUG,
    Heading,
    Link,
    LinkKind,
    Preview,
    Provider,
    Setup,
    Site,
)

LONGEST_SONG = 20 * 60.0
AUDIO_BYTES = 25_000_000
SEARCH_SECONDS = 6.0
"""By how much a song's video may differ in length, for another beginning or end."""
DENIED_SECONDS = 900.0
EXTRACTORS = ("youtube", "youtube:search", "soundcloud", "bandcamp")
"""Of yt-dlp; every other host is refused before any request."""

OLD_DAYS = 60
"""Sites break a yt-dlp of that age: within weeks, not years."""

_CHILD = Path(__file__).with_name("ytdlp_child.py")
# The child gets no other variable of ours: one might hold a token.
_PASSED_ON = frozenset(
    {"PATH", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR", "SYSTEMROOT"}
    | {f"{kind}_proxy" for kind in ("http", "https", "no", "all")}
    | {f"{kind}_PROXY" for kind in ("HTTP", "HTTPS", "NO", "ALL")}
)


def age_days(today: date) -> tuple[str, int] | None:
    """Return the installed yt-dlp's version, which is its date, and its age in days.

    None if it is not installed, or its version is no date.
    """
    try:
        installed = version("yt-dlp")
        year, month, day = (int(part) for part in installed.split(".")[:3])
        return installed, (today - date(year, month, day)).days
    except (PackageNotFoundError, ValueError):
        return None


def old(today: date) -> str:
    """Say that yt-dlp is older than `OLD_DAYS`, and how to renew it; empty if it is not."""
    found = age_days(today)
    if found is None or found[1] <= OLD_DAYS:
        return ""
    return (
        f"yt-dlp {found[0]} is {found[1]} days old, and sites change: renew it with "
        "pip install --upgrade yt-dlp."
    )


def _read_youtube(path: list[str], parts: SplitResult) -> Link | None:
    query = parse_qs(parts.query)
    first = path[0] if path else ""
    if (parts.hostname or "").endswith("youtu.be"):
        return _video(first)
    if first == "watch":
        return _video(query.get("v", [""])[0])
    if first in ("shorts", "live", "embed", "v") and len(path) > 1:
        return _video(path[1])
    return _youtube_list(path, query.get("list", [""])[0])


def _youtube_list(path: list[str], listed: str) -> Link | None:
    first = path[0] if path else ""
    if first == "playlist" and LIST_ID.fullmatch(listed):
        url = f"https://www.youtube.com/playlist?list={listed}"
        return Link("youtube", LinkKind.PLAYLIST, listed, url)
    if first in ("channel", "c", "user") and len(path) > 1 and SLUG.fullmatch(path[1]):
        url = f"https://www.youtube.com/{first}/{path[1]}"
        return Link("youtube", LinkKind.ARTIST, path[1], url)
    if re.fullmatch(r"@[\w.\-]{1,60}", first):
        return Link("youtube", LinkKind.ARTIST, first, f"https://www.youtube.com/{first}")
    return None


def _video(identifier: str) -> Link | None:
    # "videoseries" is an embedded list.
    if not re.fullmatch(r"[0-9A-Za-z_-]{11}", identifier) or identifier == "videoseries":
        return None
    url = f"https://www.youtube.com/watch?v={identifier}"
    return Link("youtube", LinkKind.TRACK, identifier, url)


# Pages of SoundCloud itself, and a user's shelves, that look like users and songs.
_SOUNDCLOUD_PAGES = re.compile(
    r"discover|stream|you|search|upload|charts|pages|people|settings|terms-of-use|jobs|feed|"
    r"messages|notifications|oembed|player"
)
_SOUNDCLOUD_SHELVES = re.compile(
    r"tracks|popular-tracks|albums|reposts|likes|followers|following|comments|spotlight"
)


def _read_soundcloud(path: list[str], _: SplitResult) -> Link | None:
    if not path or _SOUNDCLOUD_PAGES.fullmatch(path[0]):
        return None
    if not all(SLUG.fullmatch(segment) for segment in path[:3]):
        return None
    if len(path) == 1 or _SOUNDCLOUD_SHELVES.fullmatch(path[1]) or path[1:] == ["sets"]:
        return Link("soundcloud", LinkKind.ARTIST, path[0], f"https://soundcloud.com/{path[0]}")
    if path[1] == "sets":
        where = "/".join(path[:3])
        return Link("soundcloud", LinkKind.PLAYLIST, where, f"https://soundcloud.com/{where}")
    # A private song carries a secret third part; without it the page does not open.
    kept = path[:3] if len(path) > 2 and path[2].startswith("s-") else path[:2]
    where = "/".join(kept)
    return Link("soundcloud", LinkKind.TRACK, where, f"https://soundcloud.com/{where}")


def _read_bandcamp(path: list[str], parts: SplitResult) -> Link | None:
    artist = (parts.hostname or "").removeprefix("www.").removesuffix(".bandcamp.com")
    if not re.fullmatch(r"[0-9a-z-]{1,80}", artist) or artist in ("www", "daily"):
        return None
    base = f"https://{artist}.bandcamp.com"
    if len(path) >= 2 and path[0] in ("track", "album") and SLUG.fullmatch(path[1]):
        kind = LinkKind.TRACK if path[0] == "track" else LinkKind.ALBUM
        return Link("bandcamp", kind, f"{artist}/{path[1]}", f"{base}/{path[0]}/{path[1]}")
    return Link("bandcamp", LinkKind.ARTIST, artist, f"{base}/music")


YOUTUBE = Site(
    "youtube",
    "YouTube",
    hosts=(
        "youtube.com",
        "m.youtube.com",
        "music.youtube.com",
        "youtube-nocookie.com",
        "youtu.be",
    ),
    read=_read_youtube,
)
SOUNDCLOUD = Site(
    "soundcloud",
    "SoundCloud",
    hosts=("soundcloud.com", "m.soundcloud.com"),
    read=_read_soundcloud,
    short_hosts=("on.soundcloud.com",),
)
BANDCAMP = Site(
    "bandcamp", "Bandcamp", hosts=("bandcamp.com", "*.bandcamp.com"), read=_read_bandcamp
)
_LABELS = {site.name: site.label for site in (YOUTUBE, SOUNDCLOUD, BANDCAMP)}


class YtDlp(Provider):
    """Runs yt-dlp."""

    name = "ytdlp"
    label = "yt-dlp"
    sites = (YOUTUBE, SOUNDCLOUD, BANDCAMP)
    settings: ClassVar = {"ytdlp_audio": False}

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        # One per site: YouTube denies many servers, and the other sites need not wait for it.
        self._gates = {
            site.name: Gate(f"yt-dlp at {site.label}", rate=2, seconds=2, places=2, longest=30.0)
            for site in self.sites
        }
        self.gate = self._gates["youtube"]
        self._endpoints = setup.endpoints
        everywhere = self._endpoints.stand_in and self._endpoints.trusted
        self._extractors = ("generic",) if everywhere else EXTRACTORS
        self._audio: bool = setup.settings.ytdlp_audio

    def speaks_for(self, site: str) -> bool:
        """Whether it reads that site's own pages."""
        return site in self._gates

    @property
    def gates(self) -> tuple[Gate, ...]:
        """One per site."""
        return tuple(self._gates.values())

    async def heading(self, link: Link, deadline: Deadline) -> Heading:
        """Return title, author and duration of a page."""
        if link.provider not in self._gates or link.kind is not LinkKind.TRACK:
            return await super().heading(link, deadline)
        address = self._endpoints.at(f"pages/{link.provider}/{link.id}", link.url)
        return _heading(await self._ask(link.provider, address, deadline))

    async def audio(self, track: Track, deadline: Deadline) -> Preview:
        """Return the audio of a track's own page, or of the video that a search finds for it."""
        if not self._audio:
            raise Unsupported("Audio through yt-dlp is off: sources.ytdlp_audio")
        site = next((site for site in self._gates if site in track.links), "youtube")
        own = track.links.get(site)
        wanted = Wanted.of(track)
        with tempfile.TemporaryDirectory(prefix="musrec-") as folder:
            address = own or f"ytsearch1:{wanted.query}"
            answer = await self._ask(site, address, deadline, Path(folder))
            if own is None and not _is(wanted, _heading(answer)):
                raise Absent(f"YouTube has other songs than {track}")
            file = shapes.at(answer, "file")
            if not isinstance(file, str) or Path(file).parent != Path(folder):
                raise Absent(f"the audio of {track} is too long or too large")
            data = await asyncio.to_thread(Path(file).read_bytes)
        return Preview(data, self.name, own or _page(answer), track)

    async def _ask(
        self, site: str, address: str, deadline: Deadline, folder: Path | None = None
    ) -> object:
        gate = self._gates[site]
        async with gate.turn(deadline) as own:
            job = {
                "address": address,
                "audio": folder is not None,
                "folder": str(folder or ""),
                "extractors": self._extractors,
                "max_bytes": AUDIO_BYTES,
                "max_seconds": LONGEST_SONG,
                "seconds": own.left,
                "runtimes": [name for name in ("deno", "node") if shutil.which(name)],
            }
            answer = shapes.decode(await _run(json.dumps(job).encode()) or b"null")
            outcome = shapes.text(answer, "outcome")
            if outcome == "found":
                return answer
            if outcome == "absent":
                raise Absent("the page is private or gone")
            if outcome == "unsupported":
                raise Absent("yt-dlp may not open that address")
            if outcome == "denied":
                raise Refused(f"{_LABELS[site]} denies yt-dlp from this address", DENIED_SECONDS)
            raise Refused(f"{gate.name} failed")


async def _run(job: bytes) -> bytes:
    """Run the child, and end it and its own children whatever happens here."""
    with tempfile.TemporaryDirectory(prefix="musrec-") as home:
        environment = {key: value for key, value in os.environ.items() if key in _PASSED_ON}
        environment |= {"HOME": home, "XDG_CACHE_HOME": home, "YTDLP_NO_PLUGINS": "1"}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(_CHILD),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=home,
            env=environment,
            start_new_session=True,
        )
        try:
            answer, _ = await process.communicate(job)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return answer


def _page(answer: object) -> str:
    """Return the page of the video that was found, as we write it."""
    found = urlsplit(shapes.text(answer, "webpage_url") or "")
    video = _video(parse_qs(found.query).get("v", [""])[0])
    return video.url if video else "https://www.youtube.com/"


def _heading(answer: object) -> Heading:
    author = shapes.text(answer, "artist")
    title = shapes.text(answer, "track") if author else None
    title = title or shapes.text(answer, "title")
    if title is None:
        raise Absent("the page has no title")
    author = author or shapes.text(answer, "uploader") or shapes.text(answer, "channel")
    return Heading(title, author, shapes.positive(answer, "duration"))


def _is(wanted: Wanted, heading: Heading) -> bool:
    """Whether a video is of the song: names agree, and durations nearly."""
    if abs((wanted.duration or 0) - (heading.duration or 0)) > SEARCH_SECONDS and (
        wanted.duration and heading.duration
    ):
        return False
    loose = replace(wanted, duration=None, isrc=None)
    return any(
        same(loose, Track(id="", title=reading.title, artists=reading.artists))
        for reading in readings(heading.title, heading.author)
        if reading.artists
    )
