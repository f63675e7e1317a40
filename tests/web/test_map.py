"""The map as its page asks for it: points, names, ways and playlists."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from musrec.catalogue.model import Atlas
from musrec.members.model import OWNER
from musrec.web.atlas import packed
from tests.web.conftest import Page, Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def asked(visitor: Visitor, path: str) -> bytes:
    async with visitor.http.get(path) as response:
        assert response.status == 200, await response.text()
        visitor.headers = response.headers
        return await response.read()


async def test_points_take_five_bytes_each_and_keep_their_places(
    page: Page, owner: Visitor
) -> None:
    atlas, catalogue = await page.service.catalogue.atlas()
    data = await asked(owner, "/map/points")
    n = len(catalogue)
    assert len(data) == 5 * n
    places = np.frombuffer(data, "<u2", 2 * n).reshape(2, n).T / 65_535
    assert places.min() >= 0
    assert places.max() <= 1
    side = np.ptp(atlas.points, axis=0).max()
    moved = places * side - atlas.points
    assert np.ptp(moved, axis=0).max() < side / 65_535 * 1.01
    assert np.frombuffer(data, np.uint8, n, 4 * n).tolist() == atlas.groups.tolist()
    headers = {"if-none-match": owner.headers["etag"]}
    async with owner.http.get("/map/points", headers=headers) as response:
        assert response.status == 304


@pytest.mark.parametrize("n", [0, 1, 3])
async def test_small_and_flat_maps_are_packed(n: int) -> None:
    atlas = Atlas(np.zeros((n, 2), np.float32), np.zeros(n, np.intp), ("all",), 1.0, "0")
    assert len(packed(atlas)) == 5 * n


async def test_points_and_songs_name_each_other(page: Page, owner: Visitor) -> None:
    atlas, catalogue = await page.service.catalogue.atlas()
    named = json.loads(await asked(owner, f"/map/songs?rows=3,5&key={atlas.key}"))
    assert [one["id"] for one in named] == [catalogue.tracks[3].id, catalogue.tracks[5].id]
    ids = ",".join(one["id"] for one in named)
    assert json.loads(await asked(owner, f"/map/songs?ids={ids}")) == named
    for query, expected in {
        f"rows=999999&key={atlas.key}": 404,
        "rows=3&key=older": 503,
        "rows=3": 503,
    }.items():
        assert (await owner.get(f"/map/songs?{query}"))[0] == expected, query


async def test_the_table_shows_groups_neighbours_and_ways(page: Page, owner: Visitor) -> None:
    atlas, catalogue = await page.service.catalogue.atlas()

    async def rows(query: str) -> list[str]:
        status, text = await owner.get(f"/map{query}")
        assert status == 200, text
        return re.findall(r'<tr data-song="(\w+)"', text)

    assert len(await rows("")) == len(atlas.names)
    inside = [
        track.id for track, group in zip(catalogue.tracks, atlas.groups, strict=True) if not group
    ]
    assert await rows("?group=0") == inside[:100]
    one, other = catalogue.tracks[3].id, catalogue.tracks[200].id
    around = await rows(f"?song={one}")
    assert around[0] == one
    assert len(set(around)) == len(around) == 21
    way = await rows(f"?from={one}&to={other}")
    assert (way[0], way[-1]) == (one, other)
    assert len(way) > 2
    for query in ("?song=none", "?from=none&to=none"):
        status, text = await owner.get(f"/map{query}")
        assert status == 404
        assert 'role="alert"' in text
    assert len(await rows("?group=99&page=x")) == len(atlas.names)


async def test_songs_of_the_map_become_a_playlist(page: Page, owner: Visitor) -> None:
    atlas, catalogue = await page.service.catalogue.atlas()
    await owner.post("/map/keep", rows="1,2,7", key=atlas.key, playlist="Loop")
    await owner.post("/map/keep", song=catalogue.tracks[9].id, playlist="loop")
    kept = await page.service.playlists.named(OWNER, "Loop")
    songs = [song.id for song in await page.service.playlists.songs(kept)]
    assert songs == [catalogue.tracks[row].id for row in (1, 2, 7, 9)]
    for fields, expected in (
        ({"playlist": "Loop"}, 400),
        ({"playlist": "Loop", "song": "none"}, 404),
        ({"playlist": "Loop", "rows": "1", "key": "older"}, 503),
        ({"playlist": "", "rows": "1", "key": atlas.key}, 400),
        ({"playlist": "Loop", "rows": ",".join(["1"] * 10_001), "key": atlas.key}, 400),
    ):
        assert (await owner.post("/map/keep", **fields))[0] == expected, fields
