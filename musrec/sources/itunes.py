"""iTunes Search: identity, genre and unsigned previews without a key.

Apple allows previews only "to promote store content", so the page is shown beside each of them.
Answers carry no ISRC. Over the limit it answers 403 with an empty body.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from contextlib import suppress
from dataclasses import replace
from urllib.parse import SplitResult, parse_qs

from musrec.model import Track
from musrec.sources import shapes
from musrec.sources.clips import Clip, ClipProvider, remember
from musrec.sources.fetch import Api, listed, permitted
from musrec.sources.gate import Absent, Deadline, Gate
from musrec.sources.matching import Wanted, same
from musrec.sources.provider import LIST_ID, NUMBER, Link, LinkKind, Setup, Site, make_track

PAGES = frozenset({"https://music.apple.com", "https://itunes.apple.com"})


def _read(path: list[str], parts: SplitResult) -> Link | None:
    if parts.hostname == "podcasts.apple.com":
        return _podcast(path)
    country = "us"
    if path and re.fullmatch(r"[A-Za-z]{2}", path[0]):
        country, path = path[0].lower(), path[1:]
    if len(path) < 2:
        return None
    what, last = path[0], path[-1].removeprefix("id")
    song = parse_qs(parts.query).get("i", [""])[0]
    base = f"https://music.apple.com/{country}"
    if what == "album" and NUMBER.fullmatch(song):
        return Link("itunes", LinkKind.TRACK, song, f"{base}/song/{song}")
    if what == "playlist" and LIST_ID.fullmatch(last):
        return Link("itunes", LinkKind.PLAYLIST, last, f"{base}/playlist/{last}")
    kind = {"song": LinkKind.TRACK, "album": LinkKind.ALBUM, "artist": LinkKind.ARTIST}.get(what)
    if kind is None or not NUMBER.fullmatch(last):
        return None
    return Link("itunes", kind, last, f"{base}/{what}/{last}")


def _podcast(path: list[str]) -> Link | None:
    last = path[-1].removeprefix("id") if path else ""
    if not NUMBER.fullmatch(last):
        return None
    return Link("itunes", LinkKind.PODCAST, last, f"https://podcasts.apple.com/podcast/id{last}")


class ITunes(ClipProvider):
    """Client of itunes.apple.com."""

    name = "itunes"
    label = "Apple Music"
    sites = (
        Site(
            name,
            label,
            hosts=(
                "music.apple.com",
                "geo.music.apple.com",
                "embed.music.apple.com",
                "itunes.apple.com",
                "podcasts.apple.com",
            ),
            read=_read,
        ),
    )
    origins = frozenset({"https://audio-ssl.itunes.apple.com"})
    covers = frozenset({"https://*.mzstatic.com"})
    tells_isrc = False

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        # "About 20 per minute" is documented; one per 0.75 s held for 310 questions in a row.
        self.gate = Gate(self.label, rate=4, seconds=4, places=3)
        base = setup.endpoints.at("itunes", "https://itunes.apple.com")
        self._api = Api(self.gate, setup.session, base)
        self._lookups = setup.lookups
        self._country = setup.settings.country
        self._artists: OrderedDict[str, str] = OrderedDict()
        self._covers: OrderedDict[str, str] = OrderedDict()

    async def open(self, link: Link, deadline: Deadline) -> tuple[Track, ...]:
        """Return the track, or the first tracks of an album or an artist."""
        if link.provider != self.name or link.kind not in (
            LinkKind.TRACK,
            LinkKind.ALBUM,
            LinkKind.ARTIST,
        ):
            return await super().open(link, deadline)
        # The link's own shop may have what ours lacks.
        theirs = re.match(r"https://music\.apple\.com/([a-z]{2})/", link.url)
        countries = dict.fromkeys((self._country, theirs[1].upper() if theirs else self._country))
        for country in countries:
            with suppress(Absent):
                found = await self._known(link.id, deadline, country)
                if link.kind is not LinkKind.TRACK or found[0].identities[self.name] == link.id:
                    return found
        raise Absent(f"{self.label} has no such song")

    async def search(self, query: str, deadline: Deadline) -> tuple[Track, ...]:
        """Return songs for free text."""
        return await self._lookups.tracks(
            f"itunes:{self._country}:search:{query.casefold()}",
            lambda: self._search(query, deadline),
        )

    async def clip(self, track: Track, deadline: Deadline) -> Clip:
        """Return a preview by id, then by name."""
        number = track.identities.get(self.name, "")
        if clip := self._clips.get(number):
            return clip
        if number:
            await self._lookup(number, deadline, self._country)
            if clip := self._clips.get(number):
                return clip
        wanted = Wanted.of(track)
        for found in await self._search(wanted.query, deadline):
            if same(wanted, found) and (clip := self._clips.get(found.identities[self.name])):
                return replace(clip, copy=found)
        raise Absent(f"{self.label} has no preview of {track}")

    async def cover(self, track: Track, deadline: Deadline) -> str:
        """Return the shop's cover, 100 pixels wide."""
        number = track.identities.get(self.name, "")
        if number and number not in self._covers:
            await self._lookup(number, deadline, self._country)
        if number not in self._covers:
            raise Absent(f"{self.label} has no cover of {track}")
        return self._covers[number]

    async def similar(self, track: Track, deadline: Deadline) -> tuple[Track, ...]:
        """Return other songs of the artist: iTunes knows of no other likeness."""
        number = track.identities.get(self.name, "")
        if number not in self._artists:
            found = await self._same(track, deadline)
            number = found.identities[self.name]
        if number not in self._artists:
            raise Absent(f"{self.label} does not know the artist of {track}")
        return await self._known(self._artists[number], deadline)

    async def genre(self, track: Track, deadline: Deadline) -> str:
        """Return the shop's genre."""
        found = await self._same(track, deadline)
        if found.genre:
            return found.genre
        raise Absent(f"{self.label} files {track} under no genre")

    async def _same(self, track: Track, deadline: Deadline) -> Track:
        if number := track.identities.get(self.name):
            return (await self._known(number, deadline))[0]
        wanted = Wanted.of(track)
        for found in await self.search(wanted.query, deadline):
            if same(wanted, found):
                return found
        raise Absent(f"{self.label} does not have {track}")

    async def _known(
        self, number: str, deadline: Deadline, country: str | None = None
    ) -> tuple[Track, ...]:
        """Return the songs behind the number of a song, an album or an artist."""
        country = country or self._country
        return await self._lookups.tracks(
            f"itunes:{country}:lookup:{number}", lambda: self._lookup(number, deadline, country)
        )

    async def _lookup(self, number: str, deadline: Deadline, country: str) -> list[Track]:
        answer = await self._api.get(
            "/lookup", deadline, {"id": number, "entity": "song", "limit": 25, "country": country}
        )
        return self._tracks(answer)

    async def _search(self, query: str, deadline: Deadline) -> list[Track]:
        answer = await self._api.get(
            "/search",
            deadline,
            {
                "term": query,
                "media": "music",
                "entity": "song",
                "limit": 15,
                "country": self._country,
            },
        )
        return self._tracks(answer)

    def _tracks(self, answer: object) -> list[Track]:
        tracks = [self._track(row) for row in listed(self.label, answer, "results")]
        if found := [track for track in tracks if track]:
            return found
        raise Absent(f"{self.label} has no such song")

    def _track(self, row: object) -> Track | None:
        number, title = shapes.identifier(row, "trackId"), shapes.text(row, "trackName")
        if number is None or title is None or shapes.at(row, "kind") not in (None, "song"):
            return None
        page = shapes.text(row, "trackViewUrl")
        if page is None or not permitted(page, PAGES):
            page = f"https://music.apple.com/{self._country.lower()}/song/{number}"
        length = shapes.positive(row, "trackTimeMillis")
        track = make_track(
            self.name,
            number,
            title,
            [shapes.text(row, "artistName")],
            link=page,
            album=shapes.text(row, "collectionName"),
            genre=shapes.text(row, "primaryGenreName"),
            year=shapes.year(row, "releaseDate"),
            duration=length / 1000 if length else None,
        )
        if preview := shapes.at(row, "previewUrl"):
            remember(self._clips, number, Clip(str(preview)[:2_000], page))
        if cover := shapes.text(row, "artworkUrl100"):
            remember(self._covers, number, cover)
        if artist := shapes.identifier(row, "artistId"):
            remember(self._artists, number, artist)
        return track
