"""The store keeps what it is given, in real databases, and says clearly when it cannot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine

from musrec.audio.features import STATISTIC_NAMES
from musrec.catalogue.model import FileStamp
from musrec.members.model import Card, Shards
from musrec.model import (
    ANALYSER_VERSION,
    COMPARABLE_VERSION,
    Analysis,
    Answer,
    Explanation,
    Feedback,
    FeedbackKind,
    Harmony,
    Pick,
    Profile,
    Rhythm,
    Served,
    SoundKind,
    Spectrogram,
    StoreError,
    Track,
    track_id,
)
from musrec.store import Store, migrations, schema

NOW = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
LIKE, DISLIKE, PLAY = FeedbackKind.LIKE, FeedbackKind.DISLIKE, FeedbackKind.PLAY


def url(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder / 'musrec.db'}"


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    opened = await Store.open(store_url)
    yield opened
    await opened.close()


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(url(tmp_path))
    yield opened
    await opened.close()


def song(number: int, **fields: Any) -> Track:
    identities = {"isrc": f"XX000000000{number}"}
    track = Track(track_id("isrc", identities["isrc"]), f"Song {number}", ("Somebody",))
    return replace(track, identities=identities, **fields)


def heard(seed: int = 0) -> Analysis:
    random = np.random.default_rng(seed)
    picture = Spectrogram(
        mel=random.integers(0, 256, (128, 400), np.uint8),
        chroma=random.integers(0, 256, (12, 400), np.uint8),
        waveform=random.integers(-127, 128, (2, 400), np.int8),
        seconds=30.0,
        fmin=0.0,
        fmax=11025.0,
    )
    return Analysis(
        version=ANALYSER_VERSION,
        digest=f"{seed:064x}",
        seconds=29.98,
        kind=SoundKind.MUSIC,
        statistics=random.normal(size=len(STATISTIC_NAMES)).astype(np.float32),
        tag_mean=random.random(50, np.float32),
        tag_std=random.random(50, np.float32),
        taggram=random.random((9, 50), np.float32),
        mtt_mean=random.random(50, np.float32),
        embedding=random.random(200, np.float32),
        rhythm=Rhythm(92.3, 0.8, 184.6, 0.9, (0.1, 0.75, 1.4)),
        harmony=Harmony("F#", "minor", 0.6, -12.0),
        loudness=-13.2,
        descriptors={"brightness": 1234.5},
        spectrogram=picture,
    )


async def listing(store: Store, *but_not: str) -> list[tuple[Track, Analysis]]:
    """Return every song that a catalogue is made of."""
    return await store.analyses.some([id_ for id_, _ in await store.analyses.changed(-1, but_not)])


async def test_an_analysis_comes_back_as_it_went_in(store: Store) -> None:
    analysis = heard()
    track = await store.analyses.add(song(1), analysis, "file")
    back = await store.analyses.get(track.id)
    assert back is not None
    assert back.spectrogram is not None
    assert analysis.spectrogram is not None
    assert back.taggram is not None
    assert analysis.taggram is not None
    np.testing.assert_array_equal(back.statistics, analysis.statistics)
    np.testing.assert_array_equal(back.spectrogram.mel, analysis.spectrogram.mel)
    np.testing.assert_array_equal(back.spectrogram.waveform, analysis.spectrogram.waveform)
    np.testing.assert_allclose(back.taggram, analysis.taggram, atol=1e-3)
    assert (back.rhythm, back.harmony, back.loudness) == (
        analysis.rhythm,
        analysis.harmony,
        analysis.loudness,
    )
    [(listed, light)] = await listing(store)
    assert listed == track
    assert light.spectrogram is None
    np.testing.assert_array_equal(light.tag_mean, analysis.tag_mean)
    np.testing.assert_array_equal(light.mtt_mean, analysis.mtt_mean)
    assert await store.analyses.by_digest(analysis.digest) is not None


async def test_text_that_no_database_stores_is_kept_without_what_is_wrong(store: Store) -> None:
    kept = await store.tracks.add(song(1, title="One\0two\udcff", album="\0"))
    again = await store.tracks.get(kept.id)
    assert again is not None
    assert (again.title, again.album) == ("One\ufffdtwo\ufffd", "\ufffd")
    assert await store.feedback.add(Feedback("ann\0", kept.id, LIKE, NOW), "A\0n")
    assert await store.feedback.opinion("ann\0", kept.id) is LIKE
    assert await store.tracks.identified("isrc", "\0") is None


async def test_two_that_share_an_identity_are_one_recording(store: Store) -> None:
    first = await store.tracks.add(song(1, provenance={"title": "file"}))
    late = song(1, album="An album", title="Song 1 (Remastered)", provenance={"album": "deezer"})
    late = replace(late, id="other", identities={**late.identities, "deezer": "7"})
    both = await store.tracks.add(late)
    assert both.id == first.id
    assert (both.title, both.album) == ("Song 1", "An album")
    assert both.provenance == {"title": "file", "album": "deezer"}
    assert await store.tracks.identified("deezer", "7") == both


async def test_an_opinion_is_kept_once_replaced_and_taken_back(store: Store) -> None:
    track = (await store.tracks.add(song(1))).id
    assert await store.feedback.add(Feedback("ann", track, LIKE, NOW))
    assert not await store.feedback.add(Feedback("ann", track, LIKE, NOW + timedelta(hours=1)))
    assert await store.feedback.add(Feedback("ann", track, DISLIKE, NOW + timedelta(hours=2)))
    assert await store.feedback.opinion("ann", track) is DISLIKE
    assert not await store.feedback.remove("ann", track, LIKE)
    assert await store.feedback.remove("ann", track, DISLIKE)
    assert await store.feedback.opinion("ann", track) is None
    for minute in range(3):
        assert await store.feedback.add(
            Feedback("ann", track, PLAY, NOW + timedelta(minutes=minute))
        )
    events = await store.feedback.events("ann")
    assert [event.kind for event in events] == [PLAY] * 3
    assert events[0].at == NOW


async def test_what_was_liked_last_comes_first_and_once(store: Store) -> None:
    first, second = [(await store.tracks.add(song(number))).id for number in (1, 2)]
    for minute, (member, track) in enumerate(
        [("ann", first), ("ann", second), ("ben", first), ("ben", second)]
    ):
        kind = DISLIKE if (member, track) == ("ben", second) else LIKE
        await store.feedback.add(Feedback(member, track, kind, NOW + timedelta(minutes=minute)))
    assert [track.id for track in await store.feedback.liked_lately(5)] == [first, second]


async def test_songs_and_feedback_are_counted_by_the_day_in_utc(store: Store) -> None:
    first = await store.analyses.add(song(1), heard(1), "file")
    await store.analyses.add(song(2), heard(2), "upload")
    midnight = datetime(2026, 10, 25, tzinfo=UTC)
    for member, minutes in (("ada", -1), ("bob", 0), ("cy", 24 * 60 - 1), ("di", -3_000)):
        at = midnight + timedelta(minutes=minutes)
        await store.feedback.add(Feedback(member, first.id, LIKE, at))
        await store.feedback.add(Feedback(member, first.id, PLAY, at))
    counted = await store.feedback.by_day(midnight - timedelta(days=1))
    saturday, sunday = (midnight - timedelta(days=1)).date(), midnight.date()
    assert counted == {saturday: {LIKE: 1, PLAY: 1}, sunday: {LIKE: 2, PLAY: 2}}
    added = await store.analyses.added_by_day(datetime.now(UTC) - timedelta(days=1))
    assert list(added.values()) == [1]


async def test_thumbs_from_two_processes_at_once_all_arrive(store_url: str) -> None:
    stores = [await Store.open(store_url) for _ in range(2)]
    ids = [(await stores[0].tracks.add(song(number))).id for number in range(5)]
    await asyncio.gather(
        *(
            stores[number % 2].feedback.add(Feedback(f"member {number}", track, LIKE, NOW))
            for number in range(40)
            for track in ids
        )
    )
    kept = await stores[0].feedback.events()
    for opened in stores:
        await opened.close()
    assert len(kept) == 200


def answer(track: Track, id_: str = "an answer") -> Answer:
    pick = Pick(track, 0.5, None, (), Explanation("It sounds alike."), Profile())
    return Answer(None, None, None, (pick,), id=id_)


async def test_an_answer_and_what_it_recommended_are_kept_together_or_not_at_all(
    store: Store,
) -> None:
    known, unknown = await store.tracks.add(song(1)), song(2)
    since = await store.members.meet("ann")
    with pytest.raises(IntegrityError):
        await store.answers.keep(answer(unknown), NOW, member="ann", since=since)
    assert await store.answers.get("an answer") is None
    assert await store.answers.keep(answer(known), NOW, member="ann", since=since)
    assert await store.answers.get("an answer") == answer(known)
    assert not await store.answers.keep(answer(known, "b"), NOW, member="ann", since=NOW)
    assert (await store.members.personal("ann"))["answers"][0]["id"] == "an answer"


async def test_a_playlist_and_its_first_song_are_made_together_or_not_at_all(
    store: Store,
) -> None:
    known, unknown = await store.tracks.add(song(1)), song(2)
    with pytest.raises(IntegrityError):
        await store.playlists.create("ann", "Late", "late", 10, unknown.id)
    assert await store.playlists.of_member("ann") == []
    made = await store.playlists.create("ann", "Late", "late", 10, known.id)
    assert made is not None
    assert await store.playlists.of_member("ann") == [made]
    assert await store.playlists.songs(made.id) == [known]


async def test_a_pressed_thumb_and_its_count_are_kept_together_or_not_at_all(
    store: Store,
) -> None:
    track = await store.tracks.add(song(1))
    await store.cards.keep(Card("a message", "a channel", track.id, NOW))
    with pytest.raises(IntegrityError):
        await store.cards.pressed("a message", Feedback("ann", song(2).id, LIKE, NOW))
    assert await store.members.get("ann") is None
    assert await store.cards.pressed("a message", Feedback("ann", track.id, LIKE, NOW))
    assert not await store.cards.pressed("a message", Feedback("ann", track.id, LIKE, NOW))
    assert await store.cards.pressed("no card", Feedback("ben", track.id, LIKE, NOW))
    assert await store.cards.thumbs("a message") == {LIKE: 1}
    assert {event.member for event in await store.feedback.events()} == {"ann", "ben"}


async def test_cards_are_divided_among_the_processes_of_shards(store: Store) -> None:
    track = await store.tracks.add(song(1))
    guilds = [str((1_000_003 * number << 22) + number) for number in range(12)]
    for name in (*guilds, None):
        await store.cards.keep(Card(f"in {name}", "a channel", track.id, NOW, guild=name))
        await store.cards.intend("a channel", "1", NOW, name)
    before, after = NOW - timedelta(days=1), NOW + timedelta(days=1)
    read: list[set[str]] = []
    for own in ((0, 1), (2,), (3, 4)):
        shards = Shards(own, 5)
        cards = await store.cards.unread(after, after, before, 100, shards)
        intended = await store.cards.intended(shards)
        assert {card.guild for card in cards} == {one.guild for one in intended}
        assert {(int(card.guild or 0) >> 22) % 5 for card in cards} <= {*own}
        read.append({card.message for card in cards})
    assert "in None" in read[0], "direct messages come to shard 0"
    assert sum(map(len, read)) == len(set.union(*read)) == 13
    assert len(await store.cards.unread(after, after, before, 100)) == 13
    # What was read back of a card says nothing of its server; that stays.
    await store.cards.keep(Card(f"in {guilds[0]}", "a channel", track.id, NOW))
    kept = await store.cards.get(f"in {guilds[0]}")
    assert kept is not None
    assert kept.guild == guilds[0]


async def test_deleting_a_member_leaves_nothing_of_them(store: Store) -> None:
    track = await store.tracks.add(song(1))
    await store.feedback.add(Feedback("ann-4711", track.id, LIKE, NOW))
    since = await store.members.meet("ann-4711")
    await store.answers.keep(answer(track), NOW, member="ann-4711", since=since)
    found = await store.answers.recommended("ann-4711", NOW - timedelta(days=1))
    assert found == {track.id: NOW}
    assert await store.members.delete("ann-4711")
    async with store.database.read() as connection:
        for table in schema.metadata.sorted_tables:
            rows = (await connection.execute(sa.select(table))).fetchall()
            assert "ann-4711" not in repr(rows), table.name


async def test_no_file_holds_a_byte_of_who_was_deleted(sqlite: Store, tmp_path: Path) -> None:
    store = sqlite
    track = (await store.tracks.add(song(1))).id
    for _ in range(50):
        await store.feedback.add(Feedback("ann-4711", track, FeedbackKind.PLAY, NOW))
    await store.playlists.create("ann-4711", "Between us", "between us", 100)

    def written() -> bytes:
        return b"".join(file.read_bytes() for file in tmp_path.glob("musrec.db*"))

    assert b"ann-4711" in written()
    assert b"Between us" in written()
    await store.members.delete("ann-4711")
    assert await store.database.empty_log()
    assert b"ann-4711" not in written()
    assert b"Between us" not in written()
    assert song(1).title.encode() in written()


async def test_what_chose_a_song_is_kept_where_it_is_known(store: Store) -> None:
    first, second = [await store.tracks.add(song(number)) for number in (1, 2)]
    later = NOW + timedelta(hours=1)
    ann, ben = [await store.members.meet(member) for member in ("ann", "ben")]
    keep = store.answers.keep
    await keep(answer(second, "a"), later, member="ann", since=ann, arm="by sound")
    await keep(answer(first, "b"), NOW, member="ann", since=ann, arm="balanced")
    await keep(answer(first, "c"), NOW, member="ben", since=ben)
    assert await store.answers.served() == [
        Served("ann", first.id, "balanced", NOW),
        Served("ann", second.id, "by sound", later),
    ]
    await store.members.delete("ann")
    assert await store.answers.served() == []


async def test_a_file_is_known_until_it_changes(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "a.mp3"
    file.write_bytes(b"one")
    await store.analyses.add(song(1), heard(), "file", FileStamp.of(file))
    assert await store.files.known([FileStamp.of(file)])
    file.write_bytes(b"another")
    assert not await store.files.known([FileStamp.of(file)])


async def test_what_an_older_analyser_heard_is_used_until_it_is_heard_again(
    store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "a.mp3"
    file.write_bytes(b"one")
    old = replace(heard(1), version=COMPARABLE_VERSION)
    track = await store.analyses.add(song(1), old, "file", FileStamp.of(file))
    await store.analyses.add(song(2), replace(heard(2), version=COMPARABLE_VERSION), "upload")
    assert [kept for kept, _ in await listing(store, "upload")] == [track]
    assert not await store.files.known([FileStamp.of(file)]), "it is heard again"
    assert await store.analyses.by_digest(old.digest) is None, "so are the same bytes"
    assert await store.analyses.outdated(None) == [(track.id, "file")], "clips are not kept"
    await store.analyses.add(track, heard(1), "file", FileStamp.of(file))
    assert await store.analyses.outdated(None) == []


async def test_what_cannot_be_compared_is_as_good_as_not_there(
    store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "a.mp3"
    file.write_bytes(b"one")
    old = replace(heard(), version=COMPARABLE_VERSION - 1)
    track = await store.analyses.add(song(1), old, "file", FileStamp.of(file))
    assert await store.tracks.get(track.id) == track
    assert await listing(store) == []
    assert await store.analyses.get(track.id) is None
    assert await store.analyses.by_digest(old.digest) is None
    assert not await store.files.known([FileStamp.of(file)])
    await store.analyses.add_starter([(track, heard())])
    assert len(await listing(store)) == 1


async def test_a_starter_never_replaces_what_was_really_heard(store: Store) -> None:
    await store.analyses.add(song(1), heard(1), "file")
    await store.analyses.add_starter([(song(1), heard(2)), (song(2), heard(3))])
    await store.analyses.add_starter([(song(2), heard(4))])
    kept = {track.title: analysis.digest for track, analysis in await listing(store)}
    assert kept == {"Song 1": heard(1).digest, "Song 2": heard(4).digest}


async def test_remembered_answers_expire(store: Store) -> None:
    await store.lookups.put("deezer:1", "{}", 60)
    await store.lookups.put("deezer:2", "{}", -1)
    assert await store.lookups.get("deezer:1") == "{}"
    assert await store.lookups.get("deezer:2") is None


async def test_migrations_build_exactly_the_schema(store: Store) -> None:
    async with store.database.read() as connection:
        assert await connection.run_sync(_differences) == []
        newest = await connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    assert newest == schema.HEAD


VERSIONS = sorted(
    file.name[:4] for file in Path(migrations.__file__).parent.glob("versions/[0-9]*.py")
)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_store_of_any_version_is_brought_up_to_date_with_what_it_holds(
    version: str, empty_url: str
) -> None:
    engine = create_async_engine(empty_url)
    async with engine.begin() as connection:
        await connection.run_sync(_as_version, version)
    await engine.dispose()
    store = await Store.open(empty_url)
    assert (await store.tracks.get("old")) is not None
    assert [event.kind for event in await store.feedback.events("ann")] == [LIKE]
    track = await store.analyses.add(song(1), heard(), "file")
    assert await store.feedback.add(Feedback("ann", track.id, LIKE, NOW))
    async with store.database.read() as connection:
        assert await connection.run_sync(_differences) == []
    await store.close()


def _as_version(connection: sa.Connection, version: str) -> None:
    """Make the tables as they were then, with a song and a thumb in them."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "musrec.store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, version)
    for statement in (
        (
            "INSERT INTO tracks (id, title, artists, links, provenance, added_at) "
            "VALUES ('old', 'An old song', '[\"Somebody\"]', '{}', '{}', '2026-01-01 00:00:00')"
        ),
        (
            "INSERT INTO members (id, listening, paused, since) "
            "VALUES ('ann', false, false, '2026-01-01 00:00:00')"
        ),
        (
            "INSERT INTO feedback (member_id, track_id, kind, at) "
            "VALUES ('ann', 'old', 'like', '2026-01-01 00:00:00')"
        ),
    ):
        connection.exec_driver_sql(statement)


def _differences(connection: sa.Connection) -> list[object]:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    found: list[object] = compare_metadata(MigrationContext.configure(connection), schema.metadata)
    return found


async def test_a_store_from_a_newer_version_is_left_alone(store_url: str) -> None:
    store = await Store.open(store_url)
    async with store.database.write() as connection:
        await connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    await store.close()
    with pytest.raises(StoreError, match="newer version"):
        await Store.open(store_url)


async def test_a_damaged_file_and_a_forbidden_folder_are_said(tmp_path: Path) -> None:
    (tmp_path / "musrec.db").write_bytes(b"certainly no database" * 500)
    with pytest.raises(StoreError, match="damaged") as caught:
        await Store.open(url(tmp_path))
    assert caught.value.hint
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be made"):
        await Store.open(url(tmp_path / "file" / "below"))


async def test_a_full_disk_loses_nothing_and_says_so(sqlite: Store) -> None:
    store = sqlite
    await store.analyses.add(song(1), heard(1), "file")
    async with store.database.read() as connection:
        pages = await connection.scalar(sa.text("PRAGMA page_count"))
        # A database that may not grow is what a full disk looks like to SQLite.
        await connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    kept = 1
    with pytest.raises(StoreError, match="no room left"):  # noqa: PT012 - one of them will not fit
        for number in range(2, 9):
            await store.analyses.add(song(number), heard(number), "file")
            kept += 1
    songs = await listing(store)
    assert len(songs) == kept
    assert all([await store.analyses.get(track.id) for track, _ in songs])
