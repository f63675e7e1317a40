"""Covers: checked before they are shown, and no song without one for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from musrec.model import Track
from musrec.sources import Cover, Deadline, Endpoints, Sources, SourcesSettings
from tests.support.loopback import (
    KEYS,
    SPOTIFY_ID,
    Loopback,
    cover,
    deezer_track,
    itunes_track,
)

JPEG = cover()
SONG = Track("x", "One More Time", ("Daft Punk",), identities={"deezer": "1", "itunes": "2"})


@pytest.fixture
async def shop(server: Loopback) -> Loopback:
    """Deezer and iTunes know the song; only Deezer's cover is not served yet."""
    song = deezer_track(1, "One More Time", "Daft Punk")
    album = {"id": 5, "title": "Discovery", "cover_medium": f"{server.address}/deezer.jpg"}
    server.json("/deezer/track/1", song | {"album": album})
    row = itunes_track(2, "One More Time", "Daft Punk")
    art = {"artworkUrl100": f"{server.address}/itunes.jpg"}
    server.json("/itunes/lookup", {"results": [row | art]})
    server.raw("/itunes.jpg", JPEG, kind="image/jpeg")
    return server


async def test_the_first_service_that_has_a_cover_gives_it(
    shop: Loopback, sources: Sources, soon: Deadline
) -> None:
    shop.raw("/deezer.jpg", JPEG, kind="image/jpeg")
    found = await sources.cover(SONG, deadline=soon)
    assert found == Cover(f"{shop.address}/deezer.jpg", "deezer")
    assert await sources.cover(Track("y", "Unknown", ()), deadline=soon) is None
    asked = shop.count("/deezer/track/1")
    await sources.cover(SONG, deadline=soon)
    assert shop.count("/deezer/track/1") == asked, "its address is remembered"


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"progressive": True}),
        ("JPEG", {"exif": bytes(5_000)}),
        ("PNG", {}),
        ("GIF", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": bytes(50)}),
    ],
)
async def test_every_form_of_picture_that_discord_shows_is_a_cover(
    shop: Loopback, sources: Sources, soon: Deadline, kind: str, options: dict[str, object]
) -> None:
    picture = cover(kind, **options)
    shop.raw("/deezer.jpg", picture)
    assert await sources.cover(SONG, deadline=soon) == Cover(f"{shop.address}/deezer.jpg", "deezer")
    shop.raw("/deezer.jpg", picture[:8])
    assert await sources.cover(SONG, deadline=soon) == Cover(f"{shop.address}/itunes.jpg", "itunes")


def bomb(kind: str, at: int, sides: bytes) -> bytes:
    """A small file that claims to be a picture of billions of pixels."""
    picture = cover(kind)
    return picture[:at] + sides + picture[at + len(sides) :]


BAD: dict[str, Callable[[Loopback], None]] = {
    "404": lambda to: to.raw("/deezer.jpg", JPEG, status=404),
    "20 MB": lambda to: to.raw("/deezer.jpg", JPEG + bytes(20_000_000)),
    "without end": lambda to: to.endless("/deezer.jpg"),
    "HTML": lambda to: to.raw("/deezer.jpg", b"<html>sign in</html>", kind="image/jpeg"),
    "a bomb as PNG": lambda to: to.raw("/deezer.jpg", bomb("PNG", 16, b"\0\1\0\0\0\1\0\0")),
    "a bomb as GIF": lambda to: to.raw("/deezer.jpg", bomb("GIF", 6, b"\xff\xff\xff\xff")),
    "a bomb as JPEG": lambda to: to.raw(
        "/deezer.jpg", JPEG.replace(bytes((0, 240, 0, 250)), b"\xff\xff\xff\xff", 1)
    ),
    "of no size": lambda to: to.raw("/deezer.jpg", b"\xff\xd8\xff\xe0" + bytes(20_000)),
    "empty": lambda to: to.raw("/deezer.jpg", b"", kind="image/jpeg"),
    "a redirect off the list": lambda to: to.redirect("/deezer.jpg", "http://127.0.0.2:9/x"),
    "broken off": lambda to: to.reset("/deezer.jpg"),
    "no address": lambda to: to.json("/deezer/track/1", deezer_track(1, "One", "Daft Punk")),
    "an odd address": lambda to: to.json(
        "/deezer/track/1",
        deezer_track(1, "One", "Daft Punk") | {"album": {"cover_medium": "http://[::1/x"}},
    ),
}


@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_cover_is_passed_over_for_the_next_services(
    shop: Loopback, sources: Sources, soon: Deadline, kind: str
) -> None:
    BAD[kind](shop)
    found = await sources.cover(SONG, deadline=soon)
    assert found == Cover(f"{shop.address}/itunes.jpg", "itunes")
    shop.raw("/itunes.jpg", JPEG, status=404)
    assert await sources.cover(SONG, deadline=soon) is None


@pytest.mark.parametrize("slow", ["hangs", "drips"])
async def test_a_slow_service_costs_no_more_than_the_time_there_is(
    shop: Loopback, sources: Sources, slow: str
) -> None:
    if slow == "hangs":
        shop.hang("/deezer.jpg")
    else:
        shop.drip("/deezer.jpg", JPEG)
    found = await sources.cover(SONG, deadline=Deadline.within(1.0))
    assert found == Cover(f"{shop.address}/itunes.jpg", "itunes")


async def test_only_hosts_of_the_service_are_asked(shop: Loopback, soon: Deadline) -> None:
    endpoints = Endpoints(shop.address, trusted=False)
    shop.raw("/deezer.jpg", JPEG)
    async with Sources(SourcesSettings(ytdlp=False), endpoints=endpoints) as sources:
        assert await sources.cover(SONG, deadline=soon) is None
    assert shop.count(".jpg") == 0


@pytest.fixture
async def with_spotify(server: Loopback) -> AsyncIterator[Sources]:
    settings = SourcesSettings(ytdlp=False, deezer=False, itunes=False, **KEYS)
    async with Sources(settings, endpoints=server.endpoints()) as opened:
        yield opened


async def test_spotify_gives_the_smallest_cover_that_a_phone_shows_sharp(
    stocked: Loopback, with_spotify: Sources, soon: Deadline
) -> None:
    images = [{"width": w, "height": w, "url": f"{stocked.address}/{w}"} for w in (640, 300, 64)]
    track = {"id": SPOTIFY_ID, "name": "One More Time", "album": {"images": images}}
    stocked.json(f"/spotify/tracks/{SPOTIFY_ID}", track)
    stocked.raw("/300", JPEG)
    song = Track("x", "One More Time", identities={"spotify": SPOTIFY_ID})
    assert await with_spotify.cover(song, deadline=soon) == Cover(
        f"{stocked.address}/300", "spotify"
    )
