"""Tracks become some 30 s of audio, from the first provider that has this very recording."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import aiohttp
from yarl import URL

from musrec.model import Track
from musrec.sources.fetch import AUDIO_BYTES, Endpoints, Reply, fetch, permitted, raise_for_status
from musrec.sources.gate import Absent, Deadline, Gate, Refused, Unsupported
from musrec.sources.lookups import Lookups
from musrec.sources.matching import identified
from musrec.sources.provider import Preview, Provider
from musrec.sources.resolve import Missing
from musrec.titles import merge

SMALLEST = 1_000
"""Bytes; less is no audio, whatever it is."""
REMEMBERED = 4_000
"""Songs of which the ways to their previews are kept in memory."""

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Clip:
    """Where a preview can be downloaded now; lives in memory only.

    Attributes
    ----------
    url : str
        Possibly signed: never stored, logged or shown.
    page : str
        The public page that must be shown beside what came from it.
    expires : float or None
        Seconds since 1970.
    copy : Track or None
        The provider's copy of the song, where it was found by its name or code.
    """

    url: str
    page: str
    expires: float | None = None
    copy: Track | None = None

    def __repr__(self) -> str:
        return f"Clip(page={self.page!r})"


def remember(memory: OrderedDict[str, V], key: str, value: V) -> None:
    """Keep a value in memory, and let the oldest go beyond `REMEMBERED`."""
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > REMEMBERED:
        memory.popitem(last=False)


class ClipProvider(Provider):
    """A provider that gives addresses of previews, which are downloaded here.

    Only from the hosts on the list, without a redirect to another host, up to a size, and once
    more with a new address where the first has run out meanwhile.
    """

    def __init__(self, session: aiohttp.ClientSession, endpoints: Endpoints) -> None:
        self._session = session
        self._hosts = endpoints.downloads
        self._clips: OrderedDict[str, Clip] = OrderedDict()
        self._artists: OrderedDict[str, str] = OrderedDict()
        self.downloads = Gate(f"{self.label}'s previews", rate=40, seconds=2, places=8)

    @property
    def gates(self) -> tuple[Gate, ...]:
        """The service's, and its previews'."""
        return self.gate, self.downloads

    async def clip(self, track: Track, deadline: Deadline) -> Clip:
        """Return where a preview of this very recording can be downloaded."""
        raise NotImplementedError

    async def audio(self, track: Track, deadline: Deadline) -> Preview:
        """Return the preview's bytes."""
        denied = False
        for _ in range(2):
            clip = await self.clip(track, deadline)
            reply = await self._download(clip, deadline)
            if reply.status == 200:
                known = identified(merge(track, clip.copy)) if clip.copy else track
                return Preview(reply.body, self.name, clip.page, known)
            self._forget(clip)
            denied = reply.status == 403
        if denied:  # with an address that is a second old: it is us, not the song
            raise Refused(f"{self.downloads.name} are denied to us")
        raise Absent(f"{self.label}'s preview of {track} does not open")

    def _forget(self, clip: Clip) -> None:
        """Forget an address that did not open, so that the next `clip` asks anew."""
        for number in [key for key, value in self._clips.items() if value.url == clip.url]:
            del self._clips[number]

    async def _download(self, clip: Clip, deadline: Deadline) -> Reply:
        who = self.downloads.name
        if not permitted(clip.url, self._hosts):
            self._forget(clip)
            raise Absent(f"{who} lie at a host that is not on the list")
        async with self.downloads.turn(deadline):
            reply = await fetch(
                self._session,
                clip.url,
                origins={str(URL(clip.url).origin())},
                who=who,
                max_bytes=AUDIO_BYTES,
            )
            if reply.status in (403, 404, 410):  # run out, or withdrawn
                return reply
            raise_for_status(who, reply)
            if len(reply.body) < SMALLEST or reply.body[:64].lstrip()[:1] in (b"<", b"{"):
                raise Refused(f"{who} sent something that is not audio")
            return reply


async def preview(
    providers: Sequence[Provider], track: Track, deadline: Deadline, lookups: Lookups
) -> Preview | Missing:
    """Return audio of a track from the first provider that has it.

    That none of them has any is kept for a while, so that nobody is asked again and again.
    """
    refusals: list[str] = []
    names = "+".join(provider.name for provider in providers)
    nothing = f"preview:{track.id}:{names}"
    if not await lookups.nothing(nothing):
        for provider in providers:
            try:
                return await provider.audio(track, deadline)
            except (Absent, Unsupported):
                continue
            except Refused as refusal:
                refusals.append(str(refusal))
    if refusals:
        return Missing(
            f"I cannot get at “{track.title}” now: {'; '.join(refusals[:3])}.",
            "Try again in a minute, or send me a clip of it.",
        )
    await lookups.keep_nothing(nothing)
    return Missing(
        f"Nobody has a preview of “{track.title}”.", "Send me a clip of it, and I listen to that."
    )
