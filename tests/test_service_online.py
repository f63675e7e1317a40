"""From a title to an answer through services on the network, which stand on 127.0.0.1 here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from musrec.demo import TUNES, write_tunes
from musrec.model import FeedbackKind, NotFound, SoundKind, Track
from musrec.service import Service
from musrec.settings import Settings
from tests.sources.loopback import ISRC, Loopback, serving, stock

TITLE = "one more time daft punk"
SONG, CANDIDATE, SECOND = (f"/cdn/deezer-{n}.mp3" for n in (3135553, 10_000, 10_001))


@dataclass(frozen=True)
class World:
    server: Loopback
    service: Service


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A service without songs of its own, and a network that knows one song and two like it."""
    write_tunes(tmp_path / "tunes")
    clips = [path.read_bytes() for path in sorted((tmp_path / "tunes").iterdir())]
    assert len(clips) == len(TUNES)
    settings = Settings.model_validate(
        {"paths": {"data": tmp_path / "data"}, "catalogue": {"starter": False}}
    )
    async with serving() as server:
        stock(server, related=1, tops=2)
        for path, clip in zip((SONG, CANDIDATE, SECOND), clips, strict=False):
            server.raw(path, clip, kind="audio/mpeg")
        async with Service.open(settings, endpoints=server.endpoints()) as service:
            yield World(server, service)


async def found(world: World) -> Track:
    track = await world.service.find(TITLE)
    assert isinstance(track, Track)
    return track


async def test_a_title_becomes_an_answer_from_songs_heard_on_the_way(world: World) -> None:
    track = await found(world)
    assert track.isrc == ISRC
    assert track.links["deezer"].startswith("https://www.deezer.com/")
    heard = await world.service.hear_track(track)
    assert heard.analysis.kind is SoundKind.MUSIC
    reported: list[tuple[int, int]] = []
    answer = await world.service.recommend(
        heard, progress=lambda done, of: reported.append((done, of))
    )
    titles = [pick.track.title for pick in answer.picks]
    assert set(titles) >= {"Song number 10000"}
    assert reported
    assert reported[-1][0] <= reported[-1][1]


async def test_what_was_heard_once_is_neither_fetched_nor_heard_again(world: World) -> None:
    heard = await world.service.hear_track(await found(world))
    await world.service.recommend(heard)
    again = await world.service.hear_track(await found(world))
    answer = await world.service.recommend(again)
    assert answer.picks
    assert world.server.count(SONG) == 1
    assert world.server.count(CANDIDATE) == 1


async def test_without_any_service_the_catalogue_still_answers(world: World) -> None:
    heard = await world.service.hear_track(await found(world))
    await world.service.recommend(heard)
    for path in ("/deezer/search", "/itunes/search", "/musicbrainz/recording"):
        world.server.json(path, {}, status=500)
    with pytest.raises(NotFound, match="now"):
        await world.service.find("a title that nobody asked for before")
    assert (await world.service.recommend(heard)).picks


async def test_a_song_without_a_preview_asks_for_a_clip(world: World) -> None:
    for path in (SONG, "/cdn/itunes.m4a", "/pages/youtube/FGBhQbmPwH8"):
        world.server.raw(path, b"", status=404)
    with pytest.raises(NotFound) as caught:
        await world.service.hear_track(await found(world))
    assert "clip" in caught.value.hint


async def test_other_services_numbers_are_shown_with_their_origin_and_nothing_else(
    world: World,
) -> None:
    heard = await world.service.hear_track(await found(world))
    said = await world.service.foreign(heard.track)
    assert said["reccobeats"]["tempo"] == pytest.approx(122.7)
    again = await world.service.hear_track(heard.track)
    assert (again.place.vector == heard.place.vector).all()
    assert "danceability" not in repr(again.analysis.descriptors)
    assert "danceability" not in repr(again.profile)


async def test_quiet_hours_hear_songs_around_what_was_liked_within_the_days_budget(
    world: World,
) -> None:
    assert await world.service.explore() == 0  # nobody liked anything yet
    heard = await world.service.hear_track(await found(world))
    await world.service.learn("ann", heard.track.id, FeedbackKind.LIKE)
    before = len(world.service.catalogue)
    tried = await world.service.explore()
    assert 0 < tried <= -(-world.service.settings.catalogue.explore_per_day // 24)
    assert len(world.service.catalogue) > before
