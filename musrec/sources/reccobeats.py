"""ReccoBeats: the song behind a Spotify id, and audio features like Spotify's, without a key.

It takes Spotify's ids and ISRCs alike. An answer silently leaves out what it does not know, so rows
are told apart by their ``href`` or ``isrc``, never by their position.
"""

from __future__ import annotations

from musrec.model import Track
from musrec.sources import shapes
from musrec.sources.fetch import Api, listed
from musrec.sources.gate import Absent, Deadline, Gate
from musrec.sources.provider import (
    FEATURES,
    ForeignFeatures,
    Link,
    LinkKind,
    Provider,
    Setup,
    make_track,
)


class ReccoBeats(Provider):
    """Client of api.reccobeats.com."""

    name = "reccobeats"
    label = "ReccoBeats"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.gate = Gate(self.label, rate=4, seconds=2, places=3)
        base = setup.endpoints.at("reccobeats", "https://api.reccobeats.com/v1")
        self._api = Api(self.gate, setup.session, base)
        self._lookups = setup.lookups

    async def open(self, link: Link, deadline: Deadline) -> tuple[Track, ...]:
        """Return the track of a Spotify link."""
        if link.provider != "spotify" or link.kind is not LinkKind.TRACK:
            return await super().open(link, deadline)
        return await self._lookups.tracks(
            f"reccobeats:track:{link.id}", lambda: self._track(link.id, deadline)
        )

    async def features(self, track: Track, deadline: Deadline) -> ForeignFeatures:
        """Return its audio features."""
        number = track.identities.get("spotify") or track.isrc
        if not number:
            raise Absent(f"neither the Spotify id nor the ISRC of {track} is known")
        row = await self._row("/audio-features", number, deadline)
        values = {name: shapes.number(row, name) for name in FEATURES}
        known = {name: value for name, value in values.items() if value is not None}
        if not known:
            raise Absent(f"{self.label} has no audio features of {track}")
        return ForeignFeatures(self.name, known)

    async def _track(self, number: str, deadline: Deadline) -> list[Track]:
        row = await self._row("/track", number, deadline)
        title = shapes.text(row, "trackTitle")
        if title is None:
            raise Absent(f"{self.label} does not know the title")
        length = shapes.positive(row, "durationMs")
        track = make_track(
            self.name,
            number,
            title,
            [shapes.text(artist, "name") for artist in shapes.rows(row, "artists")],
            scheme="spotify",
            isrc=shapes.isrc(row, "isrc"),
            duration=length / 1000 if length else None,
        )
        return [track]

    async def _row(self, path: str, number: str, deadline: Deadline) -> object:
        answer = await self._api.get(path, deadline, {"ids": number})
        for row in listed(self.label, answer, "content"):
            by_id = (shapes.text(row, "href") or "").endswith(f"/track/{number}")
            if by_id or shapes.isrc(row, "isrc") == number:
                return row
        raise Absent(f"{self.label} does not know that recording")
