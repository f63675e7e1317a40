"""Backups are whole, are made while the store is in use, and overwrite nothing."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from musrec.model import Feedback, FeedbackKind, StoreError
from musrec.service import Service
from musrec.store import Store
from tests.support.posting import settings
from tests.support.store_processes import SONG

NOW = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
LIKE = Feedback("ann", SONG.id, FeedbackKind.LIKE, NOW)


async def kept(folder: Path) -> Store:
    """Open a store with a thumb in it; the thumb stands in the log."""
    store = await Store.open(settings(folder).store_url)
    await store.tracks.add(SONG)
    await store.feedback.add(LIKE)
    return store


async def test_a_backup_of_a_store_in_use_comes_back_whole(tmp_path: Path) -> None:
    file = tmp_path / "backup.db"
    store = await kept(tmp_path / "old")
    async with store.database.write():  # another task is writing
        await Service.backup(settings(tmp_path / "old"), file)
    await store.close()
    assert file.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["backup.db"]
    await Service.restore(settings(tmp_path / "new"), file)
    restored = await Store.open(settings(tmp_path / "new").store_url)
    assert await restored.feedback.events() == [LIKE]
    await restored.close()


async def test_nothing_is_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "backup.db"
    store = await kept(tmp_path / "data")
    await store.close()
    await Service.backup(settings(tmp_path / "data"), file)
    before = file.read_bytes()
    with pytest.raises(StoreError, match="exists already"):
        await Service.backup(settings(tmp_path / "data"), file)
    assert file.read_bytes() == before
    with pytest.raises(StoreError, match="exists already"):
        await Service.restore(settings(tmp_path / "data"), file)
    with pytest.raises(StoreError, match="no database"):
        await Service.backup(settings(tmp_path / "nowhere"), tmp_path / "other.db")
    assert not (tmp_path / "other.db").exists()


@pytest.mark.parametrize("what", ["text", "another's", "newer", "cut off", "missing"])
async def test_a_file_that_is_no_sound_backup_is_refused(tmp_path: Path, what: str) -> None:
    file = tmp_path / "backup.db"
    if what == "text":
        file.write_text("certainly no database" * 500)
    elif what == "another's":
        with sqlite3.connect(file) as database:
            database.execute("CREATE TABLE songs (title TEXT)")
    elif what in ("newer", "cut off"):
        store = await kept(tmp_path / "data")
        await store.close()
        await Service.backup(settings(tmp_path / "data"), file)
        if what == "newer":
            with sqlite3.connect(file) as database:
                database.execute("UPDATE alembic_version SET version_num = '9999'")
        else:
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(StoreError) as caught:
        await Service.restore(settings(tmp_path / "new"), file)
    assert caught.value.hint
    assert not list((tmp_path / "new").glob("*"))


async def test_a_store_is_replaced_on_demand_by_a_sound_backup_alone(tmp_path: Path) -> None:
    file, data = tmp_path / "backup.db", settings(tmp_path / "data")
    store = await kept(tmp_path / "data")
    await Service.backup(data, file)
    await store.feedback.remove("ann", SONG.id, FeedbackKind.LIKE)
    with pytest.raises(StoreError, match="in use"):
        await Service.restore(data, file, replace=True)
    assert await store.feedback.events() == []
    await store.close()
    broken = tmp_path / "broken.db"
    broken.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(StoreError):
        await Service.restore(data, broken, replace=True)
    with pytest.raises(StoreError, match="the store itself"):
        await Service.restore(data, tmp_path / "data" / "musrec.db", replace=True)
    await Service.restore(data, file, replace=True)
    store = await Store.open(data.store_url)
    assert await store.feedback.events() == [LIKE]
    await store.close()


async def test_a_damaged_store_with_its_log_gives_way_to_a_backup(tmp_path: Path) -> None:
    file, data = tmp_path / "backup.db", settings(tmp_path / "data")
    store = await kept(tmp_path / "data")
    await store.close()
    await Service.backup(data, file)
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / "data" / f"musrec.db{suffix}").write_bytes(b"certainly no database" * 500)
    await Service.restore(data, file, replace=True)
    store = await Store.open(data.store_url)
    assert await store.feedback.events() == [LIKE]
    await store.close()
    await Service.backup(data, file, replace=True)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["backup.db", "data"]
