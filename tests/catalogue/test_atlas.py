"""The map of the catalogue."""

from __future__ import annotations

import numpy as np
import pytest

from musrec import pictures
from musrec.catalogue.atlas import atlas as laid_out
from musrec.model import Catalogue, FeedbackKind
from musrec.service import Service
from tests.support.starter import like, songs

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_clusters_of_the_map_are_named_after_their_songs(service: Service) -> None:
    atlas, picture = await service.members.map()
    assert len(atlas.points) == len(atlas.groups) == len(service.catalogue)
    assert len(set(atlas.names)) == len(atlas.names) >= 6
    hits = 0
    for group, name in enumerate(atlas.names):
        inside = [
            service.catalogue.songs.tracks[row].genre
            for row in np.flatnonzero(atlas.groups == group).tolist()
        ]
        hits += str(max(set(inside), key=inside.count)) in name
        assert name in picture.alt
    assert hits >= len(atlas.names) - 1
    again = laid_out(service.catalogue.songs)
    assert again.names == atlas.names
    assert np.array_equal(again.points, atlas.points)


async def test_the_map_marks_songs_that_a_member_likes(service: Service) -> None:
    await like(service, "marked", songs(service, "blues", 3))
    await service.members.learn("marked", songs(service, "pop", 1)[0].id, FeedbackKind.PREVIEW)
    _, picture = await service.members.map("marked")
    assert "3 liked by you" in picture.alt


@pytest.mark.parametrize("count", [0, 1, 2, 3])
async def test_tiny_catalogues_are_drawn_too(service: Service, count: int) -> None:
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
