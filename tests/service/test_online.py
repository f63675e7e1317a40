"""From a title to an answer through services on the network, which stand on 127.0.0.1 here."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web

from musrec.catalogue.model import JobKind, JobState
from musrec.demo import TUNES, write_tunes
from musrec.model import Choices, FeedbackKind, Heard, NotFound, SoundKind, Track
from musrec.service import Service, jobs
from musrec.settings import RecommendSettings, Settings
from musrec.sources.matching import Wanted
from musrec.store import jobs as store_jobs
from tests.support.loopback import ISRC, SPOTIFY_ID, Loopback, deezer_track, serving, stock
from tests.support.stores import store_of

TITLE = "one more time daft punk"
SONG, CANDIDATE, SECOND = (f"/cdn/deezer-{n}.mp3" for n in (3135553, 10_000, 10_001))


@dataclass(frozen=True)
class World:
    server: Loopback
    service: Service
    clips: list[bytes]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("tunes")
    write_tunes(folder)
    found = [path.read_bytes() for path in sorted(folder.iterdir())]
    assert len(found) == len(TUNES)
    return found


@pytest.fixture
async def world(tmp_path: Path, clips: list[bytes]) -> AsyncIterator[World]:
    """A service without songs of its own, and a network that knows one song and two like it."""
    settings = Settings.model_validate(
        {
            "paths": {"data": tmp_path / "data"},
            "catalogue": {"starter": False},
            "recommend": {"budget_seconds": 60},  # a busy machine hears both songs, too
        }
    )
    async with serving() as server:
        stock(server, related=1, tops=2)
        for path, clip in zip((SONG, CANDIDATE, SECOND), clips, strict=False):
            server.raw(path, clip, kind="audio/mpeg")
        async with Service.open(settings, endpoints=server.endpoints()) as service:
            yield World(server, service, clips)


def silence() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(22_050)
        out.writeframes(bytes(2 * 22_050 * 12))
    return file.getvalue()


async def found(world: World) -> Track:
    track = await world.service.songs.find(TITLE)
    assert isinstance(track, Track)
    return track


async def test_a_title_becomes_an_answer_from_songs_heard_on_the_way(world: World) -> None:
    track = await found(world)
    assert track.isrc == ISRC
    assert track.links["deezer"].startswith("https://www.deezer.com/")
    heard = await world.service.songs.hear_track(track)
    assert heard.analysis.kind is SoundKind.MUSIC
    reported: list[tuple[int, int]] = []
    answer = await world.service.answers.recommend(
        heard, progress=lambda done, of: reported.append((done, of))
    )
    titles = [pick.track.title for pick in answer.picks]
    assert set(titles) >= {"Song number 10000"}
    assert reported
    assert reported[-1][0] <= reported[-1][1]


async def test_a_song_heard_once_is_neither_fetched_nor_heard_again(world: World) -> None:
    heard = await world.service.songs.hear_track(await found(world))
    await world.service.answers.recommend(heard)
    again = await world.service.songs.hear_track(await found(world))
    answer = await world.service.answers.recommend(again)
    assert answer.picks
    assert world.server.count(SONG) == 1
    assert world.server.count(CANDIDATE) == 1


async def test_late_candidates_are_there_next_time_and_heard_once(world: World) -> None:
    heard = await world.service.songs.hear_track(await found(world))
    there = asyncio.Event()
    for path, clip in ((CANDIDATE, world.clips[1]), (SECOND, world.clips[2])):

        async def late(_: web.Request, clip: bytes = clip) -> web.Response:
            await there.wait()
            return web.Response(body=clip, content_type="audio/mpeg")

        world.server.set(path, late)
    hurried = world.service.settings.model_copy(
        update={"recommend": RecommendSettings(budget_seconds=1)}
    )
    async with Service.open(hurried, endpoints=world.server.endpoints()) as service:
        before = len(service.catalogue)
        for _ in range(2):  # the second time while they are still under way
            await service.answers.recommend(heard)
        assert len(service.catalogue) == before
        there.set()
        async with asyncio.timeout(60):
            await asyncio.gather(*service._live._background)
        assert len(service.catalogue) == before + 2
        titles = {pick.track.title for pick in (await service.answers.recommend(heard)).picks}
    assert titles & {"Song number 10000", "Song number 10001"}
    assert (world.server.count(CANDIDATE), world.server.count(SECOND)) == (1, 1)


async def test_a_known_link_needs_no_service(world: World) -> None:
    track = await found(world)
    world.server.asked.clear()
    for text in ("https://www.deezer.com/de/track/3135553?x", "deezer.com/track/3135553"):
        again = await world.service.songs.find(text)
        assert isinstance(again, Track)
        assert again.id == track.id
    assert world.server.asked == []


async def test_a_song_to_choose_can_be_asked_for_by_its_id(world: World) -> None:
    offered = [
        deezer_track(n, "Hurt", f"Singer {n}", preview=f"{world.server.address}{SONG}")
        for n in (1, 2)
    ]
    world.server.json("/deezer/search", {"data": offered})
    for song in offered:
        page = song | {"isrc": f"USDJ2020000{song['id']}"}
        world.server.json(f"/deezer/track/{song['id']}", page)
    choices = await world.service.songs.find("hurt")
    assert isinstance(choices, Choices)
    chosen = await world.service.songs.find(choices.tracks[1].id)
    assert isinstance(chosen, Track)
    assert chosen == choices.tracks[1]
    heard = await world.service.songs.hear_track(chosen)
    assert heard.track.id == chosen.id
    assert heard.track.isrc  # what its own page tells was filled in
    assert heard.track.genre


async def test_whatever_is_typed_is_answered(world: World) -> None:
    for text in ("qq\udcff\udcfe", "qq\0zz", "q" * 5_000, "spotify:", "/"):
        for online in (True, False):
            with pytest.raises(NotFound) as caught:
                await world.service.songs.find(text, online=online)
            assert caught.value.hint


async def test_the_same_bytes_are_one_song_whatever_they_are_called(world: World) -> None:
    song = await world.service.songs.hear_track(await found(world))
    world.server.raw("/cdn/itunes.m4a", world.clips[0], kind="audio/mp4")
    copy = Track("copy", "Another Side 1", ("Daft Punk",), identities={"itunes": "701"})
    again = await world.service.songs.hear_track(copy)
    assert again.track.id == song.track.id
    assert again.analysis.digest == song.analysis.digest
    assert again.analysis.seconds == song.analysis.seconds
    assert await world.service.songs.heard(again.track.id) is not None


async def test_one_budget_is_shared_by_the_parts_of_a_command(world: World) -> None:
    with world.service.budget():
        ends = world.service._outside.deadline()
        await found(world)
        assert world.service._outside.deadline() == ends
    assert world.service._outside.deadline().at > ends.at


async def test_without_any_service_the_catalogue_still_answers(world: World) -> None:
    heard = await world.service.songs.hear_track(await found(world))
    await world.service.answers.recommend(heard)
    world.server.without("")
    world.server.json("", {}, status=500)
    with pytest.raises(NotFound, match="now"):
        await world.service.songs.find("a title that nobody asked for before")
    assert (await world.service.answers.recommend(heard)).picks


async def test_a_song_without_a_preview_asks_for_a_clip(world: World) -> None:
    world.server.without("/cdn/")
    world.server.without("/pages/")
    with pytest.raises(NotFound) as caught:
        await world.service.songs.hear_track(await found(world))
    assert "clip" in caught.value.hint


async def scores(service: Service, heard: Heard) -> dict[str, float]:
    answer = await service.answers.recommend(heard, online=False)
    return {pick.track.id: pick.score for pick in answer.picks}


async def test_features_of_other_services_are_shown_with_their_origin_and_go_no_further(
    world: World,
) -> None:
    heard = await world.service.songs.hear_track(await found(world))
    assert (await world.service.answers.recommend(heard)).picks
    await asyncio.gather(*world.service._live._background)  # candidates that came too late
    await world.service.reload()
    before, scored = world.service.catalogue.songs, await scores(world.service, heard)
    said = await world.service.songs.foreign(heard.track)
    assert said["reccobeats"]["tempo"] == pytest.approx(122.7)
    assert await world.service.songs.foreign(heard.track, online=False) == said
    await world.service.reload()
    after = world.service.catalogue.songs
    assert after is not before
    assert tuple(after.tracks) == tuple(before.tracks)
    assert tuple(after.profiles) == tuple(before.profiles)
    assert np.array_equal(after.vectors, before.vectors)
    assert all(np.array_equal(after.facets[name], before.facets[name]) for name in before.facets)
    assert await scores(world.service, heard) == pytest.approx(scored, abs=1e-6)
    again = await world.service.songs.hear_track(heard.track)
    assert (again.place.vector == heard.place.vector).all()
    assert "danceability" not in repr(again.analysis.descriptors)
    assert "danceability" not in repr(again.profile)


async def test_quiet_hours_explore_around_likes_within_the_daily_budget(
    world: World,
) -> None:
    heard = await world.service.songs.hear_track(await found(world))
    await world.service.members.learn("ann", heard.track.id, FeedbackKind.LIKE)
    before = len(world.service.catalogue.songs)
    # The best candidates are of no use: one is missing, one is not music.
    world.server.raw(CANDIDATE, b"", status=404)
    world.server.raw(SECOND, silence(), kind="audio/wav")
    await world.service.jobs.work(until_empty=True)
    assert len(world.service.catalogue.songs) == before
    async with store_of(world.service) as store:
        counted = await store.lookups.get(f"explored:{datetime.now(UTC).date()}")
    assert 0 < int(counted or 0) <= -(-world.service.settings.catalogue.explore_per_day // 24)
    world.server.asked.clear()
    assert await world.service.jobs.work(until_empty=True) == 0  # neither is tried again
    assert world.server.count("/cdn/") == 0
    await world.service.answers.recommend(heard)
    assert world.server.count(SECOND) == 0


async def test_a_key_finds_the_addresses_that_an_export_to_spotify_lacks(tmp_path: Path) -> None:
    keys = {"spotify_client_id": "an-id", "spotify_client_secret": "a-secret"}
    for sources, kept in ((keys, f"spotify:track:{SPOTIFY_ID}\n"), ({}, "")):
        settings = Settings.model_validate(
            {
                "paths": {"data": tmp_path / str(len(sources))},
                "catalogue": {"starter": False},
                "sources": sources,
            }
        )
        async with serving() as server:
            stock(server)
            async with Service.open(settings, endpoints=server.endpoints()) as service:
                song, other = await service.songs.keep(
                    (
                        Track("a", "One More Time", ("Daft Punk",), isrc=ISRC),
                        Track("b", "Nobody Has This", ("Nobody",)),
                    )
                )
                made = await service.playlists.create("ann", "mine")
                await service.playlists.add(made, [song.id, other.id])
                exported = await service.playlists.export(made, "spotify")
        assert exported.data.decode() == kept
        assert other.id in [track.id for track in exported.missing]


@dataclass(frozen=True)
class DayOne:
    """A new bot that knows the starter songs by their table alone, and a network that has them."""

    server: Loopback
    service: Service
    starters: tuple[Track, ...]


@pytest.fixture
async def day_one(tmp_path: Path, clips: list[bytes]) -> AsyncIterator[DayOne]:
    settings = Settings.model_validate(
        {"paths": {"data": tmp_path / "data"}, "sources": {"itunes": False, "musicbrainz": False}}
    )
    async with serving() as server:

        async def search(request: web.Request) -> web.Response:
            """Deezer has every song, under the title and artist that are asked for."""
            for number, track in enumerate(starters, start=1):
                if request.query["q"] == Wanted.of(track).query:
                    preview = f"{server.address}/cdn/{number}.mp3"
                    song = deezer_track(number, track.title, track.artist, preview=preview)
                    return web.json_response({"data": [song]})
            return web.json_response({"data": []})

        async with Service.open(settings, endpoints=server.endpoints()) as service:
            known = service.catalogue.songs.tracks
            starters = tuple(track for track in known if "starter" in track.identities)
            server.set("/deezer/search", search)
            for number in range(1, 1 + len(starters)):
                clip = clips[number % len(clips)]
                server.raw(f"/cdn/{number}.mp3", clip + number.to_bytes(4), kind="audio/mpeg")
            yield DayOne(server, service, starters)


async def test_a_starter_song_is_heard_when_it_is_asked_about(day_one: DayOne) -> None:
    service, song = day_one.service, day_one.starters[0]
    by_table = await service.songs.hear_track(song)
    assert by_table.analysis.spectrogram is None, "the answer does not wait for a preview"
    heard = await service.songs.listen(song)
    assert heard is not None
    assert heard.track.id == song.id
    assert heard.track.identities["deezer"]
    assert heard.analysis.spectrogram is not None
    assert (await service.songs.hear_track(song)).analysis.spectrogram is not None
    assert await service.songs.listen(song) is None, "once is enough"
    assert day_one.server.count("/cdn/") == 1


async def test_what_is_no_music_does_not_replace_a_starter_songs_table(day_one: DayOne) -> None:
    song = day_one.starters[0]
    day_one.server.raw("/cdn/1.mp3", silence(), kind="audio/wav")
    assert await day_one.service.songs.listen(song) is None
    assert (await day_one.service.songs.hear_track(song)).analysis.kind is SoundKind.MUSIC


async def test_quiet_hours_start_with_the_starter_songs(
    day_one: DayOne, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(day_one.starters) <= 24 * jobs.STARTERS, "a day is enough"
    monkeypatch.setattr(jobs, "STARTERS", 3)
    monkeypatch.setattr(jobs, "LOOK_SECONDS", 0.01)
    service = day_one.service
    with service.budget():
        working = asyncio.create_task(service.jobs.work(until_empty=True))
        assert not (await asyncio.wait([working], timeout=0.5))[0], "a question comes first"
        assert day_one.server.count("/cdn/") == 0
    assert await working == 3 + 1, "and a look around what members liked"
    assert await service.jobs.work(until_empty=True) == 3
    assert day_one.server.count("/cdn/") == 6, "none is heard twice"
    heard = [await service.songs.heard(track.id) for track in service.catalogue.songs.tracks]
    assert sum(one is not None and one.analysis.spectrogram is not None for one in heard) == 6


async def test_a_song_that_cannot_be_heard_is_tried_again_and_given_up_with_its_reason(
    day_one: DayOne, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "STARTERS", 2)
    day_one.server.without("/deezer/search")
    service = day_one.service
    await service.jobs.work(until_empty=True)
    counts = (await service.jobs.counts())[JobKind.HEAR]
    assert counts[JobState.WAITING] == 2, "they wait for the next try"
    monkeypatch.setattr(store_jobs, "FIRST_PAUSE", timedelta(0))
    await service.jobs.work(until_empty=True)
    dead = await service.jobs.dead()
    assert len(dead) == 2, "others were tried at once until they were given up"
    assert all(job.tries == store_jobs.TRIES and job.track and job.why for job in dead)
