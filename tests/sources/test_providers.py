"""Each client against its service's own answers; `test_contract` has what holds for all of them."""

from __future__ import annotations

import copy
import json
import logging
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from musrec.model import Track
from musrec.sources import Deadline, Sources
from musrec.sources.gate import Absent, Refused, Unsupported
from musrec.sources.links import parse
from musrec.sources.provider import Link, LinkKind, Provider
from musrec.sources.providers import PROVIDERS
from tests.support.loopback import (
    ARTIST_MBID,
    ISRC,
    KEYS,
    MBID,
    SPOTIFY_ID,
    VIDEO_ID,
    Loopback,
    deezer_track,
    itunes_track,
    spotify_track,
    stock,
)
from tests.support.misbehaviour import MISBEHAVIOUR

SONG = Track(
    "x",
    "One More Time",
    ("Daft Punk",),
    isrc=ISRC,
    duration=320.0,
    identities={"deezer": "3135553", "itunes": "697195462", "spotify": SPOTIFY_ID, "isrc": ISRC},
)


@pytest.fixture
async def clients(server: Loopback) -> AsyncIterator[SimpleNamespace]:
    """Every provider by its name, with keys that must never be seen; oEmbed is YouTube's."""
    async with aiohttp.ClientSession() as session:
        setup = server.setup(session, **KEYS)
        built = [one for provider in PROVIDERS for one in provider.build(setup)]
        named = {one.name: one for one in built}
        youtube = next(one for one in built if one.label == "YouTube's pages")
        yield SimpleNamespace(**named | {"oembed": youtube})


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text())


def link(text: str) -> Link:
    parsed = parse(text)
    assert parsed is not None
    return parsed


# What the services really answered ------------------------------------------------------------


async def test_deezer_as_recorded(
    server: Loopback, clients: SimpleNamespace, recorded: Path, soon: Deadline
) -> None:
    def replay(path: str, name: str) -> None:
        server.raw(f"/deezer{path}", (recorded / f"{name}.json").read_bytes())

    replay("/track/2947516331", "deezer-track")
    replay("/track/-1", "deezer-error-nodata")
    replay("/search", "deezer-search-track")
    replay("/album/629506181", "deezer-album")
    replay("/artist/27/related", "deezer-artist-related")
    replay("/artist/27/radio", "deezer-artist-radio")
    replay("/artist/6404/top", "deezer-artist-top")
    replay("/chart/0/tracks", "deezer-chart-tracks")
    (track,) = await clients.deezer.open(link("deezer.com/track/2947516331"), soon)
    assert track.title == "Die With A Smile"
    assert track.artists == ("Lady Gaga", "Bruno Mars")
    assert (track.isrc, track.duration, track.year) == ("USUM72409273", 250.0, 2024)
    assert track.popularity == pytest.approx(0.997757)
    assert track.links == {"deezer": "https://www.deezer.com/track/2947516331"}
    assert await clients.deezer.genre(track, soon) == "Pop"
    assert "preview" not in repr(track)
    assert "hdnea" not in repr(track)
    found = await clients.deezer.search("soliloquy", soon)
    assert found[0].artist == "Dave Brubeck"
    server.json("/deezer/search/artist", {"data": [{"id": 27, "name": "Daft Punk"}]})
    similar = await clients.deezer.similar(SONG, soon)
    assert {"Instant Crush (feat. Julian Casablancas)", "Under Pressure", "LA FAMA"} <= {
        one.title for one in similar
    }
    replay(f"/track/isrc:{ISRC}", "deezer-error-nodata")
    with pytest.raises(Absent):
        await clients.deezer.by_isrc(ISRC, soon)
    replay("/search", "deezer-error-quota")
    with pytest.raises(Refused) as quota:
        await clients.deezer.search("anything", soon)
    assert quota.value.retry_after == 5
    assert clients.deezer.gate.breaker.state == "open"


async def test_the_other_services_as_recorded(
    server: Loopback, clients: SimpleNamespace, recorded: Path, soon: Deadline
) -> None:
    def replay(path: str, name: str, kind: str = "application/json") -> None:
        server.raw(path, b"\n\n\n" + (recorded / f"{name}.json").read_bytes(), kind=kind)

    replay("/itunes/lookup", "itunes-lookup-album-songs", "text/javascript")
    songs = await clients.itunes.open(link("https://music.apple.com/us/album/x/1728639278"), soon)
    assert songs[0].title == "INSIDE-OUTSIDE (Intro)"
    assert (songs[0].artist, songs[0].genre, songs[0].isrc) == ("Dreamcatcher", "K-Pop", None)
    assert songs[0].duration == pytest.approx(83.72)
    assert songs[0].links["itunes"].startswith("https://music.apple.com/us/album/")

    server.json("/token", {"access_token": "t", "expires_in": 3600})
    replay("/spotify/search", "spotify-search-track-old")
    replay("/spotify/tracks/6NPVjNh8Jhru9xOmyQigds", "spotify-track-old")
    (happy,) = await clients.spotify.open(link("spotify:track:6NPVjNh8Jhru9xOmyQigds"), soon)
    assert (happy.isrc, happy.duration) == ("USQ4E1300686", pytest.approx(233.305))
    filed = {"id": "2RdwBSPQiwcmiDo9kixcl8", "genres": ["dance pop", "neo soul", "hip hop"]}
    server.json("/spotify/artists/2RdwBSPQiwcmiDo9kixcl8", filed)
    assert await clients.spotify.artist_genres(happy, soon) == ("dance pop", "neo soul")
    assert (await clients.spotify.search("happy", soon))[0].artist == "Pharrell Williams"
    assert "limit=10" in next(asked for asked in server.asked if "/spotify/search" in asked)
    replay("/spotify/search", "spotify-search-empty")
    with pytest.raises(Absent):
        await clients.spotify.search("duifhjslkef", soon)

    replay("/reccobeats/track", "reccobeats-track")
    replay("/reccobeats/audio-features", "reccobeats-audio-features")
    lights = "0VjIjW4GlUZAMYd2vXMi3b"
    (track,) = await clients.reccobeats.open(link(f"spotify:track:{lights}"), soon)
    assert (track.title, track.isrc) == ("Blinding Lights", "USUG11904206")
    features = await clients.reccobeats.features(track, soon)
    assert (features.origin, features.values["tempo"]) == ("reccobeats", 171.001)
    assert len(features.values) == 11
    with pytest.raises(Absent):  # unknown ids are silently left out
        await clients.reccobeats.open(link(f"spotify:track:{SPOTIFY_ID}"), soon)

    replay("/musicbrainz/isrc/GBAAA9900303", "musicbrainz-isrc")
    found = await clients.musicbrainz.by_isrc("GBAAA9900303", soon)
    assert (found.title, found.duration, found.year) == ("Hey Boy Hey Girl", 289.946, 1999)

    server.json(
        "/listenbrainz/metadata/lookup/", {"recording_mbid": MBID, "artist_mbids": [ARTIST_MBID]}
    )
    replay("/labs/similar-recordings/json", "listenbrainz-labs-similar-recordings")
    similar = await clients.listenbrainz.similar(SONG, soon)
    assert [one.artist for one in similar] == ["a‐ha", "Wham!"]

    replies = {
        "track.getsimilar": "lastfm-track-getsimilar",
        "artist.getsimilar": "lastfm-artist-getsimilar",
        "artist.gettoptracks": "lastfm-artist-gettoptracks",
    }

    async def lastfm(request: aiohttp.web.Request) -> aiohttp.web.Response:
        name = replies.get(request.query["method"], "lastfm-error6")
        return aiohttp.web.Response(body=(recorded / f"{name}.json").read_bytes())

    server.set("/lastfm/", lastfm)
    assert (await clients.lastfm.similar(SONG, soon))[0].title == "Dreaming of Me"
    replies["track.getsimilar"] = "lastfm-track-getsimilar-unknown"
    assert {one.title for one in await clients.lastfm.similar(SONG, soon)} >= {"Beautiful Day"}
    with pytest.raises(Absent):
        await clients.lastfm.genre(SONG, soon)


# What they do instead ---------------------------------------------------------------------------

SPOTIFY_LINK = Link("spotify", LinkKind.TRACK, SPOTIFY_ID, "https://open.spotify.com/track/x")
VIDEO_LINK = Link("youtube", LinkKind.TRACK, VIDEO_ID, "https://www.youtube.com/watch?v=x")


@pytest.mark.parametrize("misbehaviour", MISBEHAVIOUR)
async def test_whatever_spotify_does_instead_of_a_token_is_a_refusal(
    stocked: Loopback, clients: SimpleNamespace, misbehaviour: str, soon: Deadline
) -> None:
    MISBEHAVIOUR[misbehaviour](stocked, "/token")
    with pytest.raises(Refused):
        await clients.spotify.search("one more time", soon)
    assert stocked.count("/spotify") == 0


async def test_spotify_is_not_followed_elsewhere_and_one_refusal_is_not_for_good(
    stocked: Loopback, clients: SimpleNamespace, soon: Deadline
) -> None:
    elsewhere = stocked.address.replace("127.0.0.1", "localhost")
    for path, question in (("/spotify/search", "a"), ("/token", "b")):
        stocked.redirect(path, f"{elsewhere}/stolen")
        with pytest.raises(Refused, match="led to another address"):
            await clients.spotify.search(question, soon)
    assert stocked.count("/stolen") == 0
    stock(stocked)
    album = f"https://open.spotify.com/album/{SPOTIFY_ID}"
    stocked.json(f"/spotify/albums/{SPOTIFY_ID}", {"error": {"status": 403}}, status=403)
    with pytest.raises(Unsupported, match="albums"):
        await clients.spotify.open(link(album), soon)
    assert (await clients.spotify.search("one more time", soon))[0].isrc == ISRC
    stocked.raw("/spotify/search", b"", status=403)
    with pytest.raises(Refused):
        await clients.spotify.search("c", soon)


async def test_spotify_gives_the_first_songs_of_albums_and_artists(
    stocked: Loopback, clients: SimpleNamespace, soon: Deadline
) -> None:
    songs = [spotify_track(SPOTIFY_ID, "One More Time", "Daft Punk")]
    stocked.json(f"/spotify/albums/{SPOTIFY_ID}", {"tracks": {"items": songs}})
    stocked.json(f"/spotify/artists/{SPOTIFY_ID}/top-tracks", {"tracks": songs})
    for kind in ("album", "artist"):
        longer = link(f"https://open.spotify.com/{kind}/{SPOTIFY_ID}")
        assert [one.title for one in await clients.spotify.open(longer, soon)] == ["One More Time"]


async def test_a_list_of_one_is_a_list_at_lastfm(
    server: Loopback, clients: SimpleNamespace, soon: Deadline
) -> None:
    one = {"name": "Music Sounds Better with You", "artist": {"name": "Stardust"}, "match": "1"}
    server.json("/lastfm/", {"similartracks": {"track": one}})
    assert [track.artist for track in await clients.lastfm.similar(SONG, soon)] == ["Stardust"]
    server.json("/lastfm/", {"toptags": {"tag": {"name": "House", "count": "100"}}})
    assert await clients.lastfm.genre(SONG, soon) == "house"


async def test_denied_and_throttled_are_never_not_found(
    server: Loopback, clients: SimpleNamespace, soon: Deadline
) -> None:
    server.raw("/itunes/search", b"", status=403)
    with pytest.raises(Refused):
        await clients.itunes.search("x", soon)
    assert clients.itunes.gate.breaker.state == "open"
    server.json("/lastfm/", {"error": 29, "message": "Rate limit exceeded"})
    with pytest.raises(Refused):
        await clients.lastfm.similar(SONG, soon)
    server.raw("/deezer/search", b"", status=401)
    for _ in range(2):
        with pytest.raises(Refused):  # and not for good: it never needed a key
            await clients.deezer.search("x", soon)


async def test_a_question_the_key_does_not_allow_is_asked_once(
    server: Loopback, clients: SimpleNamespace, soon: Deadline
) -> None:
    stock(server)
    for _ in range(3):
        with pytest.raises(Unsupported):
            await clients.spotify.features(SONG, soon)
    assert server.count("/spotify/audio-features") == 1
    assert (await clients.spotify.search("one more time", soon))[0].isrc == ISRC
    server.json(f"/listenbrainz/lb-radio/artist/{ARTIST_MBID}", {}, status=401)
    for _ in range(2):
        similar = await clients.listenbrainz.similar(SONG, soon)
        assert [one.title for one in similar] == ["Take On Me"]
    assert server.count("lb-radio") == 1
    assert "key" in " ".join(clients.listenbrainz.gate.cannot)


async def test_musicbrainz_and_the_others_are_told_who_is_calling(
    stocked: Loopback, more_sources: Sources, soon: Deadline
) -> None:
    await more_sources.resolve("https://tidal.com/track/1", deadline=soon)
    agents = {headers["User-Agent"] for headers in stocked.headers}
    assert len(agents) == 1
    assert re.fullmatch(r"musrec/[\d.]+.*", agents.pop())


# Shapes ------------------------------------------------------------------------------------------

ODD: tuple[object, ...] = (None, "", "x", "-1", -1, 0, 1e300, 10**30, True, [], {}, [None], ["x"])


def mutations(value: Any) -> Iterator[Any]:
    """The same value with one part missing, or odd, for every part of it."""
    if isinstance(value, dict):
        for key in value:
            less = {name: part for name, part in value.items() if name != key}
            yield less
            for odd in ODD:
                yield less | {key: copy.deepcopy(odd)}
            for part in mutations(value[key]):
                yield less | {key: part}
    elif isinstance(value, list):
        for row, part in enumerate(value):
            for mutated in mutations(part):
                yield [*value[:row], mutated, *value[row + 1 :]]


def assert_sound(track: Track) -> None:
    assert isinstance(track.title, str)
    assert track.title
    assert all(isinstance(name, str) and name for name in track.artists)
    for number in (track.duration, track.popularity):
        assert number is None or (isinstance(number, float) and number > 0)
    assert track.popularity is None or track.popularity <= 1
    assert track.isrc is None or re.fullmatch(r"[A-Z]{2}[A-Z0-9]{3}\d{7}", track.isrc)
    for url in track.links.values():
        assert url.startswith("https://")


async def test_rows_of_any_shape_are_read_or_left_out(
    server: Loopback, clients: SimpleNamespace, soon: Deadline
) -> None:
    deezer = deezer_track(1, "A", "B", isrc=ISRC, preview="http://x/") | {
        "contributors": [{"name": "B"}, {"name": "C"}]
    }
    itunes = itunes_track(1, "A", "B", preview="http://x/")
    spotify = spotify_track(SPOTIFY_ID, "A", "B")
    recording = {
        "id": MBID,
        "title": "A",
        "length": 1,
        "artist-credit": [{"name": "B", "artist": {"name": "B"}}],
        "isrcs": [ISRC],
        "genres": [{"name": "house", "count": 3}],
    }
    lastfm = {"name": "A", "artist": {"name": "B"}, "match": "0.5"}
    labs = {"recording_mbid": MBID, "recording_name": "A", "artist_credit_name": "B"}
    stock(server)
    server.json("/deezer/search", {"data": [*ODD, *mutations(deezer)]})
    server.json("/itunes/search", {"results": [*ODD, *mutations(itunes)]})
    server.json("/spotify/search", {"tracks": {"items": [*ODD, *mutations(spotify)]}})
    server.json("/musicbrainz/recording", {"recordings": [*ODD, *mutations(recording)]})
    server.json("/lastfm/", {"similartracks": {"track": [*ODD, *mutations(lastfm)]}})
    server.json("/labs/similar-recordings/json", [*ODD, *mutations(labs)])
    found = [
        *await clients.deezer.search("a", soon),
        *await clients.itunes.search("a", soon),
        *await clients.spotify.search("a", soon),
        *await clients.musicbrainz.search("a", soon),
        *await clients.lastfm.similar(SONG, soon),
        *await clients.listenbrainz.similar(SONG, soon),
    ]
    assert len(found) > 400
    for track in found:
        assert_sound(track)


async def test_a_provider_says_what_it_cannot_do(server: Loopback, soon: Deadline) -> None:
    class Plain(Provider):
        name = "ytdlp"  # any that has a switch
        label = "Plain"

    plain = Plain(server.setup())
    for question in (
        plain.open(VIDEO_LINK, soon),
        plain.by_isrc(ISRC, soon),
        plain.search("x", soon),
        plain.heading(VIDEO_LINK, soon),
        plain.audio(SONG, soon),
        plain.similar(SONG, soon),
        plain.genre(SONG, soon),
        plain.features(SONG, soon),
    ):
        with pytest.raises(Unsupported, match="Plain"):
            await question


# Secrets ----------------------------------------------------------------------------------------


async def test_no_secret_is_ever_logged_said_or_shown(
    server: Loopback, keyed: Sources, soon: Deadline, caplog: pytest.LogCaptureFixture
) -> None:
    stock(server, related=2)
    shown: list[object] = []
    with caplog.at_level(logging.DEBUG):
        for status in (200, 500):
            for path in ("/lastfm/", "/spotify/search", "/listenbrainz/metadata/lookup/"):
                if status != 200:
                    server.raw(path, b"broken", status=status)
            shown += await keyed.candidates(SONG, deadline=soon)
            shown.append(await keyed.resolve("one more time daft punk", deadline=soon))
            shown.append(await keyed.resolve(f"spotify:track:{SPOTIFY_ID}", deadline=soon))
            shown.append(await keyed.preview(SONG, deadline=soon))
            shown.append(await keyed.foreign_features(SONG, deadline=soon))
            shown += keyed.health()
    assert server.count("api_key=lastfm_key-secret") > 0
    assert any("listenbrainz_token-secret" in str(headers) for headers in server.headers)
    told = caplog.text + " ".join(map(repr, shown)) + " ".join(map(str, shown)) + repr(keyed)
    for secret in (*KEYS.values(), "loopback", "hdnea"):
        assert secret not in told
