"""A member's taste, and the blend of two."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from PIL import Image

from musrec.audio.descriptors import DEFINITIONS
from musrec.members import taste
from musrec.model import Catalogue, NotFound, Picture, Profile, Track
from musrec.service import Service
from tests.support.starter import DISLIKE, ids, like, songs

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def size(picture: Picture) -> tuple[int, int]:
    with Image.open(io.BytesIO(picture.png)) as image:
        return image.size


# Taste --------------------------------------------------------------------------------------------


async def test_a_taste_compares_likes_with_all_members(service: Service) -> None:
    liked = songs(service, "metal", 6)
    await like(service, "loud", liked)
    for number, genre in enumerate(("classical", "jazz", "country")):
        await like(service, f"other {number}", songs(service, genre, 5))
    found, picture = await service.members.taste("loud", "Lou")
    assert found.songs == 6
    assert found.against == "everybody"
    assert found.member["intensity"] > found.server["intensity"] + 20
    assert max(found.genres, key=lambda name: found.genres[name]) == "metal"
    assert len(ids(found.signature)) == 3
    assert ids(found.signature) <= ids(liked)
    assert "Lou" in picture.alt
    assert found.likes.endswith(" metal")
    assert set(found.artists) == {track.artists[0] for track in liked}
    assert all(artist in picture.alt for artist in found.artists[:3])
    assert size(picture) == (picture.width, picture.height)
    # A disliked song is no part of it.
    await service.members.learn("loud", liked[0].id, DISLIKE)
    assert (await service.members.taste("loud", "Lou"))[0].songs == 5


async def test_a_taste_is_compared_with_the_server_if_enough_members_like_songs(
    service: Service,
) -> None:
    here = [f"calm {number}" for number in range(3)]
    for member in here:
        await like(service, member, songs(service, "classical", 5))
    await like(service, "harsh", songs(service, "metal", 5))
    for number in range(3):
        await like(service, f"elsewhere {number}", songs(service, "metal", 8))
    everybody = (await service.members.taste("harsh", "Ha"))[0].server
    found, picture = await service.members.taste("harsh", "Ha", among=here)
    assert found.against == "the server"
    assert "in brackets the server" in picture.alt
    alike = (await service.members.taste(here[0], "Ca"))[0].member
    assert found.server == pytest.approx(alike, abs=0.01)
    assert found.server["intensity"] < everybody["intensity"] - 5
    few = (await service.members.taste("harsh", "Ha", among=here[:2]))[0]
    assert (few.against, few.server) == ("everybody", everybody)


async def test_a_member_without_likes_gets_a_sentence_and_no_picture(service: Service) -> None:
    await service.members.learn("grump", service.catalogue.songs.tracks[0].id, DISLIKE)
    for member in ("nobody", "grump"):
        with pytest.raises(NotFound, match="nothing that Ada likes") as raised:
            await service.members.taste(member, "Ada")
        assert raised.value.hint
    await like(service, "some", songs(service, "pop", 1))
    with pytest.raises(NotFound, match="nothing that Bob likes"):
        await service.members.blend(("some", "nobody"), ("Ada", "Bob"))


def of(places: Sequence[float], days: Sequence[int]) -> taste.Liked:
    """Likes that differ in intensity and in how many days ago they came."""
    return taste.Liked(
        tracks=tuple(Track(str(n), f"Song {n}") for n in range(len(places))),
        profiles=tuple(Profile(percentiles={"intensity": place}) for place in places),
        vectors=np.eye(max(len(places), 2), dtype=np.float32)[: len(places)],
        weights=np.ones(len(places), np.float32),
        since=tuple(NOW - timedelta(days=n) for n in days),
    )


@pytest.mark.parametrize(
    ("places", "days", "said"),
    [
        ([10, 12, 14, 80, 82, 84], [1, 2, 3, 40, 50, 60], "this month, calmer than before"),
        ([80, 82, 84, 10, 12, 14], [1, 2, 3, 40, 50, 60], "this month, more intense than before"),
        ([40, 60, 50, 45, 55, 51], [1, 2, 3, 40, 50, 60], "much like those before"),
        ([10, 12, 80, 82, 84], [1, 2, 40, 50, 60], "2 new songs this month"),
        ([10, 12, 14], [1, 2, 3], ""),
        ([10, 12, 14], [41, 42, 43], ""),
    ],
)
async def test_a_change_of_taste_is_mentioned_only_if_it_is_more_than_chance(
    places: list[float], days: list[int], said: str
) -> None:
    sentence = taste.changed(of(places, days), NOW)
    assert said in sentence
    assert bool(sentence) is bool(said)


@pytest.mark.parametrize(
    ("member", "genres", "said"),
    [
        ({"intensity": 88.0}, {"metal": 0.6, "pop": 0.4}, "intense metal"),
        ({"intensity": 12.0, "mood": 15.0}, {"jazz": 1.0}, "calm jazz"),
        ({"intensity": 70.0}, {"metal": 0.6, "pop": 0.4}, "metal and pop"),
        ({"intensity": 95.0}, {}, "intense music"),
        ({}, {"metal": 0.1, "pop": 0.1}, "a bit of everything"),
    ],
)
async def test_a_headline_says_a_word_only_where_the_taste_is_clear(
    member: dict[str, float], genres: dict[str, float], said: str
) -> None:
    assert taste.headline(member, genres) == said


async def test_signature_songs_cover_all_corners_of_a_taste() -> None:
    corners = np.array(
        [[1, 0, 0], [0.99, 0.1, 0], [0, 1, 0], [0.1, 0.99, 0], [0, 0, 1]], np.float32
    )
    liked = replace(of([1, 2, 3, 4, 5], [1] * 5), vectors=corners)
    chosen = {track.id for track in taste.signature(liked)}
    assert len(chosen & {"0", "1"}) == len(chosen & {"2", "3"}) == len(chosen & {"4"}) == 1


# Blends -------------------------------------------------------------------------------------------


async def test_members_who_like_the_same_songs_are_more_alike_than_others(service: Service) -> None:
    members = {
        "same 1": songs(service, "metal", 5),
        "same 2": songs(service, "metal", 5, start=3),
        "unlike": songs(service, "classical", 5),
    }
    for member, tracks in members.items():
        await like(service, member, tracks)
    near, picture = await service.members.blend(("same 1", "same 2"), ("Ann", "Ben"))
    back, _ = await service.members.blend(("same 2", "same 1"), ("Ben", "Ann"))
    far, _ = await service.members.blend(("same 1", "unlike"), ("Ann", "Cy"))
    assert near.alike == back.alike
    assert near.alike > 85
    assert far.alike < 50
    assert (near.verdict, far.verdict) == ("much the same taste", "worlds apart")
    assert all("suits both" in song.suits for song in near.songs[:1])
    assert not any(letter.isdigit() for words in (*near.meet, far.part) for letter in words)
    assert ids(near.both) == ids(members["same 1"]) & ids(members["same 2"])
    assert any("intense" in words for words in near.meet)
    one, other = far.portrait.member, far.portrait.server
    widest = DEFINITIONS[max(one, key=lambda name: abs(one[name] - other[name]))]
    assert widest.lower in far.part
    assert widest.higher in far.part
    assert next(iter(near.genres)) == "metal"
    assert "Ann and Ben" in picture.alt

    known = ids(members["same 1"]) | ids(members["same 2"])
    assert len(near.songs) == 10
    assert not known & ids([song.track for song in near.songs])
    assert len({song.track.artist for song in near.songs}) == 10
    assert min(min(song.ours, song.theirs) for song in near.songs) > 60
    # The member who likes a song less decides: lists for two distant tastes are compromises.
    assert min(near.songs[0].ours, near.songs[0].theirs) > min(
        far.songs[0].ours, far.songs[0].theirs
    )


async def test_a_member_is_entirely_like_themselves(service: Service) -> None:
    await like(service, "me", songs(service, "jazz", 4))
    found, _ = await service.members.blend(("me", "me"), ("Me", "Me"))
    assert found.alike == 100
    assert len(found.both) == 4


async def test_a_blend_recommends_nothing_where_every_song_is_known(service: Service) -> None:
    liked = of([50], [1])
    whole = service.catalogue.songs
    only = replace(whole.tracks[0], id=liked.tracks[0].id)
    catalogue = Catalogue((only,), whole.profiles[:1], np.eye(2, dtype=np.float32)[:1], {})
    assert taste.blend(("a", "b"), liked, liked, catalogue).songs == ()
