from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest

from musrec.model import Track
from musrec.sources import Deadline, Endpoints, Missing, Preview, Sources, SourcesSettings
from musrec.sources.clips import Clip, ClipProvider
from musrec.sources.fetch import AUDIO_BYTES
from musrec.sources.gate import Gate, Refused
from musrec.sources.lookups import Lookups
from musrec.sources.provider import Setup
from tests.support.loopback import (
    AUDIO,
    ISRC,
    PROVIDERS_OFF,
    Loopback,
    deezer_track,
    itunes_track,
    serving,
)
from tests.support.misbehaviour import MISBEHAVIOUR

SONG = Track(
    "x",
    "One More Time",
    ("Daft Punk",),
    isrc=ISRC,
    duration=320.0,
    identities={"deezer": "3135553", "isrc": ISRC},
)


async def heard(sources: Sources, track: Track, soon: Deadline) -> Preview:
    preview = await sources.preview(track, deadline=soon)
    assert isinstance(preview, Preview), preview
    return preview


async def test_a_preview_comes_with_the_page_that_must_be_shown(
    stocked: Loopback, sources: Sources, soon: Deadline
) -> None:
    preview = await heard(sources, SONG, soon)
    assert (preview.data, preview.provider) == (AUDIO, "deezer")
    assert preview.page_url == "https://www.deezer.com/track/3135553"
    by_name = await heard(sources, Track("y", SONG.title, SONG.artists), soon)
    assert by_name.track.identities == {"deezer": "3135553", "isrc": ISRC}
    assert by_name.track.provenance["popularity"] == "deezer"
    stocked.json("/deezer/track/3135553", {"error": {"code": 800}})
    stocked.json(f"/deezer/track/isrc:{ISRC}", {"error": {"code": 800}})
    stocked.json("/deezer/search", {"data": []})
    again = await heard(sources, replace(SONG, identities={}), soon)
    assert again.provider == "itunes"
    assert again.page_url.startswith("https://music.apple.com/")


async def test_an_expired_signed_address_is_asked_for_again(
    server: Loopback, sources: Sources, soon: Deadline
) -> None:
    def clip(name: str, seconds: float) -> str:
        signature = f"hdnea=exp={time.time() + seconds:.0f}~acl=/*~hmac=00"
        return f"{server.address}/cdn/{name}.mp3?{signature}"

    song = deezer_track(3135553, SONG.title, "Daft Punk", isrc=ISRC, preview=clip("old", 5))
    server.json("/deezer/search", {"data": [song]})
    await sources.resolve("daft punk one more time", deadline=soon)
    server.raw("/cdn/new.mp3", AUDIO)
    server.json("/deezer/track/3135553", song | {"preview": clip("new", 900)})
    assert (await heard(sources, SONG, soon)).data == AUDIO
    assert server.count("/cdn/old") == 0  # it was known to be over
    server.raw("/cdn/new.mp3", b"", status=403)  # withdrawn before its time
    server.raw("/cdn/newest.mp3", AUDIO)
    server.json("/deezer/track/3135553", song | {"preview": clip("newest", 900)})
    assert (await heard(sources, SONG, soon)).data == AUDIO
    before = server.count("/deezer/track/3135553")
    assert (await heard(sources, SONG, soon)).data == AUDIO
    assert server.count("/deezer/track/3135553") == before


async def test_a_wrong_clock_does_not_expire_every_preview(
    server: Loopback, sources: Sources, soon: Deadline
) -> None:
    signed = f"{server.address}/cdn/x.mp3?hdnea=exp={time.time() - 3_600:.0f}~acl=/*"
    song = deezer_track(3135553, SONG.title, "Daft Punk", isrc=ISRC, preview=signed)
    server.json("/deezer/track/3135553", song)
    server.raw("/cdn/x.mp3", AUDIO)
    assert (await heard(sources, SONG, soon)).provider == "deezer"


@pytest.mark.parametrize(
    ("status", "words"), [(403, "are denied to us"), (404, "No service has a preview")]
)
async def test_a_denied_preview_is_not_called_missing(
    stocked: Loopback, sources: Sources, soon: Deadline, status: int, words: str
) -> None:
    stocked.without("/cdn/")
    stocked.raw("", b"", status=status)
    missing = await sources.preview(SONG, deadline=soon)
    assert isinstance(missing, Missing)
    assert words in missing.sentence


async def test_an_empty_preview_leads_to_another_copy_of_the_recording(
    server: Loopback, sources: Sources, soon: Deadline
) -> None:
    address = f"{server.address}/cdn/x.mp3"
    empty = deezer_track(3135553, SONG.title, "Daft Punk", isrc=ISRC)
    wrong = deezer_track(1, "One More Time (Live)", "Daft Punk", preview=f"{server.address}/no")
    right = deezer_track(2, SONG.title, "Daft Punk", preview=address)
    server.json("/deezer/track/3135553", empty)
    server.json(f"/deezer/track/isrc:{ISRC}", empty)
    server.json("/deezer/search", {"data": [wrong, right]})
    server.raw("/cdn/x.mp3", AUDIO)
    preview = await heard(sources, SONG, soon)
    assert preview.page_url == "https://www.deezer.com/track/2"
    assert server.count("/no") == 0


@pytest.mark.parametrize("misbehaviour", MISBEHAVIOUR)
async def test_bytes_that_are_not_audio_are_refused_and_the_next_provider_asked(
    stocked: Loopback, sources: Sources, soon: Deadline, misbehaviour: str
) -> None:
    MISBEHAVIOUR[misbehaviour](stocked, "/cdn/deezer-3135553.mp3")
    preview = await heard(sources, SONG, soon)
    assert (preview.data, preview.provider) == (AUDIO, "itunes")
    MISBEHAVIOUR[misbehaviour](stocked, "/cdn/itunes.m4a")
    missing = await sources.preview(SONG, deadline=soon)
    assert isinstance(missing, Missing)
    assert "clip" in missing.hint


async def test_audio_is_only_downloaded_from_the_list(server: Loopback, soon: Deadline) -> None:
    """With the real list of hosts, a hostile answer leads to no request."""
    at = Endpoints(server.address, trusted=False)
    hostile = [
        f"{server.address}/steal",
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "https://dzcdn.net.evil.example/x.mp3",
        "gopher://x.dzcdn.net/",
        "http://x.dzcdn.net/x.mp3",
        7,
    ]
    rows = [
        deezer_track(n, SONG.title, "Daft Punk") | {"preview": url}
        for n, url in enumerate(hostile, start=1)
    ]
    server.json("/deezer/search", {"data": rows})
    songs = [itunes_track(1, SONG.title, "Daft Punk", preview=f"{server.address}/steal")]
    server.json("/itunes/search", {"results": songs})
    with_itunes = SourcesSettings(**PROVIDERS_OFF | {"itunes": True})
    with_deezer = SourcesSettings(**PROVIDERS_OFF | {"deezer": True})
    async with Sources(with_itunes, endpoints=at) as sources:
        assert isinstance(await sources.preview(SONG, deadline=soon), Missing)
    async with Sources(with_deezer, endpoints=at) as sources:
        await sources.resolve("one more time", deadline=soon)
        for row in rows:
            track = replace(SONG, identities={"deezer": str(row["id"])}, isrc=None)
            assert isinstance(await sources.preview(track, deadline=soon), Missing)
    assert server.count("/steal") == 0


async def test_audio_is_not_fetched_across_a_redirect_to_another_host(
    stocked: Loopback, sources: Sources, soon: Deadline
) -> None:
    elsewhere = stocked.address.replace("127.0.0.1", "localhost")
    stocked.redirect("/cdn/deezer-3135553.mp3", f"{elsewhere}/steal")
    stocked.redirect("/cdn/itunes.m4a", "/cdn/moved.m4a")
    stocked.raw("/cdn/moved.m4a", AUDIO)
    assert (await heard(sources, SONG, soon)).provider == "itunes"
    assert stocked.count("/steal") == 0


class Streams(ClipProvider):
    """A service that gives whole songs, redirected from its API to where they are stored."""

    name = "ytdlp"  # any that has a switch
    label = "Streams"
    max_bytes = 2 * AUDIO_BYTES

    def __init__(self, setup: Setup, api: str, *others: str) -> None:
        self.origins = frozenset((api, *others))  # type: ignore[misc]
        super().__init__(setup)
        self.gate = Gate(self.label, rate=10, seconds=1)
        self.api = api

    async def clip(self, track: Track, deadline: Deadline) -> Clip:
        assert deadline.left, track
        return Clip(f"{self.api}/tracks/1/stream", "https://streams.example/1")


@pytest.fixture
async def store() -> AsyncIterator[Loopback]:
    """Where a service keeps its audio: another origin."""
    async with serving() as loopback:
        yield loopback


async def test_a_whole_song_behind_redirects_is_taken_from_listed_hosts_only(
    server: Loopback, store: Loopback, soon: Deadline
) -> None:
    song = AUDIO * (AUDIO_BYTES // len(AUDIO) + 1)
    server.redirect("/tracks/1/stream", "/tracks/1/moved")
    server.redirect("/tracks/1/moved", f"{store.address}/node/1.mp3")
    store.redirect("/node/1.mp3", f"{store.address}/node/2.mp3?signature=x")
    store.raw("/node/2.mp3", song)
    at = Endpoints(server.address, trusted=False)
    async with aiohttp.ClientSession() as session:
        setup = Setup(session, at, Lookups(None), SourcesSettings())
        both = Streams(setup, server.address, store.address)
        assert (await both.audio(SONG, soon)).data == song
        assert store.count("/node/2.mp3") == 1
        # Whatever hop is not on the list is never asked.
        with pytest.raises(Refused, match="not on the list"):
            await Streams(setup, server.address).audio(SONG, soon)
        assert store.count("/node/") == 2
        elsewhere = store.address.replace("127.0.0.1", "localhost")
        store.redirect("/node/1.mp3", f"{elsewhere}/steal")
        with pytest.raises(Refused, match="not on the list"):
            await both.audio(SONG, soon)
        assert store.count("/steal") == 0


async def test_a_whole_song_beyond_the_size_is_refused(server: Loopback, soon: Deadline) -> None:
    server.raw("/tracks/1/stream", bytes(2 * AUDIO_BYTES + 1))
    async with aiohttp.ClientSession() as session:
        with pytest.raises(Refused, match="more than 16 MB"):
            await Streams(server.setup(session), server.address).audio(SONG, soon)


async def test_a_preview_never_shows_its_address() -> None:
    clip = Clip(
        "https://x.dzcdn.net/a.mp3?hdnea=exp=1~hmac=secret", "https://www.deezer.com/track/1"
    )
    assert "secret" not in repr(clip)
    assert "ID3" not in repr(Preview(AUDIO, "deezer", "https://www.deezer.com/track/1", SONG))
