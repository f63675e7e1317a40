"""yt-dlp: titles of YouTube, SoundCloud and Bandcamp links; their audio only where opted in.

It runs in a process of its own that is killed, with all that it started, when its time is over.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from musrec.model import Track
from musrec.sites import SITES
from musrec.sources import links, shapes
from musrec.sources.fetch import Endpoints
from musrec.sources.gate import Absent, Deadline, Gate, Refused, Unsupported
from musrec.sources.links import Link, LinkKind
from musrec.sources.matching import Wanted, readings, same
from musrec.sources.provider import Heading, Preview, Provider

READ = ("youtube", "soundcloud", "bandcamp")
"""Sites whose pages it opens here."""
LONGEST_SONG = 20 * 60.0
AUDIO_BYTES = 25_000_000
SEARCH_SECONDS = 6.0
"""A video of a song may carry so much more or less of a beginning and an end."""
DENIED_SECONDS = 900.0

_CHILD = Path(__file__).with_name("ytdlp_child.py")
# Nothing else of our environment goes to the child: it may hold tokens.
_PASSED_ON = frozenset(
    {"PATH", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR", "SYSTEMROOT"}
    | {f"{kind}_proxy" for kind in ("http", "https", "no", "all")}
    | {f"{kind}_PROXY" for kind in ("HTTP", "HTTPS", "NO", "ALL")}
)


class YtDlp(Provider):
    """Runs yt-dlp.

    Parameters
    ----------
    endpoints : Endpoints
        For the extractors that it may use.
    audio : bool
        Whether audio may be downloaded, ``sources.ytdlp_audio``.
    """

    name = "ytdlp"
    label = "yt-dlp"

    def __init__(self, endpoints: Endpoints, *, audio: bool) -> None:
        # One a site: YouTube denies many servers, and the others need not wait for that to pass.
        self._gates = {
            site: Gate(f"yt-dlp at {SITES[site]}", rate=2, seconds=2, places=2, longest=30.0)
            for site in READ
        }
        self.gate = self._gates["youtube"]
        self._extractors = endpoints.ytdlp_extractors
        self._pages = endpoints.ytdlp_pages
        self._audio = audio

    def speaks_for(self, site: str) -> bool:
        """Whether it reads that site's own pages."""
        return site in READ

    @property
    def gates(self) -> tuple[Gate, ...]:
        """One a site."""
        return tuple(self._gates.values())

    async def heading(self, link: Link, deadline: Deadline) -> Heading:
        """Return title, author and duration of a page."""
        if link.provider not in READ or link.kind is not LinkKind.TRACK:
            return await super().heading(link, deadline)
        address = f"{self._pages}/{link.provider}/{link.id}" if self._pages else link.url
        return _heading(await self._ask(link.provider, address, deadline))

    async def audio(self, track: Track, deadline: Deadline) -> Preview:
        """Return the audio of a track's own page, or of the video that a search finds for it."""
        if not self._audio:
            raise Unsupported("Audio through yt-dlp is off: sources.ytdlp_audio")
        site = next((site for site in READ if site in track.links), "youtube")
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
        video = links.parse(shapes.text(answer, "webpage_url") or "")
        page = own or (video.url if video else "https://www.youtube.com/")
        return Preview(data, self.name, page, track)

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
                raise Refused(f"{SITES[site]} denies yt-dlp from this address", DENIED_SECONDS)
            raise Refused(f"{gate.name} failed")


async def _run(job: bytes) -> bytes:
    """Run the child, and end it and its children whatever happens here."""
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


def _heading(answer: object) -> Heading:
    author = shapes.text(answer, "artist")
    title = shapes.text(answer, "track") if author else None
    title = title or shapes.text(answer, "title")
    if title is None:
        raise Absent("the page has no title")
    author = author or shapes.text(answer, "uploader") or shapes.text(answer, "channel")
    return Heading(title, author, shapes.positive(answer, "duration"))


def _is(wanted: Wanted, heading: Heading) -> bool:
    """Whether a video is of the song: names agree, and durations roughly."""
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
