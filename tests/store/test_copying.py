"""A store moves from one database to the other with everything in it, and goes on working there."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from musrec.members.model import Card
from musrec.model import Feedback, FeedbackKind, StoreError
from musrec.service import Service
from musrec.store import Store, copying, schema
from musrec.store.copying import copy
from tests.support.postgres import Server
from tests.support.posting import MONDAY, likes, settings, subscribe
from tests.support.store_processes import SONG

NOW = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


async def filled(folder: Path) -> str:
    """Keep the starter songs, thumbs, an answer, a card, a drop and a playlist."""
    configured = settings(folder)
    async with Service.open(configured) as service:
        for number, member in enumerate(("ann", "ben")):
            await likes(service, member, number, number + 1)
        heard = await service.songs.heard(service.catalogue.songs.tracks[5].id)
        answer = await service.answers.recommend(heard, member="ann", online=False)
        await service.cards.keep(Card("message", "channel", answer.picks[0].track.id, NOW))
        await subscribe(service)
        await service.playlists.create("ann", "mine")
    return configured.store_url


async def rows(url: str) -> dict[str, set[str]]:
    """Return what a store holds, row by row."""
    store = await Store.open(url)
    async with store.database.read() as connection:
        found = {
            table.name: {repr(tuple(row)) for row in await connection.execute(sa.select(table))}
            for table in schema.metadata.sorted_tables
        }
    await store.close()
    return found


async def test_everything_arrives_there_and_back_again(tmp_path: Path, postgres_url: str) -> None:
    source = await filled(tmp_path / "data")
    back = f"sqlite+aiosqlite:///{tmp_path / 'back.db'}"
    seen: dict[str, int] = {}
    counts = await copy(source, postgres_url, seen.__setitem__)
    assert {name: count for name, count in counts.items() if count} == seen
    assert counts["feedback"] == 4
    assert await copy(postgres_url, back) == counts
    assert await rows(source) == await rows(postgres_url) == await rows(back)
    # Numbers go on where they were: nothing new takes the number of something copied.
    store = await Store.open(postgres_url)
    await store.tracks.add(SONG)
    assert await store.feedback.add(Feedback("cleo", SONG.id, FeedbackKind.LIKE, MONDAY))
    await store.close()
    with pytest.raises(StoreError, match="other rows"):
        await copy(source, postgres_url)


async def test_an_interrupted_copy_is_completed(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = await filled(tmp_path / "data")
    monkeypatch.setattr(copying, "ROWS", 100)

    def stop(table: str, count: int) -> None:
        if table == "analyses" and count >= 200:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await copy(source, store_url, stop)
    counts = await copy(source, store_url)
    assert counts["analyses"] > 200
    assert await rows(source) == await rows(store_url)


async def test_a_store_is_not_copied_onto_itself(store_url: str) -> None:
    with pytest.raises(StoreError, match="the same store"):
        await copy(store_url, store_url)


async def test_a_backup_of_postgresql_comes_back_on_either_database(
    tmp_path: Path, postgres: Server, postgres_url: str
) -> None:
    source = await filled(tmp_path / "data")
    await copy(source, postgres_url)
    before, file = await rows(postgres_url), tmp_path / "backup.db"
    on_postgres = settings(tmp_path, url=postgres_url)
    await Service.backup(on_postgres, file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["backup.db"]
    with pytest.raises(StoreError, match="exists already"):
        await Service.backup(on_postgres, file)

    store = await Store.open(postgres_url)
    await store.members.delete("ann")
    with pytest.raises(StoreError, match="in use"):
        await Service.restore(on_postgres, file, replace=True)
    await store.close()
    with pytest.raises(StoreError, match="holds a store already"):
        await Service.restore(on_postgres, file)
    (tmp_path / "broken.db").write_bytes(file.read_bytes()[:5000])
    with pytest.raises(StoreError):
        await Service.restore(on_postgres, tmp_path / "broken.db", replace=True)
    assert await rows(postgres_url) != before
    await Service.restore(on_postgres, file, replace=True)
    assert await rows(postgres_url) == before
    on_sqlite = settings(tmp_path / "new")
    await Service.restore(on_sqlite, file)
    assert await rows(on_sqlite.store_url) == before
