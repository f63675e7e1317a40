"""Last.fm: similar songs and the best tags, with a key (non-commercial use).

Errors may come with HTTP 200. The key stands in the query, so addresses are never written anywhere.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar
from urllib.parse import quote_plus

from pydantic import SecretStr

from musrec.model import Track
from musrec.sources import shapes
from musrec.sources.fetch import Api
from musrec.sources.gate import Absent, Deadline, Gate, Refused, Unanswered, Unsupported
from musrec.sources.lookups import SIMILAR
from musrec.sources.provider import Provider, Setup, make_track
from musrec.titles import fold

NO_GENRE = frozenset(
    {"seen live", "favorites", "favourites", "favorite", "love", "awesome", "beautiful", "spotify"}
)
ENOUGH_TAGGED = 20.0
"""On Last.fm's scale of 0 to 100; below it, a tag is as likely as not one person's joke."""
SIMILAR_ARTISTS = 10


class LastFm(Provider):
    """Client of ws.audioscrobbler.com."""

    name = "lastfm"
    label = "Last.fm"
    key_free = False
    settings: ClassVar = {"lastfm_key": SecretStr("")}

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.gate = Gate(self.label, rate=5, seconds=2, places=4)
        self._api = Api(
            self.gate,
            setup.session,
            setup.endpoints.at("lastfm", "https://ws.audioscrobbler.com/2.0"),
            secret={"api_key": setup.settings.lastfm_key.get_secret_value()},
        )
        self._lookups = setup.lookups

    async def similar(self, track: Track, deadline: Deadline) -> tuple[Track, ...]:
        """Return similar songs or, where there are none, the top songs of similar artists."""
        if not track.artists:
            raise Absent(f"{self.label} needs an artist to find what is like {track}")
        artist = track.artists[0]
        named = {"artist": artist, "track": track.title, "limit": "40"}
        try:
            return await self._lookups.tracks(
                f"lastfm:similar:{artist}:{track.title}".casefold(),
                lambda: self._songs("track.getsimilar", deadline, named, "similartracks"),
                keep=SIMILAR,
            )
        except Absent:
            return await self._of_similar_artists(artist, deadline)

    async def genre(self, track: Track, deadline: Deadline) -> str:
        """Return the tag that most listeners gave the song, or its artist."""
        if not track.artists:
            raise Absent(f"{self.label} needs an artist for the genre of {track}")
        named = {"artist": track.artists[0], "track": track.title}
        for method in ("track.gettoptags", "artist.gettoptags"):
            answer = await self._ask(method, deadline, named)
            for row in _rows(answer, "toptags", "tag"):
                name = (shapes.text(row, "name") or "").lower()
                count = shapes.number(row, "count") or 0.0
                if name and name not in NO_GENRE and count >= ENOUGH_TAGGED:
                    return name
        raise Absent(f"{self.label} knows no tag of {track}")

    async def _of_similar_artists(self, artist: str, deadline: Deadline) -> tuple[Track, ...]:
        answer = await self._ask("artist.getsimilar", deadline, {"artist": artist, "limit": "10"})
        artists = [
            name
            for row in _rows(answer, "similarartists", "artist")[:SIMILAR_ARTISTS]
            if (name := shapes.text(row, "name"))
        ]
        tops = await asyncio.gather(*(self._top(name, deadline) for name in artists))
        return tuple(track for top in tops for track in top)

    async def _top(self, artist: str, deadline: Deadline) -> tuple[Track, ...]:
        named = {"artist": artist, "limit": "3"}
        try:
            return await self._lookups.tracks(
                f"lastfm:top:{artist}".casefold(),
                lambda: self._songs("artist.gettoptracks", deadline, named, "toptracks"),
                keep=SIMILAR,
            )
        except Unanswered:
            return ()

    async def _songs(
        self, method: str, deadline: Deadline, named: dict[str, str], where: str
    ) -> list[Track]:
        return _tracks(_rows(await self._ask(method, deadline, named), where, "track"))

    async def _ask(self, method: str, deadline: Deadline, named: dict[str, str]) -> object:
        params = {"method": method, "format": "json", "autocorrect": "1", **named}
        return await self._api.get("/", deadline, params, complaint=_complaint)


def _complaint(answer: object, _status: int) -> None:
    code = shapes.number(answer, "error")
    if code is None:
        return
    if code in (6, 7):
        raise Absent("Last.fm has no such thing")
    if code in (4, 9, 10, 26):
        raise Unsupported(f"Last.fm refuses the key (error {code:.0f})")
    raise Refused(f"Last.fm complains (error {code:.0f})", 60.0 if code == 29 else None)


def _rows(answer: object, *path: str) -> list[object]:
    """Return a list; Last.fm writes a list of one item as the item itself."""
    found = shapes.at(answer, *path)
    return [found] if isinstance(found, dict) else shapes.rows(found)


def _tracks(rows: list[object]) -> list[Track]:
    found: list[Track] = []
    for row in rows:
        title = shapes.text(row, "name")
        artist = shapes.text(row, "artist", "name") or shapes.text(row, "artist")
        if title and artist:
            identity = f"{fold(artist)}/{fold(title)}"
            found.append(make_track("lastfm", identity, title, [artist], link=_page(artist, title)))
    return found


def _page(artist: str, title: str) -> str:
    return f"https://www.last.fm/music/{quote_plus(artist)}/_/{quote_plus(title)}"
