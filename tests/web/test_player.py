"""What the player plays: files of this machine, converted where browsers need it, and previews."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import av
import pytest
import pytest_asyncio

from musrec.members.model import OWNER, Role
from musrec.model import FeedbackKind, Track
from musrec.service import Service
from musrec.service.songs import MOST_CONVERTED
from musrec.settings import Settings
from tests.support.loopback import PROVIDERS_OFF, deezer_track, serving
from tests.web.conftest import FOREIGN, NATIVE, Page, Visitor, served

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def guest(page: Page) -> AsyncIterator[Visitor]:
    """Someone whom the owner invited, signed in."""
    visitor = await page.browser("guest-1", Role.GUEST)
    yield visitor
    await visitor.http.close()


async def asked(visitor: Visitor, path: str, **headers: str) -> tuple[int, bytes]:
    async with visitor.http.get(path, headers=headers) as response:
        visitor.headers = response.headers
        return response.status, await response.read()


RANGES = {
    "bytes=0-99": (206, slice(0, 100)),
    "bytes=100-": (206, slice(100, None)),
    "bytes=-50": (206, slice(-50, None)),
    "bytes=99999999-": (416, None),
    "bytes=5-1": (400, None),
    "lines=1-2": (400, None),
}


@pytest.mark.parametrize("ranges", RANGES)
async def test_a_file_is_played_in_ranges(
    owner: Visitor, own: Mapping[str, tuple[Track, Path]], ranges: str
) -> None:
    track, file = own[NATIVE]
    whole = file.read_bytes()
    status, body = await asked(owner, f"/songs/{track.id}/sound", range=ranges)
    expected, part = RANGES[ranges]
    assert status == expected
    if part:
        assert body == whole[part]
        assert owner.headers["content-type"] == "audio/ogg"
    if status == 416:
        assert owner.headers["content-range"] == f"bytes */{len(whole)}"


async def test_a_file_in_a_foreign_format_is_converted_while_it_is_read(
    owner: Visitor, own: Mapping[str, tuple[Track, Path]]
) -> None:
    track, _ = own[FOREIGN]
    _, said = await asked(owner, f"/songs/{track.id}/play")
    assert json.loads(said)["how"] == "converted"
    for encoding, demuxer in (("ogg", "ogg"), ("wav", "wav")):
        status, body = await asked(owner, f"/songs/{track.id}/sound?as={encoding}")
        assert status == 200
        with av.open(io.BytesIO(body), "r") as played:
            assert played.format.name == demuxer
            samples = sum(frame.samples for frame in played.decode(audio=0))
        assert samples / 48_000 == pytest.approx(40, abs=0.2)
    assert (await asked(owner, f"/songs/{track.id}/sound?as=exe"))[0] == 404


async def test_listeners_who_go_away_leave_no_conversion_behind(
    owner: Visitor, own: Mapping[str, tuple[Track, Path]]
) -> None:
    track, _ = own[FOREIGN]
    for _ in range(MOST_CONVERTED + 1):
        async with owner.http.get(f"/songs/{track.id}/sound?as=wav") as response:
            assert response.status == 200
            response.close()


async def test_files_are_for_those_whom_the_owner_invited(
    guest: Visitor, member: Visitor, own: Mapping[str, tuple[Track, Path]]
) -> None:
    track, _ = own[NATIVE]
    assert (await asked(guest, f"/songs/{track.id}/sound"))[0] == 200
    status, text = await member.get(f"/songs/{track.id}/sound")
    assert status == 404  # the member hears previews alone, and this song has none
    assert "<h1>" in text


@pytest.mark.parametrize("address", ["..%2f..%2fetc%2fpasswd", "%2e%2e", "x" * 200, "%00", "nope"])
async def test_addresses_never_become_paths(owner: Visitor, address: str) -> None:
    for what in ("play", "sound", "sound?as=ogg"):
        status, text = await owner.get(f"/songs/{address}/{what}")
        assert status == 404
        assert "root:" not in text


async def test_a_file_that_has_gone_or_is_none_any_more_gets_a_sentence(
    owner: Visitor, own: Mapping[str, tuple[Track, Path]]
) -> None:
    track, file = own[NATIVE]
    kept = file.read_bytes()
    file.unlink()
    try:
        for what in ("play", "sound", "sound?as=ogg"):
            status, text = await owner.get(f"/songs/{track.id}/{what}")
            assert status == 404
            assert "The file of this song has gone." in text
        file.mkdir()
        assert (await owner.get(f"/songs/{track.id}/sound"))[0] == 404
        file.rmdir()
        file.write_bytes(b"")
        status, text = await owner.get(f"/songs/{track.id}/sound?as=ogg")
        assert status == 400
        assert "The file is empty." in text
        file.write_bytes(b"OggS" + bytes(5000))
        status, text = await owner.get(f"/songs/{track.id}/sound?as=ogg")
        assert status == 400
        assert "Nothing in this file can be played." in text
    finally:
        file.write_bytes(kept)


async def test_what_is_played_teaches_only_with_consent(
    owner: Visitor, page: Page, own: Mapping[str, tuple[Track, Path]]
) -> None:
    songs = [track.id for track, _ in own.values()]

    async def play(song: str, heard: float) -> None:
        status, text = await owner.post("/listening", song=song, heard=str(heard), lasts="40")
        assert status == 204, text

    await play(songs[0], 0)
    assert await page.service.members.feedback(OWNER) == []
    await page.service.members.choose(OWNER, listening=True)
    await play(songs[0], 39)
    await play("", 0)  # it ended
    await play(songs[1], 10)
    did = [(one.track, one.kind) for one in await page.service.members.feedback(OWNER)]
    assert did == [
        (songs[0], FeedbackKind.PLAY),
        (songs[0], FeedbackKind.FINISH),
        (songs[1], FeedbackKind.PLAY),
    ]
    for heard in ("nan", "-1", "1e9", "soon"):
        status, _ = await owner.post("/listening", song=songs[0], heard=heard, lasts="40")
        assert status == 400, heard


async def test_a_song_without_a_file_is_played_from_a_preview_with_its_page(
    tmp_path: Path, music: Path
) -> None:
    clip = (music / "alexander-ehlers--great-mission.mp3").read_bytes()
    settings = Settings.model_validate(
        {
            "paths": {"data": tmp_path},
            "catalogue": {"starter": False},
            "sources": {**PROVIDERS_OFF, "deezer": True},
        }
    )
    async with serving() as shop:
        preview = f"{shop.address}/cdn/1.mp3"
        shop.json("/deezer/track/1", deezer_track(1, "One", "Someone", preview=preview))
        shop.raw("/cdn/1.mp3", clip, kind="audio/mpeg")
        async with (
            Service.open(settings, endpoints=shop.endpoints()) as service,
            served(service) as page,
        ):
            song = Track("abc123", "One", ("Someone",), identities={"deezer": "1"})
            (kept,) = await page.service.songs.keep([song])
            owner = await page.browser(OWNER, Role.OWNER)
            _, said = await asked(owner, f"/songs/{kept.id}/play")
            assert json.loads(said)["how"] == "preview"
            status, body = await asked(owner, f"/songs/{kept.id}/sound")
            assert (status, body) == (200, clip)
            assert owner.headers["content-type"] == "audio/mpeg"
            assert owner.headers["x-service"] == "Deezer"
            assert owner.headers["x-page"].startswith("https://www.deezer.com/")
            await owner.http.close()
