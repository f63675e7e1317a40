"""Spotify: the best identity, with a key; through spotipy, in threads.

Its terms forbid models and listening profiles made from its content: its numbers for a sound are
shown with their origin and used for nothing else. A key in development mode can search, and open
tracks, albums and artists; all else answers 403 or 404 and is remembered as unsupported.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar
from urllib.parse import SplitResult

from pydantic import SecretStr

from musrec.model import Track
from musrec.sources import shapes
from musrec.sources.fetch import BACK_OFF, JSON_BYTES, listed
from musrec.sources.gate import Absent, Deadline, Gate, Refused, Unsupported, retry_after
from musrec.sources.provider import (
    FEATURES,
    ForeignFeatures,
    Link,
    LinkKind,
    Provider,
    Setup,
    Site,
    make_track,
)

SEARCH_LIMIT = 10
"""Eleven is an error for a key in development mode."""
SECONDS = 8.0
COVER_PIXELS = 200
"""Width of the thumbnail on a phone."""

KINDS = {
    "track": LinkKind.TRACK,
    "album": LinkKind.ALBUM,
    "playlist": LinkKind.PLAYLIST,
    "artist": LinkKind.ARTIST,
    "episode": LinkKind.PODCAST,
    "show": LinkKind.PODCAST,
}


def _read(path: list[str], _: SplitResult) -> Link | None:
    if path and re.fullmatch(r"intl-[A-Za-z]{2,3}(-[A-Za-z]{2,4})?", path[0]):
        path = path[1:]
    if path and path[0] in ("embed", "embed-podcast"):
        path = path[1:]
    if len(path) >= 4 and path[0] == "user" and path[2] == "playlist":  # the old form
        path = path[2:]
    if len(path) < 2 or not re.fullmatch(r"[0-9A-Za-z]{22}", path[1]):
        return None
    kind = KINDS.get(path[0])
    if kind is None:
        return None
    return Link("spotify", kind, path[1], f"https://open.spotify.com/{path[0]}/{path[1]}")


SPOTIFY = Site(
    "spotify",
    "Spotify",
    hosts=("open.spotify.com", "play.spotify.com"),
    read=_read,
    short_hosts=("spotify.link", "spotify.app.link", "spoti.fi"),
    scheme="spotify",
)


class Spotify(Provider):
    """Client of api.spotify.com with client credentials."""

    name = SPOTIFY.name
    label = SPOTIFY.label
    sites = (SPOTIFY,)
    covers = frozenset({"https://i.scdn.co"})
    key_free = False
    settings: ClassVar = {"spotify_client_id": "", "spotify_client_secret": SecretStr("")}

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.gate = Gate(self.label, rate=5, seconds=2, places=3)
        self._base = setup.endpoints.at("spotify/", "https://api.spotify.com/v1/")
        self._token = setup.endpoints.at("token", "https://accounts.spotify.com/api/token")
        self._client_id: str = setup.settings.spotify_client_id
        self._secret: SecretStr = setup.settings.spotify_client_secret
        self._lookups = setup.lookups
        self._country = setup.settings.country
        self._client: Any = None
        # Of its own: one that hangs goes on after its question, and must not hold up drawing.
        self._threads = ThreadPoolExecutor(3, thread_name_prefix="spotify")

    async def open(self, link: Link, deadline: Deadline) -> tuple[Track, ...]:
        """Return the track, or the first tracks of an album or, for old keys, of an artist."""
        if link.provider != self.name:
            return await super().open(link, deadline)
        key = f"spotify:{link.kind}:{link.id}"
        if link.kind is LinkKind.TRACK:
            return await self._lookups.tracks(key, lambda: self._one(link.id, deadline))
        if link.kind is LinkKind.ALBUM:
            # The whole album, because new keys may not ask for the list of its tracks alone.
            return await self._lookups.tracks(
                key,
                lambda: self._list(
                    lambda it: it.album(link.id, market=self._country),
                    deadline,
                    "tracks",
                    "items",
                    ability="albums",
                ),
            )
        if link.kind is LinkKind.ARTIST:
            return await self._lookups.tracks(
                key,
                lambda: self._list(
                    lambda it: it.artist_top_tracks(link.id, country=self._country),
                    deadline,
                    "tracks",
                    ability="songs of artists",
                ),
            )
        raise Unsupported(f"Spotify does not show the songs of a {link.kind} to others")

    async def by_isrc(self, isrc: str, deadline: Deadline) -> Track:
        """Return the recording with this ISRC, by search."""
        for track in await self.search(f"isrc:{isrc}", deadline):
            if track.isrc == isrc:
                return track
        raise Absent(f"Spotify does not have {isrc}")

    async def search(self, query: str, deadline: Deadline) -> tuple[Track, ...]:
        """Return songs for free text."""

        def call(spotify: Any) -> object:
            return spotify.search(query, limit=SEARCH_LIMIT, type="track", market=self._country)

        return await self._lookups.tracks(
            f"spotify:search:{query.casefold()}",
            lambda: self._list(call, deadline, "tracks", "items"),
        )

    async def features(self, track: Track, deadline: Deadline) -> ForeignFeatures:
        """Return Spotify's audio features, for the old keys that still have them."""
        number = track.identities.get(self.name)
        if not number:
            raise Absent(f"Spotify's id of {track} is not known")
        answer = await self._ask(lambda it: it.audio_features([number]), deadline, "audio features")
        rows = listed(self.label, answer)
        values = {name: shapes.number(rows, 0, name) for name in FEATURES}
        known = {name: value for name, value in values.items() if value is not None}
        if not known:
            raise Absent(f"Spotify has no audio features of {track}")
        return ForeignFeatures(self.name, known)

    async def cover(self, track: Track, deadline: Deadline) -> str:
        """Return the album's cover: the smallest of at least 200 pixels, whole as its terms ask."""
        number = track.identities.get(self.name)
        if not number:
            raise Absent(f"Spotify's id of {track} is not known")
        answer = await self._ask(lambda it: it.track(number, market=self._country), deadline)
        if _track(answer) is None:
            raise Refused("Spotify answered without a track")
        sizes = {
            shapes.number(row, "width") or 0.0: url
            for row in shapes.rows(answer, "album", "images")
            if (url := shapes.text(row, "url"))
        }
        if not sizes:
            raise Absent(f"Spotify has no cover of {track}")
        return sizes[min((size for size in sizes if size >= COVER_PIXELS), default=max(sizes))]

    async def _one(self, number: str, deadline: Deadline) -> list[Track]:
        answer = await self._ask(lambda it: it.track(number, market=self._country), deadline)
        if track := _track(answer):
            return [track]
        raise Refused("Spotify answered without a track")

    async def _list(
        self, call: Callable[[Any], object], deadline: Deadline, *path: str, ability: str = ""
    ) -> list[Track]:
        answer = await self._ask(call, deadline, ability)
        tracks = [_track(row) for row in listed(self.label, answer, *path)]
        if found := [track for track in tracks if track]:
            return found
        raise Absent("Spotify has no such song")

    async def _ask(
        self, call: Callable[[Any], object], deadline: Deadline, ability: str = ""
    ) -> object:
        async with self.gate.turn(deadline, ability):
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._call, call, ability)

    def _call(self, call: Callable[[Any], object], ability: str) -> object:
        """Run in a thread: ask, and turn spotipy's errors into outcomes."""
        import requests
        from spotipy.exceptions import SpotifyException, SpotifyOauthError

        try:
            if self._client is None:
                self._client = self._connect()
            answer = call(self._client)
        except SpotifyOauthError as error:
            if error.error == "invalid_client":
                raise Unsupported("Spotify refuses the client id and secret") from None
            raise Refused("Spotify gives no token") from None
        except SpotifyException as error:
            raise _outcome(error.http_status, error.headers or {}, ability) from None
        except requests.ConnectionError:
            raise Refused("Spotify cannot be reached") from None
        except requests.RequestException:
            raise Refused("Spotify broke off in the middle of its answer") from None
        except (TypeError, AttributeError, KeyError, ValueError, RecursionError):
            raise Refused("Spotify answered with something unexpected") from None
        if answer is None:
            raise Refused("Spotify answered with something that is not JSON")
        return answer

    def _connect(self) -> Any:
        import requests
        import spotipy

        # spotipy logs headers with their tokens; the gate logs what went wrong.
        logging.getLogger("spotipy").setLevel(logging.CRITICAL)
        # It warns of every question that new keys may not ask; the answer says so anyway.
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"spotipy\.client")
        # A plain session: spotipy's own sleeps through a Retry-After, which may be hours.
        session = requests.Session()
        session.trust_env = False  # a .netrc would replace the token
        session.hooks["response"].append(_bounded)
        auth = spotipy.SpotifyClientCredentials(
            client_id=self._client_id,
            client_secret=self._secret.get_secret_value(),
            requests_session=session,
            requests_timeout=SECONDS,
            cache_handler=spotipy.MemoryCacheHandler(),
        )
        auth.OAUTH_TOKEN_URL = self._token
        client = spotipy.Spotify(
            auth_manager=auth, requests_session=session, requests_timeout=SECONDS
        )
        client.prefix = self._base
        return client


def _bounded(response: Any, *_: object, **__: object) -> None:
    """Read an answer up to a bound of size and time, before requests reads all of it.

    requests bounds the time of each read only, so an answer that trickles in would hold the thread.
    A redirect is not followed. A Retry-After is read here, because spotipy drops the headers of
    answers from the token's address.
    """
    if response.is_redirect:
        response.close()
        raise Refused("Spotify led to another address")
    if response.status_code == 429:
        response.close()
        raise _outcome(429, response.headers, "")
    body, end = b"", time.monotonic() + SECONDS
    for chunk in response.iter_content(64 * 1024):
        body += chunk
        if len(body) > JSON_BYTES or time.monotonic() > end:
            response.close()
            raise ValueError("too long")
    response._content = body


def _outcome(status: int, headers: Mapping[str, str], ability: str) -> Exception:
    if status in (400, 403, 404) and ability:
        return Unsupported(f"Spotify does not give {ability} to this key (HTTP {status})")
    if status in (400, 404):
        return Absent("Spotify has no such thing")
    if status in (401, 403, 429, 503):
        what = "denied the question" if status in (401, 403) else "asks for patience"
        wait = retry_after(headers)
        return Refused(f"Spotify {what} (HTTP {status})", BACK_OFF if wait is None else wait)
    return Refused(f"Spotify is out of order (HTTP {status})")


def _track(row: object) -> Track | None:
    number, title = shapes.identifier(row, "id"), shapes.text(row, "name")
    if number is None or title is None or shapes.at(row, "type") not in (None, "track"):
        return None
    length = shapes.positive(row, "duration_ms")
    return make_track(
        "spotify",
        number,
        title,
        [shapes.text(artist, "name") for artist in shapes.rows(row, "artists")],
        link=f"https://open.spotify.com/track/{number}",
        album=shapes.text(row, "album", "name"),
        year=shapes.year(row, "album", "release_date"),
        isrc=shapes.isrc(row, "external_ids", "isrc"),
        duration=length / 1000 if length else None,
    )
