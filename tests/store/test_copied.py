"""A database that was copied with `cp` while the bot ran, which docs/run.md warns of."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from musrec.model import Feedback, FeedbackKind, StoreError
from musrec.store import Store
from musrec.store.backup import restore
from tests.support.store_processes import SONG

AT = datetime(2026, 3, 2, tzinfo=UTC)
FIRST, LATER = 40, 400


async def like(store: Store, start: int, count: int) -> None:
    song = await store.tracks.add(SONG)
    events = [
        Feedback(f"member {number}", song.id, FeedbackKind.LIKE, AT + timedelta(seconds=number))
        for number in range(start, start + count)
    ]
    await store.feedback.add_all(events)


async def likes(url: str) -> int:
    store = await Store.open(url)
    try:
        return len(await store.feedback.events())
    finally:
        await store.close()


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


async def copied(folder: Path, how: str) -> Path:
    """Copy a store in one of the ways in which people do while it is written."""
    live, copy = folder / "musrec.db", folder / "copy.db"
    store = await Store.open(f"sqlite+aiosqlite:///{live}")
    try:
        await like(store, 0, FIRST)
        if how == "alone":  # without the log that holds what was done last
            shutil.copy(live, copy)
        elif how == "together":
            for suffix in ("", "-wal"):
                shutil.copy(beside(live, suffix), beside(copy, suffix))
        elif how == "log later":  # the log has begun again meanwhile
            shutil.copy(live, copy)
            assert await store.database.empty_log()
            await like(store, FIRST, LATER)
            shutil.copy(beside(live, "-wal"), beside(copy, "-wal"))
        else:  # torn: half of the file is of before, half of after
            before = live.read_bytes()
            await like(store, FIRST, LATER)
            assert await store.database.empty_log()
            after = live.read_bytes()
            half = len(before) // 2 // 4096 * 4096
            copy.write_bytes(before[:half] + after[half:])
    finally:
        await store.close()
    return copy


@pytest.mark.parametrize("how", ["alone", "together", "log later", "torn"])
async def test_a_copy_opens_or_is_refused_in_a_sentence(tmp_path: Path, how: str) -> None:
    copy = await copied(tmp_path, how)
    target = f"sqlite+aiosqlite:///{tmp_path / 'restored.db'}"
    said, hint, there = "", "", 0
    try:
        await restore(target, copy)
        there = await likes(target)
    except StoreError as refused:
        said, hint = str(refused), refused.hint
    if how == "together":
        assert (said, there) == ("", FIRST)
    else:
        assert 0 <= there <= FIRST + LATER
        assert (said.endswith("."), bool(hint)) == (bool(said), bool(said))
