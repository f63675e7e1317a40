"""A server on 127.0.0.1 that stands for every service, and can misbehave like them."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from PIL import Image

from musrec.sources import Endpoints, SourcesSettings
from musrec.sources.lookups import Lookups
from musrec.sources.provider import Setup
from musrec.sources.providers import PROVIDERS
from tests.support.hanging import EVERY

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ISRC = "GBDUW0000053"
SPOTIFY_ID = "0DiWol3AO6WpXZgp0goxAV"
VIDEO_ID = "FGBhQbmPwH8"
MBID = "0e1d8a5c-9ad2-4bb0-8b56-1f3a6c6a3b62"
ARTIST_MBID = "056e4f3e-d505-4dad-8ec1-d04f521cbb56"
AUDIO = b"ID3" + bytes(range(256)) * 16


def cover(kind: str = "JPEG", **options: object) -> bytes:
    """A cover as a service sends it."""
    buffer = io.BytesIO()
    Image.new("RGB", (250, 240), "teal").save(buffer, kind, **options)
    return buffer.getvalue()


PROVIDERS_OFF = {provider.name: False for provider in PROVIDERS if provider.key_free}
"""Settings under which no service is asked."""
KEYS = {
    name: f"{name}-secret"
    for provider in PROVIDERS
    for name, default in provider.settings.items()
    if not isinstance(default, bool)
}
"""A key for every service that takes one."""


class Loopback:
    """Answers by path, and to all other paths as to ``""``, by default with a 404.

    Every request is kept in `asked`. Connections are kept open after an answer if it `keeps_alive`.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self.latency = 0.0
        self.keeps_alive = True
        self.address = ""
        self._answers: dict[str, Handler] = {}
        self._open = asyncio.Event()
        self._news = asyncio.Condition()

    def count(self, part: str) -> int:
        """How many requests had this in their address."""
        return sum(part in asked for asked in self.asked)

    async def arrived(self, part: str) -> None:
        """Wait until something with this in its address is asked for."""
        async with self._news:
            await self._news.wait_for(lambda: self.count(part))

    def set(self, path: str, handler: Handler) -> None:
        self._answers[path] = handler

    def without(self, part: str) -> None:
        """Take away every answer that has this in its path."""
        self._answers = {path: it for path, it in self._answers.items() if part not in path}

    def json(
        self,
        path: str,
        value: object,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        kind: str = "application/json",
    ) -> None:
        self.raw(path, json.dumps(value).encode(), status=status, headers=headers, kind=kind)

    def raw(
        self,
        path: str,
        body: bytes,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        kind: str = "application/octet-stream",
    ) -> None:
        async def answer(_: web.Request) -> web.Response:
            return web.Response(body=body, status=status, headers=headers, content_type=kind)

        self.set(path, answer)

    def redirect(self, path: str, where: str) -> None:
        self.raw(path, b"", status=302, headers={"Location": where})

    def hang(self, path: str) -> None:
        """Never answer, until the server closes."""

        async def answer(_: web.Request) -> web.Response:
            await self._open.wait()
            return web.Response(status=500)

        self.set(path, answer)

    def reset(self, path: str) -> None:
        """Break off in mid-body."""

        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Length": "100000"})
            await response.prepare(request)
            await response.write(b"{" + b" " * 1_000)
            if request.transport:
                request.transport.abort()
            return response

        self.set(path, answer)

    def endless(self, path: str) -> None:
        """Answer with chunks for as long as they are read."""

        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            while not self._open.is_set():
                await response.write(b" " * 64 * 1024)
            return response

        self.set(path, answer)

    def drip(self, path: str, body: bytes) -> None:
        """Answer byte by byte, with pauses, until the server closes."""

        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            for byte in body:
                if self._open.is_set():
                    break
                await response.write(bytes([byte]))
                await asyncio.sleep(EVERY)
            return response

        self.set(path, answer)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path_qs)
        self.headers.append(dict(request.headers))
        async with self._news:
            self._news.notify_all()
        if self.latency:
            await asyncio.sleep(self.latency)
        found = (self._answers.get(path) for path in (request.path_qs, request.path, ""))
        handler = next(filter(None, found), None)
        response = await handler(request) if handler else web.json_response({}, status=404)
        if not self.keeps_alive:
            response.force_close()
        return response

    def release(self) -> None:
        self._open.set()

    def endpoints(self) -> Endpoints:
        return Endpoints(self.address)

    def setup(self, session: Any = None, **settings: object) -> Setup:
        """What a single provider is built from, without a cache."""
        return Setup(session, self.endpoints(), Lookups(None), SourcesSettings(**settings))


@asynccontextmanager
async def serving() -> AsyncIterator[Loopback]:
    """Run a `Loopback` on a free port."""
    loopback = Loopback()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", loopback.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    loopback.address = f"http://127.0.0.1:{port}"
    try:
        yield loopback
    finally:
        loopback.release()
        await runner.cleanup()


def deezer_track(
    number: int,
    title: str,
    artist: str,
    *,
    artist_id: int = 27,
    isrc: str | None = None,
    duration: object = 320,
    rank: object = 850_000,
    preview: str = "",
    album: str = "An Album",
) -> dict[str, object]:
    """A track as api.deezer.com writes it, without the fields that are not read."""
    row: dict[str, object] = {
        "id": number,
        "type": "track",
        "title": title,
        "duration": duration,
        "rank": rank,
        "preview": preview,
        "artist": {"id": artist_id, "name": artist},
        "album": {"id": 302127, "title": album},
    }
    return row | ({"isrc": isrc} if isrc else {})


def itunes_track(
    number: int,
    title: str,
    artist: str,
    *,
    preview: str | None = None,
    milliseconds: object = 320_000,
    artist_id: int = 5468295,
) -> dict[str, object]:
    """A song as itunes.apple.com writes it."""
    row: dict[str, object] = {
        "wrapperType": "track",
        "kind": "song",
        "trackId": number,
        "artistId": artist_id,
        "trackName": title,
        "artistName": artist,
        "collectionName": "Discovery",
        "trackViewUrl": f"https://music.apple.com/us/album/x/1?i={number}&uo=4",
        "trackTimeMillis": milliseconds,
        "releaseDate": "2000-11-30T12:00:00Z",
        "primaryGenreName": "Dance",
    }
    return row | ({"previewUrl": preview} if preview else {})


def spotify_track(number: str, title: str, artist: str) -> dict[str, object]:
    """A track as api.spotify.com writes it for a key in development mode."""
    return {
        "id": number,
        "type": "track",
        "name": title,
        "artists": [{"name": artist}],
        "album": {"name": "Discovery", "release_date": "2001-03-07"},
        "duration_ms": 320_357,
        "external_ids": {"isrc": ISRC},
        "preview_url": None,
    }


def stock(server: Loopback, *, related: int = 12, tops: int = 4) -> None:
    """Let every service know "One More Time" by Daft Punk, and songs by artists like them."""
    at = server.address
    title, artist = "One More Time", "Daft Punk"
    clip = f"{at}/cdn/deezer-3135553.mp3"
    song = deezer_track(3135553, title, artist, isrc=ISRC, preview=clip, album="Discovery")
    server.json("/deezer/search", {"data": [song], "total": 1})
    server.json("/deezer/track/3135553", song | {"release_date": "2001-03-07"})
    server.json(f"/deezer/track/isrc:{ISRC}", song)
    server.json("/deezer/album/302127", {"id": 302127, "genres": {"data": [{"name": "Electro"}]}})
    server.json("/deezer/search/artist", {"data": [{"id": 27, "name": artist}]})
    others = [{"id": 1000 + n, "name": f"Neighbour {n}"} for n in range(related)]
    server.json("/deezer/artist/27/related", {"data": others})
    server.json("/deezer/artist/27/radio", {"data": [song]})
    server.json("/deezer/chart/0/tracks", {"data": []})
    for other in range(related):
        rows = []
        for rank in range(tops):
            number = 10_000 + 10 * other + rank
            preview = f"{at}/cdn/deezer-{number}.mp3"
            row = deezer_track(
                number,
                f"Song number {number}",
                f"Neighbour {other}",
                artist_id=1000 + other,
                isrc=f"FRZ03{number:07d}",
                preview=preview,
            )
            rows.append(row)
            server.raw(f"/cdn/deezer-{number}.mp3", AUDIO)
        server.json(f"/deezer/artist/{1000 + other}/top", {"data": rows})
    server.raw("/cdn/deezer-3135553.mp3", AUDIO)

    itunes = itunes_track(697195462, title, artist, preview=f"{at}/cdn/itunes.m4a")
    more = [
        itunes_track(700 + n, f"Another Side {n}", artist, preview=f"{at}/cdn/itunes.m4a")
        for n in range(3)
    ]
    server.json("/itunes/search", {"results": [itunes]}, kind="text/javascript")
    server.json("/itunes/lookup", {"results": [{"wrapperType": "artist"}, itunes, *more]})
    server.raw("/cdn/itunes.m4a", AUDIO)

    server.json("/token", {"access_token": "loopback", "expires_in": 3600, "token_type": "Bearer"})
    spotify = spotify_track(SPOTIFY_ID, title, artist)
    server.json(f"/spotify/tracks/{SPOTIFY_ID}", spotify)
    server.json("/spotify/search", {"tracks": {"items": [spotify]}})
    server.json("/spotify/audio-features/", {"error": {"status": 403, "message": ""}}, status=403)

    href = f"https://open.spotify.com/track/{SPOTIFY_ID}"
    recco = {"href": href, "isrc": ISRC}
    named = {"trackTitle": title, "artists": [{"name": artist}], "durationMs": 320_357}
    server.json("/reccobeats/track", {"content": [recco | named]})
    numbers = {"danceability": 0.61, "tempo": 122.7, "key": 2}
    server.json("/reccobeats/audio-features", {"content": [recco | numbers]})

    recording = {
        "id": MBID,
        "title": title,
        "length": 320_000,
        "artist-credit": [{"name": artist}],
        "isrcs": [ISRC],
        "genres": [{"name": "house", "count": 3}, {"name": "french house", "count": 9}],
    }
    server.json("/musicbrainz/url", {"relations": [{"recording": {"id": MBID}}]})
    server.json(f"/musicbrainz/recording/{MBID}", recording)
    server.json("/musicbrainz/recording", {"recordings": [recording]})
    server.json(f"/musicbrainz/isrc/{ISRC}", {"recordings": [recording]})

    lookup = {"recording_mbid": MBID, "artist_mbids": [ARTIST_MBID]}
    server.json("/listenbrainz/metadata/lookup/", lookup)
    near = "12f65dca-de8f-43fe-a65d-f12a02aaadf3"
    named_near = {"recording_name": "Take On Me", "artist_credit_name": "a-ha"}
    server.json("/labs/similar-recordings/json", [{"recording_mbid": near, **named_near}])
    far = "401c1a5d-56e7-434d-b07e-a14d4e7eb83c"
    server.json(
        f"/listenbrainz/lb-radio/artist/{ARTIST_MBID}", {ARTIST_MBID: [{"recording_mbid": far}]}
    )
    told = {"recording": {"name": "D.A.N.C.E.", "length": 240_000}, "artist": {"name": "Justice"}}
    server.json("/listenbrainz/metadata/recording/", {far: told})

    similar = [{"name": "Music Sounds Better with You", "artist": {"name": "Stardust"}, "match": 1}]
    answers = {
        "track.getsimilar": {"similartracks": {"track": similar}},
        "track.gettoptags": {"toptags": {"tag": [{"name": "House", "count": 100}]}},
    }

    async def lastfm(request: web.Request) -> web.Response:
        return web.json_response(answers.get(request.query["method"], {"error": 6}))

    server.set("/lastfm/", lastfm)

    video = {"title": "Daft Punk - One More Time (Official Video)", "author_name": "Daft Punk"}
    server.json("/oembed/youtube", video)
    server.json(
        "/oembed/soundcloud", {"title": "One More Time by Daft Punk", "author_name": artist}
    )
    for shop in ("spotify", "tidal"):
        server.json(f"/oembed/{shop}", {"title": title})
    for page in (
        f"youtube/{VIDEO_ID}",
        "soundcloud/daftpunk/one-more-time",
        "bandcamp/daftpunk/one-more-time",
    ):
        server.redirect(f"/pages/{page}", f"{at}/pages/Daft%20Punk%20-%20One%20More%20Time.mp3")
    server.raw("/pages/Daft Punk - One More Time.mp3", AUDIO, kind="audio/mpeg")
    server.redirect("/short/spotify.link/abc", f"https://open.spotify.com/track/{SPOTIFY_ID}?si=1")
