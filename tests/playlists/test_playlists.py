"""Playlists: names that harm nothing, and what comes next in a list."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from musrec.model import FeedbackKind, MusrecError, NotFound, Track
from musrec.playlists.continuation import MOST_SEEDS, PER_ARTIST, spread
from musrec.playlists.export import safe_file_name
from musrec.playlists.model import FORMATS, MOST_PLAYLISTS, PlaylistError
from musrec.playlists.names import clean_name
from musrec.service import Service
from musrec.store import schema
from tests.support.stores import store_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


# Names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("  Late   night ", "Late night"),
        ("road\ntrip\t\x00 2026", "road trip 2026"),
        ("@everyone", "@everyone"),
        ("👩‍🎤 set", "👩‍🎤 set"),
        ("🔥", "🔥"),
        ("\u202egnp.exe\u202c", "gnp.exe"),
        ("e\u0301te\u0301", "été"),
        ("=HYPERLINK(1)", "=HYPERLINK(1)"),
    ],
)
async def test_a_name_is_one_visible_line(typed: str, name: str) -> None:
    assert clean_name(typed) == name


@pytest.mark.parametrize("typed", ["", "   ", "\u200b\u200d", "\n\t", "\u202e", "x" * 81])
async def test_an_invisible_or_too_long_name_is_refused(typed: str) -> None:
    with pytest.raises(PlaylistError) as raised:
        clean_name(typed)
    assert raised.value.hint


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("Été à Paris!", "ete-a-paris.csv"),
        ("../../etc/passwd", "etc-passwd.csv"),
        ("CON", "playlist-con.csv"),
        ("🔥🔥", "playlist.csv"),
        ("..", "playlist.csv"),
        ("a" * 80, "a" * 60 + ".csv"),
    ],
)
async def test_a_file_name_is_safe_on_every_system(name: str, file: str) -> None:
    assert safe_file_name(name, "csv") == file


async def test_names_that_look_alike_are_one_playlist(service: Service) -> None:
    made = await service.playlists.create("names", "Ｌate Night")
    with pytest.raises(PlaylistError, match="already"):
        await service.playlists.create("names", "late  night")
    assert (await service.playlists.named("names", "LATE NIGHT")).id == made.id
    await service.playlists.create("other", "late night")  # another member's is another playlist
    with pytest.raises(NotFound, match="no playlist called dawn") as raised:
        await service.playlists.named("names", "dawn")
    assert "Ｌate Night" in raised.value.hint
    with pytest.raises(NotFound, match="no playlist yet"):
        await service.playlists.named("nobody", "dawn")


async def test_invisible_characters_in_a_name_do_not_hide_its_playlist(service: Service) -> None:
    for typed in ("\u202egnp.exe", "two\nlines", "👩‍🎤\u200b set"):
        made = await service.playlists.create("sly", typed)
        assert (await service.playlists.named("sly", typed)).id == made.id
        assert (await service.playlists.named("sly", made.name)).id == made.id


# Size ---------------------------------------------------------------------------------------------


async def test_forty_playlists_fit_and_the_limit_holds(service: Service) -> None:
    for number in range(40):
        await service.playlists.create("maker", f"list {number:03d}")
    kept = await service.playlists.of("maker")
    assert [playlist.name for playlist in kept] == [f"list {n:03d}" for n in range(40)]
    for number in range(40, MOST_PLAYLISTS):
        await service.playlists.create("maker", f"list {number:03d}")
    with pytest.raises(PlaylistError, match="that is the limit"):
        await service.playlists.create("maker", "one more")
    assert len(await service.playlists.of("maker")) == MOST_PLAYLISTS


async def test_five_thousand_songs_keep_their_order_and_can_be_removed(
    service: Service,
) -> None:
    known = [track.id for track in service.catalogue.songs.tracks[:20]]
    ids = [*known, *(f"many{n:06d}" for n in range(4980))]
    empty = {"artists": ["A"], "links": {}, "provenance": {}, "added_at": datetime.now(UTC)}
    async with store_of(service) as store, store.database.write() as connection:
        await connection.execute(
            schema.tracks.insert(), [{"id": id_, "title": id_, **empty} for id_ in ids[20:]]
        )
    playlist = await service.playlists.create("hoarder", "everything")
    assert await service.playlists.add(playlist, [*ids, *ids[:7]]) == 5000
    assert await service.playlists.add(playlist, ids[:3]) == 0
    playlist = await service.playlists.named("hoarder", "everything")
    assert playlist.songs == 5000
    kept = [track.id for track in await service.playlists.songs(playlist)]
    assert kept == ids
    for how in FORMATS:
        assert (await service.playlists.export(playlist, how)).data.count(b"\n") < 70_000
    assert (await service.playlists.remove_song(playlist, ids[2500])).id == ids[2500]
    with pytest.raises(NotFound):
        await service.playlists.remove_song(playlist, ids[2500])
    assert (await service.playlists.named("hoarder", "everything")).songs == 4999
    async with store_of(service) as store:
        assert await store.playlists.add(playlist, [ids[2500]], 4999) == 0


# What comes next ----------------------------------------------------------------------------------


async def test_a_playlist_is_continued_in_its_own_vein(service: Service) -> None:
    catalogue = service.catalogue.songs
    metal = [track for track in catalogue.tracks if track.genre == "metal"][:12]
    playlist = await service.playlists.create("metalhead", "loud")
    await service.playlists.add(playlist, [track.id for track in metal])
    playlist = await service.playlists.named("metalhead", "loud")
    answer = await service.playlists.continued(playlist, count=10)
    picked = [pick.track for pick in answer.picks]
    assert len(picked) == 10
    assert not {track.id for track in metal} & {track.id for track in picked}
    assert sum(track.genre in ("metal", "rock") for track in picked) >= 8
    artists = [track.artist for track in picked]
    assert max(artists.count(artist) for artist in artists) <= PER_ARTIST
    for pick in answer.picks:
        assert pick.score == pytest.approx(sum(term.value for term in pick.terms))
        assert pick.explanation.sentence
    again = await service.playlists.continued(playlist, count=10)
    assert not {t.id for t in picked} & {p.track.id for p in again.picks}


async def test_an_empty_playlist_has_nothing_to_go_on(service: Service) -> None:
    playlist = await service.playlists.create("blank", "empty")
    with pytest.raises(NotFound, match="heard no song of empty"):
        await service.playlists.continued(playlist)
    for how in FORMATS:
        with pytest.raises(NotFound, match="nothing in empty yet"):
            await service.playlists.export(playlist, how)


async def test_nothing_is_kept_of_members_who_paused(service: Service) -> None:
    playlist = await service.playlists.create("quiet", "before")
    await service.members.choose("quiet", paused=True)
    with pytest.raises(MusrecError, match="keep nothing new"):
        await service.playlists.create("quiet", "after")
    with pytest.raises(MusrecError, match="keep nothing new"):
        await service.playlists.add(playlist, [service.catalogue.songs.tracks[0].id])
    with pytest.raises(MusrecError, match="keep nothing new"):
        await service.drops.wish("quiet", size=3)
    assert await service.drops.of_member("quiet") is None
    # What was there stays theirs to read and to throw away.
    assert await service.playlists.songs(playlist) == []
    assert await service.playlists.delete(playlist)


async def test_songs_stay_when_feedback_is_taken_back(service: Service) -> None:
    track = service.catalogue.songs.tracks[3].id
    playlist = await service.playlists.create("fickle", "kept")
    await service.playlists.add(playlist, [track])
    await service.members.learn("fickle", track, FeedbackKind.LIKE)
    await service.members.forget("fickle", track, FeedbackKind.LIKE)
    assert [t.id for t in await service.playlists.songs(playlist)] == [track]


@pytest.mark.parametrize(("count", "last"), [(3, 3), (40, 40), (41, 41), (5000, 5000)])
async def test_seeds_come_from_the_whole_list(count: int, last: int) -> None:
    chosen = [int(t.id) for t in spread([Track(str(n), "") for n in range(1, count + 1)])]
    assert len(chosen) == len(set(chosen)) == min(count, MOST_SEEDS)
    assert chosen == sorted(chosen)
    assert chosen[-1] == last
    assert chosen[0] <= -(-count // MOST_SEEDS)
