"""A store opens with damaged rows in it, says so, and its files are their owner's alone."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from musrec.drops.model import Drop, Schedule
from musrec.model import FeedbackKind
from musrec.service import Service
from tests.support.posting import MONDAY, Channel, Clock, likes, settings

DAMAGE = (
    ("feedback", "UPDATE feedback SET kind = 'adored' WHERE id = 1"),
    ("feedback", "UPDATE feedback SET at = 'yesterday' WHERE id = 1"),
    ("analyses", "UPDATE analyses SET statistics = x'00ff' WHERE track_id = :song"),
    ("analyses", "UPDATE analyses SET statistics = zeroblob(16) WHERE track_id = :song"),
    ("analyses", "UPDATE analyses SET tag_mean = :infinite WHERE track_id = :song"),
    ("analyses", "UPDATE analyses SET facts = '{' WHERE track_id = :song"),
    ("analyses", "UPDATE analyses SET kind = 'noise of the spheres' WHERE track_id = :song"),
    ("tracks", "UPDATE tracks SET artists = 'not JSON' WHERE id = :song"),
    ("recommendations", "UPDATE recommendations SET at = 'soon'"),
)


async def prepare(folder: Path) -> str:
    """Keep the starter songs, two thumbs and an answer; return a song's id."""
    async with Service.open(settings(folder)) as service:
        await likes(service, "ann", 3)
        await likes(service, "bob", 4)
        heard = await service.songs.heard(service.catalogue.songs.tracks[5].id)
        await service.answers.recommend(heard, member="ann", online=False, count=1)
        return service.catalogue.songs.tracks[7].id


def damage(folder: Path, statement: str, song: str) -> None:
    database = sqlite3.connect(folder / "musrec.db")
    length = database.execute("SELECT max(length(tag_mean)) FROM analyses").fetchone()[0] or 4
    infinite = b"\xff" * length
    values = {"song": song, "infinite": infinite}
    # As if it had been heard here: what was shipped is written again.
    database.execute("UPDATE analyses SET origin = 'file' WHERE track_id = :song", values)
    assert database.execute(statement, values).rowcount
    database.commit()
    database.close()
    # As if it had been damaged before the catalogue's columns were made of it.
    shutil.rmtree(folder / "musrec.db.blocks")


@pytest.mark.parametrize(("table", "statement"), DAMAGE, ids=[one[1][7:45] for one in DAMAGE])
async def test_a_damaged_row_is_set_aside_and_everything_else_is_there(
    tmp_path: Path, table: str, statement: str
) -> None:
    song = await prepare(tmp_path)
    damage(tmp_path, statement, song)
    async with Service.open(settings(tmp_path)) as service:
        assert len(service.catalogue.songs) > 100
        assert [event.kind for event in await service.members.feedback("bob")] == [
            FeedbackKind.LIKE
        ]
        heard = await service.songs.heard(service.catalogue.songs.tracks[5].id)
        assert (await service.answers.recommend(heard, member="ann", online=False)).picks
        assert service.set_aside[table] == 1


async def test_a_sound_store_has_nothing_to_set_aside(tmp_path: Path) -> None:
    await prepare(tmp_path)
    async with Service.open(settings(tmp_path)) as service:
        assert not service.set_aside


@pytest.mark.parametrize("change", ["zone = 'Europe/Atlantis'", "wake_at = '0000'"])
async def test_a_damaged_drop_holds_up_no_other(tmp_path: Path, change: str) -> None:
    async with Service.open(settings(tmp_path)) as service:
        for number, member in enumerate(("ann", "bob")):
            await likes(service, member, 3 + number)
            schedule = Schedule(2, 18, "Europe/Berlin")
            await service.drops.keep(Drop(member, None, schedule, MONDAY, size=1))
        database = sqlite3.connect(tmp_path / "musrec.db")
        database.execute(f"UPDATE drops SET {change} WHERE member_id = 'ann'")
        database.commit()
        database.close()
        channel = Channel(tmp_path / "channel")
        assert await service.drops.tick(channel, Clock().forward(days=3)) == 1
        assert service.set_aside == {"drops": 1}


async def test_its_folder_and_files_are_their_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with Service.open(settings(folder, starter=False)):
        assert folder.stat().st_mode & 0o777 == 0o700
        files = list(folder.glob("musrec.db*"))
        assert len(files) > 1  # the log is beside it
        rights = {file.is_dir(): file.stat().st_mode & 0o777 for file in files}
        assert rights == {False: 0o600, True: 0o700}
