"""Audio that is downloaded from an address: the shared part of all providers that give one."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from musrec.model import Track
from musrec.sources.fetch import AUDIO_BYTES, Reply, fetch, permitted, raise_for_status
from musrec.sources.gate import Absent, Deadline, Gate, Refused
from musrec.sources.matching import identified
from musrec.sources.provider import Preview, Provider, Setup
from musrec.titles import merge

SMALLEST = 1_000
"""Bytes; anything smaller is not audio."""
REMEMBERED = 4_000
"""Songs for which the way to the audio is kept in memory."""

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Clip:
    """Where audio can be downloaded now; lives in memory only.

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
    """Keep a value in memory, and drop the oldest ones beyond `REMEMBERED`."""
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > REMEMBERED:
        memory.popitem(last=False)


class ClipProvider(Provider):
    """A provider that gives addresses of audio, which is downloaded here.

    Override `clip`, and declare `origins`. Audio is taken from those origins only, and up to a
    size; if its address has expired, `clip` is asked once more.

    **Signed addresses.** Set `Clip.expires` if the address tells it, `remember` the clip in
    ``self._clips``, and return a fresh one once it has expired.

    **Redirects.** They are followed, and every hop is checked before it is asked. So `origins` must
    name all that may lie on the way: the API itself, if ``/tracks/ID/stream`` redirects, and the
    hosts that store the audio, with ``*.`` for numbered ones.

    **Whole songs.** Raise `max_bytes` and `longest`, and cut nothing: what is heard of any audio is
    30 s from its middle.

    Attributes
    ----------
    origins : frozenset of str
        Scheme and host of every address that may be asked for audio, see `fetch.permitted`.
    max_bytes : int
        Of one download; more is refused.
    longest : float
        Seconds that one download may take.
    downloads : Gate
        In front of the audio, apart from the service's own.
    """

    origins: ClassVar[frozenset[str]]
    max_bytes: ClassVar[int] = AUDIO_BYTES
    longest: ClassVar[float] = 8.0

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._session = setup.session
        self._permitted = setup.endpoints.origins(self.origins)
        self._clips: OrderedDict[str, Clip] = OrderedDict()
        self.downloads = Gate(
            f"{self.label}'s previews", rate=40, seconds=2, places=8, longest=self.longest
        )

    @property
    def gates(self) -> tuple[Gate, ...]:
        """The service's, and its audio's."""
        return self.gate, self.downloads

    async def clip(self, track: Track, deadline: Deadline) -> Clip:
        """Return where audio of this very recording can be downloaded."""
        raise NotImplementedError

    async def audio(self, track: Track, deadline: Deadline) -> Preview:
        """Return the audio's bytes."""
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
        """Forget an address that did not open, so that the next `clip` asks again."""
        for number in [key for key, value in self._clips.items() if value.url == clip.url]:
            del self._clips[number]

    async def _download(self, clip: Clip, deadline: Deadline) -> Reply:
        who = self.downloads.name
        if not permitted(clip.url, self._permitted):
            self._forget(clip)
            raise Absent(f"{who} lie at a host that is not on the list")
        async with self.downloads.turn(deadline):
            reply = await fetch(
                self._session,
                clip.url,
                origins=self._permitted,
                who=who,
                max_bytes=self.max_bytes,
            )
            if reply.status in (403, 404, 410):  # run out, or withdrawn
                return reply
            raise_for_status(who, reply)
            if len(reply.body) < SMALLEST or reply.body[:64].lstrip()[:1] in (b"<", b"{", b"["):
                raise Refused(f"{who} sent something that is not audio")
            return reply
