"""The one door: what goes in comes back as answers, and feedback changes them at once."""

from __future__ import annotations

import asyncio
import io
import shutil
import wave
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from musrec.audio import tagger
from musrec.catalogue.model import Added
from musrec.demo import TUNES, compose, wav, write_tunes
from musrec.model import Choices, Constraints, FeedbackKind, NotAudio, NotFound, Track
from musrec.service import Service
from musrec.service.live import NO_TAGGER
from musrec.settings import Settings
from tests.support.stores import store_of

AGAIN = Constraints(repeats=True)


def settings(folder: Path) -> Settings:
    return Settings.model_validate({"paths": {"data": folder}, "workers": {"count": 2}})


@pytest.fixture(scope="module")
def tunes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tunes")
    write_tunes(folder)
    return folder


@pytest.fixture(scope="module")
def indexed(tunes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a store in which the composed tunes were heard."""
    folder = tmp_path_factory.mktemp("store")

    async def index() -> list[Added]:
        async with Service.open(settings(folder)) as service:
            return await added(service, tunes)

    assert not [step for step in asyncio.run(index()) if step.problem]
    return folder


@pytest.fixture
async def service(indexed: Path, tmp_path: Path) -> AsyncIterator[Service]:
    """A service of its own for each test, with the starter songs and the composed tunes."""
    shutil.copytree(indexed, tmp_path / "data")
    async with Service.open(settings(tmp_path / "data")) as opened:
        yield opened


def tune(service: Service, number: int) -> Track:
    [track] = [
        track for track in service.catalogue.songs.tracks if track.title == TUNES[number].title
    ]
    return track


async def added(service: Service, path: Path) -> list[Added]:
    return [step async for step in service.songs.add([path])]


async def test_the_first_answer_needs_no_network(tmp_path: Path) -> None:
    async with Service.open(settings(tmp_path)) as service:
        song = service.catalogue.songs.tracks[0]
        heard = await service.songs.hear_track(song)
        answer = await service.answers.recommend(heard, online=False, count=5)
    assert len(answer.picks) == 5
    assert song not in [pick.track for pick in answer.picks]
    for pick in answer.picks:
        assert pick.score == pytest.approx(sum(term.value for term in pick.terms))
        assert pick.explanation.sentence


async def test_fine_embeddings_grow_with_the_catalogue(service: Service) -> None:
    """Only songs heard here have one, and hearing gives the same as loading."""
    fine = service.catalogue.songs.fine
    if service.catalogue.space.name == "full":
        assert fine is not None
        known = np.isfinite(fine).all(axis=1)
        heard = [
            track.artist in {tune.artist for tune in TUNES}
            for track in service.catalogue.songs.tracks
        ]
        assert known.tolist() == heard
    else:
        assert fine is None


async def test_a_folder_is_heard_once_and_kept(service: Service, tunes: Path) -> None:
    assert {track.artist for track in service.catalogue.songs.tracks} >= {
        tune.artist for tune in TUNES
    }
    steps = await added(service, tunes)
    assert [step.known for step in steps] == [True] * len(TUNES)


async def test_similar_sounding_songs_find_each_other(service: Service) -> None:
    # The two waltzes differ in tempo and decay, the two dances in key and a few beats.
    for song, twin in ((0, 1), (3, 4)):
        heard = await service.songs.hear_track(tune(service, song))
        wishes = Constraints(same_artist=True)
        answer = await service.answers.recommend(heard, online=False, count=5, constraints=wishes)
        assert tune(service, twin).id in [pick.track.id for pick in answer.picks]


async def test_a_thumb_changes_the_next_answer_and_taking_it_back_undoes_it(
    service: Service,
) -> None:
    heard = await service.songs.hear_track(tune(service, 0))

    async def answer() -> list[tuple[str, float]]:
        picked = await service.answers.recommend(
            heard, online=False, member="ann", adventurous=0, constraints=AGAIN
        )
        return [(pick.track.id, round(pick.score, 6)) for pick in picked.picks]

    before = await answer()
    best = before[0][0]
    assert await service.members.learn("ann", best, FeedbackKind.DISLIKE)
    assert not await service.members.learn("ann", best, FeedbackKind.DISLIKE)
    assert best not in dict(await answer())
    assert await service.members.forget("ann", best, FeedbackKind.DISLIKE)
    assert await answer() == before


async def test_feedback_outlasts_a_restart(service: Service) -> None:
    heard = await service.songs.hear_track(tune(service, 0))
    first = await service.answers.recommend(heard, online=False, member="ann", constraints=AGAIN)
    await service.members.learn("ann", first.picks[0].track.id, FeedbackKind.DISLIKE)
    await service.reload()
    again = await service.answers.recommend(heard, online=False, member="ann", constraints=AGAIN)
    assert first.picks[0].track not in [pick.track for pick in again.picks]


async def test_a_tagger_that_comes_later_is_used_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tagger.status()
    if not installed.installed:
        pytest.skip("the tagger is not installed: `musrec models install`")
    monkeypatch.setenv("MUSREC_CACHE", str(tmp_path / "cache"))
    async with Service.open(settings(tmp_path / "data")) as service:
        assert service.answers.notes == (NO_TAGGER,)
        shutil.copytree(installed.path.parent, tmp_path / "cache")
        await service.reload()
        assert not service.answers.notes


async def test_weights_are_shares_of_the_terms_of_a_score(service: Service) -> None:
    shares = await service.answers.weights("ann")
    assert set(shares) == {"sound", "members", "taste", "popularity"}
    assert sum(shares.values()) == pytest.approx(1)


async def test_the_arm_that_chose_a_song_outlasts_a_restart(service: Service) -> None:
    heard = await service.songs.hear_track(tune(service, 0))
    answer = await service.answers.recommend(heard, online=False, member="ann", adventurous=1.0)
    tracks = [pick.track.id for pick in answer.picks]
    before = await service.drops._library.think(
        lambda recommender, _: recommender.served("ann", tracks)
    )
    assert set(before) == set(tracks)
    assert len(set(before.values())) == 1
    await service.reload()
    after = await service.drops._library.think(
        lambda recommender, _: recommender.served("ann", tracks)
    )
    assert after == before
    await service.members.delete("ann")
    await service.reload()
    assert not await service.drops._library.think(
        lambda recommender, _: recommender.served("ann", tracks)
    )


async def test_recent_recommendations_do_not_return_unasked(service: Service) -> None:
    heard = await service.songs.hear_track(tune(service, 0))
    first = await service.answers.recommend(heard, online=False, member="ann")
    second = await service.answers.recommend(heard, online=False, member="ann")
    assert second.picks
    assert not {p.track.id for p in first.picks} & {p.track.id for p in second.picks}


async def test_an_upload_is_heard_but_never_recommended_to_others(
    service: Service,
) -> None:
    upload = wav(compose(replace(TUNES[0], title="Another tune", bpm=TUNES[0].bpm + 11)))
    heard = await service.songs.hear_clip(upload, "voice-message.ogg")
    assert heard.track.title == "Voice Message"
    await service.reload()
    assert heard.track not in service.catalogue.songs.tracks
    assert (await service.answers.recommend(heard, online=False)).picks


async def test_songs_are_found_by_id_title_and_what_is_being_typed(service: Service) -> None:
    song = tune(service, 2)
    assert await service.songs.find(song.id, online=False) == song
    assert await service.songs.find(f" {song.title.upper()} ", online=False) == song
    assert song in await service.songs.suggest("composed march")
    with pytest.raises(NotFound) as caught:
        await service.songs.find("no such song anywhere", online=False)
    assert caught.value.hint


async def test_an_ambiguous_title_is_answered_with_choices(service: Service) -> None:
    song = tune(service, 2)
    namesake = Track("another", song.title, ("Somebody else",), identities={"isrc": "XX0000000001"})
    async with store_of(service) as store:
        analysis = await store.analyses.get(song.id)
        assert analysis is not None
        await store.analyses.add(namesake, analysis, "preview:deezer")
    await service.reload()
    found = await service.songs.find(song.title, online=False)
    assert isinstance(found, Choices)
    assert {track.id for track in found.tracks} == {song.id, "another"}


async def test_unreadable_files_are_listed_and_stop_nothing(
    service: Service, tunes: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "music"
    (folder / "below").mkdir(parents=True)
    shutil.copy(tunes / TUNES[5].file, folder / "below" / "a copy.wav")
    (folder / "page.mp3").write_text("<html>not here</html>")
    (folder / "empty.flac").touch()
    (folder / "gone.ogg").symlink_to(tmp_path / "nowhere")
    (folder / "cover.jpg").write_bytes(b"no music, so passed over")
    steps = {step.path.name: step for step in await added(service, folder)}
    assert set(steps) == {"a copy.wav", "page.mp3", "empty.flac", "gone.ogg"}
    assert steps["a copy.wav"].track == tune(service, 5)
    for name in ("page.mp3", "empty.flac", "gone.ogg"):
        assert steps[name].problem.endswith("."), name


async def test_noise_is_heard_but_refused_as_a_seed(service: Service) -> None:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(22_050)
        noise = np.random.default_rng(0).normal(scale=3000, size=22_050 * 10)
        file.writeframes(noise.astype("<i2").tobytes())
    heard = await service.songs.hear_clip(buffer.getvalue(), "noise.wav")
    with pytest.raises(NotAudio, match="no music"):
        await service.answers.recommend(heard)


async def test_a_deleted_member_is_forgotten_in_the_next_answer(service: Service) -> None:
    heard = await service.songs.hear_track(tune(service, 0))
    stranger = await service.answers.recommend(
        heard, online=False, member="new", adventurous=0, constraints=AGAIN
    )
    await service.members.learn("ann", stranger.picks[0].track.id, FeedbackKind.DISLIKE)
    assert await service.members.delete("ann")
    assert not await service.members.delete("ann")
    again = await service.answers.recommend(
        heard, online=False, member="ann", adventurous=0, constraints=AGAIN
    )
    assert [p.track.id for p in again.picks] == [p.track.id for p in stranger.picks]


async def test_a_thumb_on_an_unknown_song_is_refused_clearly(service: Service) -> None:
    with pytest.raises(NotFound, match="no song with the id"):
        await service.members.learn("ann", "nonsense", FeedbackKind.LIKE)
