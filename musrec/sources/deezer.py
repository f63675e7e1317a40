"""Deezer: identity, previews, similar songs and popularity, all without a key.

Errors arrive with HTTP 200 and an ``error`` object. A preview's address is signed and lives for
900 s, so it is kept in memory only and asked for again once it has run out.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from urllib.parse import SplitResult

from musrec.model import Track
from musrec.sources import shapes
from musrec.sources.clips import Clip, ClipProvider, remember
from musrec.sources.fetch import Api, listed
from musrec.sources.gate import Absent, Deadline, Gate, Refused, Unanswered
from musrec.sources.lookups import SIMILAR
from musrec.sources.matching import Wanted, same
from musrec.sources.provider import NUMBER, Link, LinkKind, Setup, Site, make_track
from musrec.titles import artists_agree

QUOTA, PRIVATE, BUSY, NO_DATA = 4, 200, 700, 800
MARGIN = 20.0
"""Seconds before its end from which a signed address is not used: the download takes time too."""

RELATED_ARTISTS = 12
TOP_SONGS = 4
ENOUGH = 30
"""Songs of related artists from which on the charts are not asked."""

KINDS = {
    "track": LinkKind.TRACK,
    "album": LinkKind.ALBUM,
    "playlist": LinkKind.PLAYLIST,
    "artist": LinkKind.ARTIST,
    "episode": LinkKind.PODCAST,
    "show": LinkKind.PODCAST,
}


def _read(path: list[str], _: SplitResult) -> Link | None:
    if path and re.fullmatch(r"[A-Za-z]{2}(-[A-Za-z]{2})?", path[0]):
        path = path[1:]
    if len(path) < 2 or not NUMBER.fullmatch(path[1]):
        return None
    kind = KINDS.get(path[0])
    if kind is None:
        return None
    return Link("deezer", kind, path[1], f"https://www.deezer.com/{path[0]}/{path[1]}")


class Deezer(ClipProvider):
    """Client of api.deezer.com."""

    name = "deezer"
    label = "Deezer"
    sites = (
        Site(
            name,
            label,
            hosts=("deezer.com",),
            read=_read,
            short_hosts=("deezer.page.link", "dzr.page.link", "link.deezer.com"),
        ),
    )
    origins = covers = frozenset({"https://*.dzcdn.net"})

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        # 50 questions in 5 s are allowed; `Gate` says why half of that.
        self.gate = Gate(self.label, rate=25, seconds=5, places=10)
        base = setup.endpoints.at("deezer", "https://api.deezer.com")
        self._api = Api(self.gate, setup.session, base)
        self._lookups = setup.lookups
        self._artists: OrderedDict[str, str] = OrderedDict()
        self._albums: OrderedDict[str, str] = OrderedDict()
        self._covers: OrderedDict[str, str] = OrderedDict()

    async def open(self, link: Link, deadline: Deadline) -> tuple[Track, ...]:
        """Return the track, or the first tracks of an album, a playlist or an artist."""
        path = {
            LinkKind.TRACK: f"/track/{link.id}",
            LinkKind.ALBUM: f"/album/{link.id}/tracks",
            LinkKind.PLAYLIST: f"/playlist/{link.id}/tracks",
            LinkKind.ARTIST: f"/artist/{link.id}/top",
        }.get(link.kind)
        if link.provider != self.name or path is None:
            return await super().open(link, deadline)
        if link.kind is LinkKind.TRACK:
            return await self._lookups.tracks(f"deezer:{path}", lambda: self._one(path, deadline))
        return await self._lookups.tracks(
            f"deezer:{path}", lambda: self._list(path, deadline, {"limit": 10})
        )

    async def by_isrc(self, isrc: str, deadline: Deadline) -> Track:
        """Return the recording with this ISRC."""
        path = f"/track/isrc:{isrc}"
        return (await self._lookups.tracks(f"deezer:{path}", lambda: self._one(path, deadline)))[0]

    async def search(self, query: str, deadline: Deadline) -> tuple[Track, ...]:
        """Return songs for free text; plain words find more here than field syntax."""
        return await self._lookups.tracks(
            f"deezer:search:{query.casefold()}",
            lambda: self._list("/search", deadline, {"q": query, "limit": 15}),
        )

    async def clip(self, track: Track, deadline: Deadline) -> Clip:
        """Return a preview: by id, then by ISRC, then by name.

        Where a copy has no preview (``preview`` is empty, often by country), another copy of the
        same recording may have one.
        """
        number = track.identities.get(self.name, "")
        if clip := self._fresh(number):
            return clip
        ways = [f"/track/{number}"] if number else []
        ways += [f"/track/isrc:{track.isrc}"] if track.isrc else []
        for path in ways:
            try:
                (found,) = await self._one(path, deadline)
            except Absent:
                continue
            # An address that was signed a moment ago is tried, whatever our clock says.
            if clip := self._clips.get(found.identities[self.name]):
                return replace(clip, copy=found)
        wanted = Wanted.of(track)
        for found in await self._list("/search", deadline, {"q": wanted.query, "limit": 15}):
            if same(wanted, found) and (clip := self._clips.get(found.identities[self.name])):
                return replace(clip, copy=found)
        raise Absent(f"{self.label} has no preview of {track}")

    async def cover(self, track: Track, deadline: Deadline) -> str:
        """Return the album's cover, 250 pixels wide."""
        number = track.identities.get(self.name, "")
        if number and number not in self._covers:
            await self._one(f"/track/{number}", deadline)
        if number not in self._covers:
            raise Absent(f"{self.label} has no cover of {track}")
        return self._covers[number]

    async def similar(self, track: Track, deadline: Deadline) -> tuple[Track, ...]:
        """Return top songs of related artists, the artist's radio, and charts if both give few."""
        return tuple(await self._similar(await self._artist(track, deadline), deadline))

    async def genre(self, track: Track, deadline: Deadline) -> str:
        """Return the first genre of the album; tracks carry none."""
        number = track.identities.get(self.name)
        if not number:
            raise Absent(f"{self.label}'s id of {track} is not known")
        (filed,) = await self._lookups.tracks(
            f"deezer:filed:{number}", lambda: self._filed(number, deadline)
        )
        return str(filed.genre)

    async def _filed(self, number: str, deadline: Deadline) -> list[Track]:
        if number not in self._albums:
            await self._one(f"/track/{number}", deadline)
        album = self._albums.get(number)
        if album is None:
            raise Absent(f"{self.label} does not name the album")
        answer = await self._api.get(f"/album/{album}", deadline, complaint=_complaint)
        name = shapes.text(answer, "genres", "data", 0, "name")
        if name is None:
            raise Absent(f"{self.label} files the album under no genre")
        return [make_track(self.name, number, shapes.text(answer, "title") or "-", [], genre=name)]

    async def _artist(self, track: Track, deadline: Deadline) -> str:
        number = track.identities.get(self.name, "")
        if artist := self._artists.get(number):
            return artist
        if number:
            with suppress(Absent):  # withdrawn since
                await self._one(f"/track/{number}", deadline)
            if artist := self._artists.get(number):
                return artist
        if not track.artists:
            raise Absent(f"{self.label} needs an artist to find what is like {track}")
        answer = await self._api.get(
            "/search/artist", deadline, {"q": track.artists[0], "limit": 5}, complaint=_complaint
        )
        for row in shapes.rows(answer, "data"):
            name, found = shapes.text(row, "name"), shapes.identifier(row, "id")
            if name and found and artists_agree([name], track.artists[:1]):
                return found
        raise Absent(f"{self.label} does not know {track.artists[0]}")

    async def _similar(self, artist: str, deadline: Deadline) -> list[Track]:
        answer = await self._api.get(
            f"/artist/{artist}/related",
            deadline,
            {"limit": RELATED_ARTISTS},
            complaint=_complaint,
        )
        related = [shapes.identifier(row, "id") for row in shapes.rows(answer, "data")]
        lists = await asyncio.gather(
            self._quietly(f"/artist/{artist}/radio", deadline, limit=25),
            *(
                self._quietly(f"/artist/{other}/top", deadline, limit=TOP_SONGS)
                for other in related[:RELATED_ARTISTS]
                if other
            ),
        )
        radio, *tops = lists
        # The first song of each related artist, then the radio's and the second ones in turn.
        ranked = [row for rank in range(TOP_SONGS) for row in _column(tops, rank)]
        mixed = ranked[: len(tops)] + _alternate(radio, ranked[len(tops) :])
        if len(mixed) < ENOUGH:
            mixed += await self._quietly("/chart/0/tracks", deadline, limit=25)
        if not mixed:
            raise Refused(f"{self.label} gave no similar songs in time")
        return mixed

    async def _quietly(self, path: str, deadline: Deadline, limit: int) -> tuple[Track, ...]:
        """Return one list of several, each cached by itself; empty if it does not come in time."""
        try:
            return await self._lookups.tracks(
                f"deezer:{path}",
                lambda: self._list(path, deadline, {"limit": limit}),
                keep=SIMILAR,
            )
        except Unanswered:
            return ()

    async def _one(self, path: str, deadline: Deadline) -> list[Track]:
        answer = await self._api.get(path, deadline, complaint=_complaint)
        if track := self._track(answer):
            return [track]
        raise Refused(f"{self.label} answered without a track")

    async def _list(
        self, path: str, deadline: Deadline, params: dict[str, str | int]
    ) -> list[Track]:
        answer = await self._api.get(path, deadline, params, complaint=_complaint)
        tracks = [self._track(row) for row in listed(self.label, answer, "data")]
        return [track for track in tracks if track]

    def _track(self, row: object) -> Track | None:
        number, title = shapes.identifier(row, "id"), shapes.text(row, "title")
        if number is None or title is None or shapes.at(row, "type") not in (None, "track"):
            return None
        people = [shapes.text(one, "name") for one in shapes.rows(row, "contributors")]
        rank = shapes.positive(row, "rank")
        track = make_track(
            self.name,
            number,
            title,
            [shapes.text(row, "artist", "name"), *people],
            link=f"https://www.deezer.com/track/{number}",
            album=shapes.text(row, "album", "title"),
            year=shapes.year(row, "release_date"),
            isrc=shapes.isrc(row, "isrc"),
            duration=shapes.positive(row, "duration"),
            popularity=min(1.0, rank / 1e6) if rank else None,
        )
        self._remember(number, row, track)
        return track

    def _remember(self, number: str, row: object, track: Track) -> None:
        """Keep in memory what the next questions about this song need."""
        if preview := shapes.at(row, "preview"):
            page = track.links[self.name]
            remember(self._clips, number, Clip(str(preview)[:2_000], page, _expiry(str(preview))))
        else:
            self._clips.pop(number, None)  # withdrawn since
        if artist := shapes.identifier(row, "artist", "id"):
            remember(self._artists, number, artist)
        if cover := shapes.text(row, "album", "cover_medium"):
            remember(self._covers, number, cover)
        if album := shapes.identifier(row, "album", "id"):
            remember(self._albums, number, album)

    def _fresh(self, number: str) -> Clip | None:
        clip = self._clips.get(number)
        if clip and (clip.expires is None or clip.expires - time.time() > MARGIN):
            return clip
        return None


def _complaint(answer: object, _status: int) -> None:
    error = shapes.at(answer, "error")
    if not error:
        return
    code = shapes.number(error, "code")
    if code == QUOTA:
        raise Refused("Deezer's quota is used up", 5.0)
    if code == BUSY:
        raise Refused("Deezer is busy", 30.0)
    if code == PRIVATE:
        raise Absent("Deezer keeps this private", lasting=False)
    if code == NO_DATA or code is None or 500 <= code < 700:
        raise Absent("Deezer has no such thing")
    raise Refused(f"Deezer complains (code {code:.0f})")


def _expiry(url: str) -> float | None:
    """Second at which a signed address ends: ``hdnea=exp=1763672105~acl=...``."""
    found = re.search(r"\bexp=([0-9]{9,11})\b", url)
    return float(found[1]) if found else None


def _column(lists: Sequence[Sequence[Track]], rank: int) -> list[Track]:
    return [tracks[rank] for tracks in lists if rank < len(tracks)]


def _alternate(one: Sequence[Track], other: Sequence[Track]) -> list[Track]:
    longest = max(len(one), len(other))
    return [track for rank in range(longest) for track in _column([one, other], rank)]
