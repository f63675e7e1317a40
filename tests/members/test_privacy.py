"""What is kept of members is declared, exported and deleted."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from PIL import Image

from musrec.drops.model import Drop, Schedule
from musrec.members.privacy import AREAS
from musrec.model import NotFound
from musrec.service import Service
from musrec.store import schema
from tests.support.starter import ids, like, songs
from tests.support.stores import store_of

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def test_every_table_about_members_belongs_to_an_area() -> None:
    about = {
        table.name
        for table in schema.metadata.sorted_tables
        if table is schema.members
        or any(key.column.table is schema.members for key in table.foreign_keys)
    }
    assert about == {area.table for area in AREAS}
    for table in about - {"members"}:
        (key,) = [
            key
            for key in schema.metadata.tables[table].foreign_keys
            if key.column.table is schema.members
        ]
        assert key.ondelete == "CASCADE"


async def rows_naming(service: Service, member: str) -> dict[str, int]:
    """Count, in every table of the database, the rows in which a member's id stands anywhere."""
    found = {}
    async with store_of(service) as store, store.database.read() as connection:
        for table in schema.metadata.sorted_tables:
            rows = (await connection.execute(sa.select(table))).all()
            found[table.name] = sum(any(member in str(value) for value in row) for row in rows)
    return {name: count for name, count in found.items() if count}


@pytest.mark.asyncio(loop_scope="module")
async def test_a_deleted_member_is_nowhere_and_stays_away(service: Service) -> None:
    member, other = "731846209915", "552200117788"
    liked = songs(service, "hiphop", 5)
    await like(service, member, liked)
    await like(service, other, liked[:2])
    one = await service.songs.heard(liked[0].id)
    await service.answers.recommend(one, member=member, online=False)
    playlist = await service.playlists.create(member, "Mine")
    await service.playlists.add(playlist, ids(liked))
    await service.members.choose(member, listening=True)
    drop = await service.drops.keep(Drop(member, None, Schedule(4, 18, "Europe/Berlin"), NOW))
    week = {"week": "2026-W47", "state": "open", "token": "", "failures": 1}
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
    recommender = await service._live.recommender()
    recommender.refit()
    assert member not in recommender._fitted.members
    await service.reload()
    recommender = await service._live.recommender()
    assert member not in recommender._fitted.members
    assert other in recommender._fitted.members
    assert not recommender._ledger.of(member)
    with pytest.raises(NotFound):
        await service.members.taste(member, "They")
    assert await rows_naming(service, other) != {}


@pytest.mark.asyncio(loop_scope="module")
async def test_a_member_exports_everything_as_one_file(service: Service) -> None:
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
