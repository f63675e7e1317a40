"""Taste, blends, the map, comparisons, galleries, searching, history; and what goes is gone."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
import sqlalchemy as sa
from PIL import Image

from musrec import space
from musrec.audio.descriptors import DEFINITIONS
from musrec.catalogue import gallery
from musrec.catalogue.atlas import atlas as laid_out
from musrec.catalogue.comparison import compare as compared
from musrec.catalogue.comparison import key_steps
from musrec.catalogue.model import Comparison, SongFilter, tempo_range
from musrec.drops.model import Drop, Schedule
from musrec.members import taste
from musrec.members.model import HistoryFilter
from musrec.members.privacy import AREAS
from musrec.model import (
    Catalogue,
    FeedbackKind,
    Harmony,
    Heard,
    NotFound,
    Picture,
    Profile,
    Rhythm,
    Spectrogram,
    Track,
)
from musrec.recommend import Recommender, Request, Seed
from musrec.service import Service
from musrec.settings import Settings
from musrec.space.place import N_EMBEDDING
from musrec.store import schema
from tests.support.stores import store_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime(2026, 11, 21, tzinfo=UTC)
LIKE, DISLIKE = FeedbackKind.LIKE, FeedbackKind.DISLIKE


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """One service with the songs that come with the package; each test has members of its own."""
    settings = Settings.model_validate({"paths": {"data": tmp_path_factory.mktemp("store")}})
    async with Service.open(settings) as opened:
        yield opened


def songs(service: Service, genre: str, count: int, start: int = 0) -> list[Track]:
    """Songs of a genre; one of each artist first."""
    known: set[str] = set()
    first, rest = [], []
    for track in service.catalogue.songs.tracks:
        if track.genre == genre:
            (rest if track.artist in known else first).append(track)
            known.add(track.artist)
    return [*first, *rest][start : start + count]


async def like(service: Service, member: str, tracks: Sequence[Track]) -> None:
    for track in tracks:
        await service.members.learn(member, track.id, LIKE)


def ids(tracks: Sequence[Track]) -> set[str]:
    return {track.id for track in tracks}


def size(picture: Picture) -> tuple[int, int]:
    with Image.open(io.BytesIO(picture.png)) as image:
        return image.size


# Taste --------------------------------------------------------------------------------------------


async def test_a_taste_is_what_was_liked_against_everybody(service: Service) -> None:
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
    assert all(str(track) in picture.alt for track in found.signature)
    assert size(picture) == (picture.width, picture.height)
    # A thumb down, and a song only played once, are no part of it.
    await service.members.learn("loud", liked[0].id, DISLIKE)
    assert (await service.members.taste("loud", "Lou"))[0].songs == 5


async def test_a_taste_is_seen_against_those_of_ones_server_where_they_are_enough(
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


async def test_nobodys_taste_is_said_and_not_drawn(service: Service) -> None:
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
async def test_a_change_is_spoken_of_only_where_it_is_more_than_chance(
    places: list[float], days: list[int], said: str
) -> None:
    sentence = taste.changed(of(places, days), NOW)
    assert said in sentence
    assert bool(sentence) is bool(said)


async def test_signature_songs_stand_for_all_corners_of_a_taste() -> None:
    corners = np.array(
        [[1, 0, 0], [0.99, 0.1, 0], [0, 1, 0], [0.1, 0.99, 0], [0, 0, 1]], np.float32
    )
    liked = replace(of([1, 2, 3, 4, 5], [1] * 5), vectors=corners)
    chosen = {track.id for track in taste.signature(liked)}
    assert len(chosen & {"0", "1"}) == len(chosen & {"2", "3"}) == len(chosen & {"4"}) == 1


# Blends -------------------------------------------------------------------------------------------


async def test_two_who_like_the_same_are_more_alike_than_two_who_do_not(service: Service) -> None:
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
    # What suits the one who likes it less is what counts: lists of two worlds are compromises.
    assert min(near.songs[0].ours, near.songs[0].theirs) > min(
        far.songs[0].ours, far.songs[0].theirs
    )


async def test_somebody_is_entirely_alike_to_themselves(service: Service) -> None:
    await like(service, "me", songs(service, "jazz", 4))
    found, _ = await service.members.blend(("me", "me"), ("Me", "Me"))
    assert found.alike == 100
    assert len(found.both) == 4


# The map ------------------------------------------------------------------------------------------


async def test_groups_of_the_map_are_named_after_what_is_in_them(service: Service) -> None:
    atlas, picture = await service.members.map()
    assert len(atlas.points) == len(atlas.groups) == len(service.catalogue)
    assert len(set(atlas.names)) == len(atlas.names) >= 6
    hits = 0
    for group, name in enumerate(atlas.names):
        inside = [
            service.catalogue.songs.tracks[row].genre
            for row in np.flatnonzero(atlas.groups == group)
        ]
        hits += max(set(inside), key=inside.count) in name
        assert name in picture.alt
    assert hits >= len(atlas.names) - 1
    again = laid_out(service.catalogue.songs)
    assert again.names == atlas.names
    assert np.array_equal(again.points, atlas.points)


async def test_a_members_songs_are_marked(service: Service) -> None:
    await like(service, "marked", songs(service, "blues", 3))
    await service.members.learn("marked", songs(service, "pop", 1)[0].id, FeedbackKind.PREVIEW)
    _, picture = await service.members.map("marked")
    assert "3 liked by you" in picture.alt


@pytest.mark.parametrize("count", [0, 1, 2, 3])
async def test_catalogues_of_next_to_nothing_are_drawn_too(service: Service, count: int) -> None:
    from musrec import pictures

    whole = service.catalogue.songs
    few = Catalogue(
        whole.tracks[:count],
        whole.profiles[:count],
        np.repeat(whole.vectors[:1], count, axis=0),  # all the same: no direction to draw
        {name: rows[:count] for name, rows in whole.facets.items()},
    )
    atlas = laid_out(few)
    assert atlas.points.shape == (count, 2)
    assert len(atlas.names) == min(count, 1)
    none = np.zeros(count, bool)
    assert pictures.catalogue_map(atlas.points, atlas.groups, atlas.names, none).png
    if count:
        found = taste.blend(("a", "b"), of([50], [1]), of([50], [1]), _narrow(few))
        assert found.songs == ()


def _narrow(catalogue: Catalogue) -> Catalogue:
    """The same with vectors as short as those of `of`, and everything known."""
    tracks = tuple(replace(track, id=str(n)) for n, track in enumerate(catalogue.tracks[:1]))
    return Catalogue(tracks, catalogue.profiles[:1], np.eye(2, dtype=np.float32)[:1], {})


# Comparisons --------------------------------------------------------------------------------------


def heard(service: Service, track: Track) -> Heard:
    starter = space.starter()
    row = next(n for n, one in enumerate(starter.tracks) if one.id == track.id)
    analysis = starter.analyses[row]
    return Heard(track, analysis, space.profile(analysis), service.catalogue.space.place(analysis))


def compare(service: Service, ours: Heard, theirs: Heard) -> Comparison:
    catalogue = service.catalogue.songs
    index = space.Index(catalogue.vectors, fine=catalogue.fine)
    return compared(service.catalogue.space, catalogue, index, ours, theirs)


async def test_what_makes_songs_alike_adds_up_to_how_alike_they_are(service: Service) -> None:
    one, other = songs(service, "metal", 2)
    far = songs(service, "classical", 1)[0]
    pair = (heard(service, one), heard(service, other))
    near = compare(service, *pair)
    apart = compare(service, pair[0], heard(service, far))
    assert near.alike > apart.alike
    assert near.match > apart.match
    for found in (near, apart):
        # Exact but for what every vector of the space has in common, and for float32.
        offset = found.alike - sum(part for _, part in found.because)
        assert abs(offset) < 0.1
    metal = dict(near.because)
    assert metal[max(metal, key=lambda name: metal[name])] > 0.1
    steps = {difference.name: difference.apart for difference in apart.differences}
    assert steps["intensity"] > 2
    assert len({difference.name for difference in near.differences}) == len(near.differences)


async def test_a_song_is_no_different_from_itself(service: Service) -> None:
    song = heard(service, songs(service, "disco", 1)[0])
    found = compare(service, song, song)
    assert found.alike == pytest.approx(1, abs=1e-5)
    assert {difference.apart for difference in found.differences} == {0}
    assert all(feature.ours == feature.theirs for feature in found.features)


async def test_a_comparison_says_what_a_recommendation_says() -> None:
    """Half of the songs have a fine embedding; what is compared may be in the catalogue or not."""
    learned, starter = space.Space.load("full"), space.starter()
    rng = np.random.default_rng(0)
    known = []
    for row, (track, analysis) in enumerate(zip(starter.tracks, starter.analyses, strict=True)):
        embedding = rng.normal(size=N_EMBEDDING).astype(np.float32) if row % 2 else None
        now = replace(analysis, embedding=embedding)
        known.append(Heard(track, now, space.profile(now), learned.place(now)))
    asked, stranger, *inside = known[1], known[0], *known[2:]
    fine = [song.place.fine for song in inside if song.place.fine is not None]
    catalogue = Catalogue(
        tuple(song.track for song in inside),
        tuple(song.profile for song in inside),
        np.stack([song.place.vector for song in inside]),
        {
            name: np.stack([song.place.facets[name] for song in inside])
            for name in asked.place.facets
        },
        np.stack(fine),
    )
    index = space.Index(catalogue.vectors, fine=catalogue.fine)
    seed = Seed(asked.place, asked.track, asked.profile)
    recommender = Recommender(catalogue, (), index.alike)
    picks = recommender.recommend(Request(seeds=(seed,), count=8)).picks
    by_id = {song.track.id: song for song in known}
    comparisons = [
        compared(learned, catalogue, index, asked, by_id[pick.track.id]) for pick in picks
    ]
    assert [found.match for found in comparisons] == [pick.match for pick in picks]
    for pick, found in zip(picks, comparisons, strict=True):
        assert abs(found.alike - sum(part for _, part in found.because)) < 0.1
        copy = replace(by_id[pick.track.id], track=stranger.track)
        strange = compared(learned, catalogue, index, asked, copy)
        assert abs(strange.match - pick.match) <= 1
    same = compared(learned, catalogue, index, asked, asked)
    assert (round(same.alike, 4), same.match) == (1, 100)


@pytest.mark.parametrize(
    ("one", "other", "steps"),
    [
        ("C major", "A minor", 0),
        ("C major", "G major", 1),
        ("F major", "G major", 2),
        ("C major", "F# major", 6),
        ("A minor", "E minor", 1),
        ("D# minor", "F# major", 0),
    ],
)
async def test_keys_are_as_far_apart_as_on_the_circle_of_fifths(
    one: str, other: str, steps: int
) -> None:
    assert key_steps(one, other) == key_steps(other, one) == steps


# Galleries, searching, history --------------------------------------------------------------------


def spectrogram(level: int) -> Spectrogram:
    return Spectrogram(
        mel=np.full((128, 64), level, np.uint8),
        chroma=np.full((12, 64), 128, np.uint8),
        waveform=np.array([[-40], [40]], np.int8).repeat(64, axis=1),
        seconds=10.0,
        fmin=0.0,
        fmax=11025.0,
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def listened(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Service:
    """The service, after twelve of its songs were heard: six fast in A minor, six slow in C."""
    for number, genre in enumerate(("metal", "jazz")):
        for place, track in enumerate(songs(service, genre, 6)):
            analysis = heard(service, track).analysis
            rhythm = Rhythm(90.0 + 60 * number + place, 0.9, None, 0.9, (0.5, 1.0))
            harmony = Harmony(*(("A", "minor"), ("C", "major"))[number], 0.8, 0.0)
            analysis = replace(
                analysis, rhythm=rhythm, harmony=harmony, spectrogram=spectrogram(60 + 10 * place)
            )
            async with store_of(service) as store:
                await store.analyses.add(track, analysis, "file")
    await service.reload()
    return service


async def test_a_gallery_shows_both_ends_of_what_was_heard(listened: Service) -> None:
    rows, picture = await listened.catalogue.gallery()
    assert [len(row.songs) for row in rows] == [4, 4]
    assert {track.genre for track, _, _ in rows[0].songs} == {"metal"}
    assert {track.genre for track, _, _ in rows[1].songs} == {"jazz"}
    assert "intensity" in picture.alt
    rows, _ = await listened.catalogue.gallery("jazz", "low")
    shown = [track.id for row in rows for track, _, _ in row.songs]
    assert len(shown) == len(set(shown)) == 6
    place = {
        t.id: p.percentiles["intensity"]
        for t, p in zip(
            listened.catalogue.songs.tracks, listened.catalogue.songs.profiles, strict=True
        )
    }
    assert [place[id_] for id_ in shown] == sorted(place[id_] for id_ in shown)
    with pytest.raises(NotFound, match="No polka song"):
        await listened.catalogue.gallery("polka")


async def test_songs_are_found_by_how_they_sound(listened: Service) -> None:
    catalogue = listened.catalogue.songs
    profiles = {t.id: p for t, p in zip(catalogue.tracks, catalogue.profiles, strict=True)}
    fast = await listened.catalogue.search(SongFilter(tempo=(140, 160)), 50)
    assert len(fast) == 6
    assert all(140 <= (profiles[t.id].tempo or 0) <= 160 for t in fast)
    minor = await listened.catalogue.search(SongFilter(key="a minor"), 50)
    assert {track.genre for track in minor} == {"metal"}
    calm = await listened.catalogue.search(SongFilter(mood="calm", genre="jazz"), 5)
    places = [profiles[track.id].percentiles["intensity"] for track in calm]
    assert places == sorted(places)
    assert max(places) <= 30
    # As somebody stated it, or as it was heard.
    for track in calm:
        said = profiles[track.id]
        assert track.genre == "jazz" or max(said.genres["jazz"], said.tags["jazz"]) >= 0.35
    mellow = await listened.catalogue.search(SongFilter(mood="mellow"), 5)
    assert all(profiles[track.id].tags["Mellow"] > 0.05 for track in mellow)
    artist = songs(listened, "country", 1)[0].artist
    found = await listened.catalogue.search(SongFilter(artist=artist.upper()), 50)
    assert {track.artist for track in found} == {artist}
    [named, *_] = await listened.catalogue.search(SongFilter(text="boogie nigths", genre="disco"))
    assert named.title == "Boogie Nights"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (SongFilter(genre="polka"), "None of the ... songs I know is polka"),
        (SongFilter(mood="purple"), "no mood called 'purple'"),
        (SongFilter(tempo=(20, 21)), "between 20 and 21 BPM"),
        (SongFilter(text="Boogie Nights", genre="classical"), "No song I know is all of that"),
    ],
)
async def test_a_wish_that_nothing_meets_is_named(
    listened: Service, wanted: SongFilter, said: str
) -> None:
    with pytest.raises(NotFound, match=said) as raised:
        await listened.catalogue.search(wanted)
    assert raised.value.hint


@pytest.mark.parametrize("text", ["", "fast", "-", "120-100", "0", "1e9", "nan", "-5", "10-20-30"])
async def test_what_is_no_tempo_is_said(text: str) -> None:
    with pytest.raises(NotFound, match="no tempo"):
        tempo_range(text)


async def test_tempos_are_read_as_people_write_them() -> None:
    assert tempo_range("100 – 120") == (100, 120)
    low, high = tempo_range("120")
    assert low < 120 < high


@pytest.mark.parametrize(
    ("count", "end", "rows"),
    [(0, "", []), (1, "", [1]), (3, "", [2, 1]), (9, "", [4, 4])]
    + [(n, end, sizes) for n, sizes in ((3, [3]), (6, [4, 2])) for end in ("high", "low")],
)
async def test_rows_of_a_gallery_hold_no_song_twice_and_none_is_empty(
    count: int, end: str, rows: list[int]
) -> None:
    songs = [(Track(str(n), ""), 100.0 - n) for n in range(count)]
    found = gallery.ends(songs, end)
    assert [len(row) for _, row in found] == rows
    shown = [track.id for _, row in found for track, _ in row]
    assert len(set(shown)) == len(shown)
    if shown:
        assert shown[0] == (str(count - 1) if end == "low" else "0")


async def test_history_is_paged_and_narrowed(service: Service) -> None:
    tracks = songs(service, "reggae", 9)
    for number, track in enumerate(tracks):
        at = NOW - timedelta(days=number)
        await service.members.learn("past", track.id, DISLIKE if number % 3 else LIKE, at=at)
        await service.members.learn("past", track.id, FeedbackKind.SKIP, at=at - timedelta(hours=1))
    first = await service.members.history("past", page=0, size=7)
    assert (first.total, first.pages) == (18, 3)
    seen = [
        event
        for page in range(3)
        for event, _ in (await service.members.history("past", page=page, size=7)).events
    ]
    assert [event.at for event in seen] == sorted((event.at for event in seen), reverse=True)
    assert len(seen) == 18
    liked = await service.members.history("past", HistoryFilter(kind="liked"))
    assert [event.kind for event, _ in liked.events] == [LIKE] * 3
    title = tracks[4].title
    named = await service.members.history("past", HistoryFilter(text=title.upper()))
    assert {track.id for _, track in named.events} == {tracks[4].id}
    beyond = await service.members.history("past", page=99, size=7)
    assert beyond.page == 2
    nothing = await service.members.history("nobody")
    assert (nothing.total, nothing.pages, nothing.events) == (0, 1, ())


# What goes is gone --------------------------------------------------------------------------------


async def rows_naming(service: Service, member: str) -> dict[str, int]:
    """Count, in every table of the database, the rows in which a member's id stands anywhere."""
    found = {}
    async with store_of(service) as store, store.database.read() as connection:
        for table in schema.metadata.sorted_tables:
            rows = (await connection.execute(sa.select(table))).all()
            found[table.name] = sum(any(member in str(value) for value in row) for row in rows)
    return {name: count for name, count in found.items() if count}


async def test_a_member_who_leaves_is_nowhere_and_stays_away(service: Service) -> None:
    member, other = "731846209915", "552200117788"
    liked = songs(service, "hiphop", 5)
    await like(service, member, liked)
    await like(service, other, liked[:2])
    one = await service.songs.heard(liked[0].id)
    answer = await service.answers.recommend(one, member=member, online=False)
    await service.answers.keep(answer, member)
    playlist = await service.playlists.create(member, "Mine")
    await service.playlists.add(playlist, ids(liked))
    await service.members.choose(member, listening=True)
    drop = await service.drops.keep(Drop(member, None, Schedule(4, 18, "Europe/Berlin"), NOW))
    week = {"week": "2026-W47", "state": "open", "token": "", "failures": 0}
    async with store_of(service) as store, store.database.write() as connection:
        await connection.execute(
            schema.drop_issues.insert().values(
                id=1, drop_id=drop.id, leased_until=NOW, at=NOW, **week
            )
        )
        await connection.execute(
            schema.drop_posts.insert().values(
                issue_id=1, position=0, part="song", words="", track_id=liked[0].id
            )
        )
    [kept] = (await service.members.about(member))["drops"]
    assert kept["drop_issues"][0]["drop_posts"][0]["track_id"] == liked[0].id
    named = await rows_naming(service, member)
    assert {"members", "feedback", "recommendations", "answers"} < named.keys()
    assert {"playlists", "playlist_songs"} < named.keys()
    # Whatever names the member belongs to an area, so that `/privacy` shows and exports it.
    assert named.keys() <= {area.table for area in AREAS}

    assert await service.members.delete(member)
    assert await rows_naming(service, member) == {}
    async with store_of(service) as store, store.database.read() as connection:
        for table in (schema.drop_issues, schema.drop_posts, schema.playlist_songs):
            assert (await connection.execute(sa.select(table))).all() == []
    recommender = service._live.engine.recommender
    recommender.refit()
    assert member not in recommender._fitted.members
    await service.reload()
    recommender = service._live.engine.recommender
    assert member not in recommender._fitted.members
    assert other in recommender._fitted.members
    assert not recommender._ledger.of(member)
    with pytest.raises(NotFound):
        await service.members.taste(member, "They")
    assert await rows_naming(service, other) != {}


async def test_a_member_takes_everything_along_as_one_file(service: Service) -> None:
    member = "417711229900"
    liked = songs(service, "pop", 4)
    await like(service, member, liked)
    playlist = await service.playlists.create(member, "Zoë's 🎧 =list")
    await service.playlists.add(playlist, [songs(service, "pop", 1)[0].id])
    with zipfile.ZipFile(io.BytesIO(await service.members.export(member, "Zoë"))) as file:
        assert file.testzip() is None
        kept: dict[str, Any] = {
            name: json.loads(file.read(name)) for name in file.namelist() if name.endswith(".json")
        }
        pictures = [name for name in file.namelist() if name.endswith(".png")]
        named = {song["id"]: song["title"] for song in kept.pop("songs.json")}
        assert {Path(name).stem.replace("-", " ") for name in kept} == {a.name for a in AREAS}
        assert named == {track.id: track.title for track in liked}
        assert {row["track_id"] for row in kept["feedback.json"]} == named.keys()
        assert len(kept["feedback.json"]) == 4
        assert kept["playlists.json"][0]["name"] == "Zoë's 🎧 =list"
        assert sorted(pictures) == ["map.png", "taste.png"]
        for name in pictures:
            Image.open(io.BytesIO(file.read(name))).verify()
    with zipfile.ZipFile(io.BytesIO(await service.members.export("nobody", "Nobody"))) as file:
        assert not [name for name in file.namelist() if name.endswith(".png")]
