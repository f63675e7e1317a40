"""ListenBrainz: what else the listeners of a song listen to.

Part of it needs no key; an ability that asks for a token is remembered as unsupported, and the
others go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import ClassVar

from pydantic import SecretStr

from musrec.model import Track
from musrec.sources import shapes
from musrec.sources.fetch import Api
from musrec.sources.gate import Absent, Deadline, Gate
from musrec.sources.lookups import SIMILAR
from musrec.sources.provider import Provider, Setup, make_track

ALGORITHM = "session_based_days_9000_session_300_contribution_5_threshold_15_limit_50_skip_30"
"""The labs answer 400 to a string that is not exactly one of theirs."""
MOST = 50


class ListenBrainz(Provider):
    """Client of api.listenbrainz.org and labs.api.listenbrainz.org."""

    name = "listenbrainz"
    label = "ListenBrainz"
    settings: ClassVar = {"listenbrainz_token": SecretStr("")}

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        # The labs allow 30 questions in 10 s, or in 5 s in some months; `Gate` says why half.
        self.gate = Gate(self.label, rate=10, seconds=5, places=3)
        token = setup.settings.listenbrainz_token.get_secret_value()
        base = setup.endpoints.at("listenbrainz", "https://api.listenbrainz.org/1")
        labs = setup.endpoints.at("labs", "https://labs.api.listenbrainz.org")
        headers = {"Authorization": f"Token {token}"} if token else None
        self._api = Api(self.gate, setup.session, base, headers=headers)
        self._labs = Api(self.gate, setup.session, labs)
        self._lookups = setup.lookups

    async def similar(self, track: Track, deadline: Deadline) -> tuple[Track, ...]:
        """Return songs heard in the same sessions, then songs of similar artists."""
        if not track.artists:
            raise Absent(f"{self.label} needs an artist to find what is like {track}")
        answer = await self._api.get(
            "/metadata/lookup/",
            deadline,
            {"artist_name": track.artists[0], "recording_name": track.title},
            ability="lookup",
        )
        recording = shapes.mbid(answer, "recording_mbid")
        artist = shapes.mbid(answer, "artist_mbids", 0)
        asked: list[Awaitable[tuple[Track, ...]]] = []
        if recording:
            asked.append(
                self._lookups.tracks(
                    f"listenbrainz:recordings:{recording}",
                    lambda: self._recordings(recording, deadline),
                    keep=SIMILAR,
                )
            )
        if artist:
            asked.append(
                self._lookups.tracks(
                    f"listenbrainz:radio:{artist}",
                    lambda: self._radio(artist, deadline),
                    keep=SIMILAR,
                )
            )
        lists = await asyncio.gather(*asked, return_exceptions=True)
        if found := tuple(one for answer in lists if isinstance(answer, tuple) for one in answer):
            return found
        for failure in lists:
            if isinstance(failure, BaseException):
                raise failure
        raise Absent(f"{self.label} does not know {track}")

    async def _recordings(self, mbid: str, deadline: Deadline) -> list[Track]:
        answer = await self._labs.get(
            "/similar-recordings/json",
            deadline,
            {"recording_mbids": mbid, "algorithm": ALGORITHM},
            ability="similar recordings",
        )
        return _tracks(
            (
                shapes.mbid(row, "recording_mbid"),
                shapes.text(row, "recording_name"),
                shapes.text(row, "artist_credit_name"),
                None,
            )
            for row in shapes.rows(answer)
        )

    async def _radio(self, artist: str, deadline: Deadline) -> list[Track]:
        """Return songs of similar artists: first the ids, then all names in one question."""
        answer = await self._api.get(
            f"/lb-radio/artist/{artist}",
            deadline,
            {
                "mode": "easy",
                "max_similar_artists": 12,
                "max_recordings_per_artist": 3,
                "pop_begin": 0,
                "pop_end": 100,
            },
            ability="artist radio",
        )
        if not isinstance(answer, dict):
            return []
        rows = [row for of_artist in answer.values() for row in shapes.rows(of_artist)]
        mbids = [mbid for row in rows if (mbid := shapes.mbid(row, "recording_mbid"))][:MOST]
        if not mbids:
            return []
        told = await self._api.get(
            "/metadata/recording/",
            deadline,
            {"recording_mbids": ",".join(mbids), "inc": "artist"},
            ability="recording names",
        )
        return _tracks(
            (
                mbid,
                shapes.text(told, mbid, "recording", "name"),
                shapes.text(told, mbid, "artist", "name"),
                shapes.positive(told, mbid, "recording", "length"),
            )
            for mbid in mbids
        )


def _tracks(
    rows: Iterable[tuple[str | None, str | None, str | None, float | None]],
) -> list[Track]:
    """Tracks of id, title, artist and length in milliseconds, where the first three are known."""
    return [
        make_track(
            "listenbrainz",
            mbid,
            title,
            [artist],
            scheme="mbid",
            link=f"https://musicbrainz.org/recording/{mbid}",
            duration=length / 1000 if length else None,
        )
        for mbid, title, artist, length in rows
        if mbid and title and artist
    ]
