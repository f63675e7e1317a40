"""MusicBrainz: the song behind an ISRC or a shop's link, and community genres; no key.

One question per second from each address, and a User-Agent that says who is calling.
"""

from __future__ import annotations

import re

from musrec.model import Track
from musrec.sources import shapes
from musrec.sources.fetch import Api, listed
from musrec.sources.gate import Absent, Deadline, Gate
from musrec.sources.provider import Link, LinkKind, Provider, Setup, make_track

SHOPS = frozenset({"spotify", "deezer", "itunes", "tidal", "bandcamp"})
"""Sites of which its database holds many song links."""


class MusicBrainz(Provider):
    """Client of musicbrainz.org/ws/2."""

    name = "musicbrainz"
    label = "MusicBrainz"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.gate = Gate(self.label, rate=1, seconds=1.1, places=2)
        base = setup.endpoints.at("musicbrainz", "https://musicbrainz.org/ws/2")
        self._api = Api(self.gate, setup.session, base)
        self._lookups = setup.lookups

    async def open(self, link: Link, deadline: Deadline) -> tuple[Track, ...]:
        """Return the recording behind a shop's song link."""
        if link.provider not in SHOPS or link.kind is not LinkKind.TRACK:
            return await super().open(link, deadline)
        return await self._lookups.tracks(
            f"musicbrainz:url:{link.url}", lambda: self._behind(link, deadline)
        )

    async def by_isrc(self, isrc: str, deadline: Deadline) -> Track:
        """Return the recording with this ISRC."""
        return (
            await self._lookups.tracks(
                f"musicbrainz:isrc:{isrc}", lambda: self._with_isrc(isrc, deadline)
            )
        )[0]

    async def search(self, query: str, deadline: Deadline) -> tuple[Track, ...]:
        """Return recordings for free text."""
        return await self._lookups.tracks(
            f"musicbrainz:search:{query.casefold()}", lambda: self._search(query, deadline)
        )

    async def genre(self, track: Track, deadline: Deadline) -> str:
        """Return the genre that most people gave the recording."""
        if not track.isrc:
            raise Absent(f"{self.label} needs an ISRC for the genre of {track}")
        found = await self.by_isrc(track.isrc, deadline)
        if found.genre:
            return found.genre
        raise Absent(f"{self.label} knows no genre of {track}")

    async def _behind(self, link: Link, deadline: Deadline) -> list[Track]:
        answer = await self._api.get(
            "/url", deadline, {"resource": link.url, "inc": "recording-rels", "fmt": "json"}
        )
        for relation in shapes.rows(answer, "relations"):
            if mbid := shapes.mbid(relation, "recording", "id"):
                break
        else:
            raise Absent(f"{self.label} knows no song behind that link")
        row = await self._api.get(
            f"/recording/{mbid}", deadline, {"inc": "artist-credits+isrcs+genres", "fmt": "json"}
        )
        return _some(_track(row, None))

    async def _with_isrc(self, isrc: str, deadline: Deadline) -> list[Track]:
        answer = await self._api.get(
            f"/isrc/{isrc}", deadline, {"inc": "artist-credits+genres", "fmt": "json"}
        )
        return _some(*(_track(row, isrc) for row in listed(self.label, answer, "recordings")))

    async def _search(self, query: str, deadline: Deadline) -> list[Track]:
        words = re.sub(r'[+\-&|!(){}\[\]^"~*?:\\/]', " ", query)  # Lucene's operators
        answer = await self._api.get(
            "/recording", deadline, {"query": words, "limit": 15, "fmt": "json"}
        )
        return _some(*(_track(row, None) for row in listed(self.label, answer, "recordings")))


def _some(*tracks: Track | None) -> list[Track]:
    if found := [track for track in tracks if track]:
        return found
    raise Absent("MusicBrainz has no such recording")


def _track(row: object, isrc: str | None) -> Track | None:
    mbid, title = shapes.mbid(row, "id"), shapes.text(row, "title")
    if mbid is None or title is None:
        return None
    genres = [
        (shapes.number(genre, "count") or 0.0, name)
        for genre in shapes.rows(row, "genres")
        if (name := shapes.text(genre, "name"))
    ]
    length = shapes.positive(row, "length")
    return make_track(
        "musicbrainz",
        mbid,
        title,
        [
            shapes.text(credit, "name") or shapes.text(credit, "artist", "name")
            for credit in shapes.rows(row, "artist-credit")
        ],
        scheme="mbid",
        link=f"https://musicbrainz.org/recording/{mbid}",
        genre=max(genres, key=lambda pair: pair[0])[1] if genres else None,
        year=shapes.year(row, "first-release-date"),
        isrc=isrc or shapes.isrc(row, "isrcs", 0),
        duration=length / 1000 if length else None,
    )
