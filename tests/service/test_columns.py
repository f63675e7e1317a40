"""The catalogue's columns: kept beside the store, and never another answer than without them."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from musrec.model import Constraints, FeedbackKind, Track
from musrec.service import Service
from musrec.service.upkeep import folder_of
from musrec.settings import Settings
from tests.support.posting import settings
from tests.support.stores import store_of

Picked = list[tuple[str, float, str]]


async def answers(service: Service) -> dict[str, Picked]:
    """Ask for songs in many ways; return what is picked, how high and why."""
    wishes = (
        Constraints(repeats=True),
        Constraints(repeats=True, only_genres=frozenset({"rock"})),
        Constraints(repeats=True, no_moods=frozenset({"sad"})),
    )
    found: dict[str, Picked] = {}
    ids = sorted(track.id for track in service.catalogue.songs.tracks)
    for number, id_ in enumerate(ids[::70]):
        heard = await service.songs.heard(id_)
        member, wish = (None, "ann")[number % 2], wishes[number % 3]
        answer = await service.answers.recommend(
            heard, member=member, constraints=wish, adventurous=0, online=False
        )
        found[id_] = [
            (pick.track.id, round(pick.score, 2), pick.explanation.sentence)
            for pick in answer.picks
        ]
    return found


def agreement(ours: dict[str, Picked], theirs: dict[str, Picked]) -> float:
    """Return the share of picks in common.

    Not all: a recommender that has grown keeps its units and its fit, one that is made anew has
    those of the whole catalogue.
    """
    return float(
        np.mean([len({p[0] for p in ours[q]} & {p[0] for p in theirs[q]}) / 5 for q in ours])
    )


async def prepared(configured: Settings) -> dict[str, Picked]:
    async with Service.open(configured) as service:
        for track in service.catalogue.songs.tracks[:5]:
            await service.members.learn("ann", track.id, FeedbackKind.LIKE)
        return await answers(service)


async def added(service: Service, name: str) -> Track:
    """Keep one song more, as another process would."""
    known = await service.songs.heard(service.catalogue.songs.tracks[0].id)
    assert known is not None
    track = replace(known.track, id=name, title=name, identities={}, isrc=None)
    async with store_of(service) as store:
        return await store.analyses.add(track, replace(known.analysis, digest=name), "file")


async def test_a_restart_writes_nothing_again_and_answers_the_same(
    tmp_path: Path, store_url: str
) -> None:
    configured = settings(tmp_path / "data", url=store_url)
    before = await prepared(configured)
    [manifest] = folder_of(configured).rglob("manifest")
    written = manifest.read_bytes()
    async with Service.open(configured) as service:
        assert await answers(service) == before
        assert manifest.read_bytes() == written
        recommender, count = await service._live.recommender(), len(service.catalogue)
        await added(service, "a new song")
        await service._live.grow()
        assert await service._live.recommender() is recommender, "it grew, and was not made again"
        assert len(service.catalogue) == count + 1
        assert await service.songs.find_one("a new song", online=False)
        grown = await answers(service)
    async with Service.open(configured) as service:
        assert agreement(await answers(service), grown) > 0.9


async def test_a_search_and_a_thumb_need_no_recommender(copied: Settings) -> None:
    async with Service.open(copied) as service:
        [*_, song] = service.catalogue.songs.tracks
        await service.members.learn("ann", song.id, FeedbackKind.LIKE)
        assert service._live._recommender is None
        assert await service._live.recommender()
        assert "ann" in service._live.members


async def test_songs_that_change_or_go_are_taken_in(tmp_path: Path, store_url: str) -> None:
    configured = settings(tmp_path / "data", url=store_url)
    async with Service.open(configured) as service:
        first, second = [track.id for track in service.catalogue.songs.tracks[:2]]
        count = len(service.catalogue)
        other = await service.songs.heard(second)
        assert other is not None
        vector = other.place.vector
        async with store_of(service) as store:
            track = await store.tracks.get(first)
            assert track is not None
            await store.analyses.add(track, replace(other.analysis, digest="new"), "file")
            await store.tracks.add(replace(track, album="An album"))
        await service._live.grow()
        row = service.catalogue.songs.tracks.row_of[first]  # type: ignore[attr-defined]
        np.testing.assert_allclose(service.catalogue.songs.vectors[row], vector, atol=1e-5)
        assert service.catalogue.songs.tracks[row].album == "An album"
        await added(service, "a new song")
        await service._live.grow()
        assert len(service.catalogue) == count + 1
        async with store_of(service) as store:
            await store.tracks.remove("a new song")
        await service.reload()
        assert len(service.catalogue) == count
        assert "a new song" not in {track.id for track in service.catalogue.songs.tracks}
        assert (await service.answers.recommend(other, online=False)).picks
    async with Service.open(configured) as service:
        assert len(service.catalogue) == count


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Picked]]:
    """A store with its columns, and what it answers."""
    folder = tmp_path_factory.mktemp("made") / "data"
    return folder, asyncio.run(prepared(settings(folder)))


@pytest.fixture
def copied(made: tuple[Path, dict[str, Picked]], tmp_path: Path) -> Settings:
    """Settings of a copy of that store."""
    return settings(shutil.copytree(made[0], tmp_path / "data"))


@pytest.mark.parametrize("name", ["key", "slope", "id", "vector", "tag_mean", "manifest"])
async def test_damage_is_computed_again(
    made: tuple[Path, dict[str, Picked]], copied: Settings, name: str
) -> None:
    [file] = folder_of(copied).rglob(name)
    with file.open("r+b") as column:
        column.seek(40)
        column.write(b"\x7f\x07 damaged \xff\xff\xff\xff\xff\xff")
    async with Service.open(copied) as service:
        assert await answers(service) == made[1]


async def test_without_a_place_for_files_the_catalogue_is_in_memory(
    made: tuple[Path, dict[str, Picked]], copied: Settings
) -> None:
    shutil.rmtree(folder_of(copied))
    folder_of(copied).write_text("in the way")
    async with Service.open(copied) as service:
        assert await answers(service) == made[1]
        await added(service, "a new song")
        await service._live.grow()
        assert await service.songs.find_one("a new song", online=False)


async def test_two_that_write_into_the_same_columns_write_each_song_once(
    copied: Settings,
) -> None:
    async with Service.open(copied) as one, Service.open(copied) as other:
        assert len(one.catalogue) == len(other.catalogue)
        await added(one, "theirs")
        await one._live.grow()
        await added(other, "ours")
        await other._live.grow()
        await one._live.grow()
        ids = [track.id for track in one.catalogue.songs.tracks]
        assert len(ids) == len(set(ids)) == len(other.catalogue)
        assert {"theirs", "ours"} <= set(ids)
        assert agreement(await answers(one), await answers(other)) > 0.9
