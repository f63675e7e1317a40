"""iTunes Search: identity, genre and unsigned previews without a key.

Apple allows previews only "to promote store content": whoever plays or hears one shows its page.
Answers carry no ISRC. Over the limit it answers 403 with an empty body.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace

import aiohttp

from musrec.model import Track
from musrec.sources import shapes
from musrec.sources.fetch import Api, Endpoints, listed, permitted
from musrec.sources.gate import Absent, Deadline, Gate
from musrec.sources.links import Link, LinkKind
from musrec.sources.lookups import Lookups
from musrec.sources.matching import Wanted, same
from musrec.sources.previews import Clip, ClipProvider, remember
from musrec.sources.provider import make_track

PAGES = frozenset({"https://music.apple.com", "https://itunes.apple.com"})


class ITunes(ClipProvider):
    """Client of itunes.apple.com."""

    name = "itunes"
    label = "Apple Music"
    tells_isrc = False

    def __init__(
        self, session: aiohttp.ClientSession, endpoints: Endpoints, lookups: Lookups, country: str
    ) -> None:
        # "About 20 a minute" is documented; one in 0.75 s held for 310 questions in a row.
        self.gate = Gate(self.label, rate=4, seconds=4, places=3)
        self._api = Api(self.gate, session, endpoints.itunes)
        super().__init__(session, endpoints)
        self._lookups = lookups
        self._country = country

    async def open(self, link: Link, deadline: Deadline) -> tuple[Track, ...]:
        """Return the track, or the first tracks of an album or an artist."""
        if link.provider != self.name or link.kind not in (
            LinkKind.TRACK,
            LinkKind.ALBUM,
            LinkKind.ARTIST,
        ):
            return await super().open(link, deadline)
        # The shop of the link may have what ours has not.
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

    async def similar(self, track: Track, deadline: Deadline) -> tuple[Track, ...]:
        """Return other songs of the artist: all that iTunes knows of likeness."""
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
        """What a number of a song, an album or an artist stands for."""
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
        if artist := shapes.identifier(row, "artistId"):
            remember(self._artists, number, artist)
        return track
