"""Artists of the catalogue, counted once until there are other songs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from musrec.model import Track
from musrec.service import Service
from tests.support.starter import heard, songs
from tests.support.stores import store_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_artists_are_counted_in_order_however_they_are_spelt(service: Service) -> None:
    found = await service.catalogue.artists()
    tracks = service.catalogue.songs.tracks
    assert sum(count for _, count in found) == sum(len(track.artists) for track in tracks)
    assert len(found) == len({name for name, _ in found})
    # Two of the tables' songs write "The".
    spelt = {name for track in tracks for name in track.artists if "Against" in name}
    assert len(spelt) == 2
    [(rage, count)] = await service.catalogue.artists("rage AGAINST")
    assert (rage in spelt, count) == (True, 5)
    assert await service.catalogue.artists("no such artist") == []


async def test_a_song_more_shows_all_of_its_artists(service: Service) -> None:
    before = dict(await service.catalogue.artists())
    known = songs(service, "jazz", 1)[0]
    track = Track("new", "Duet", (known.artist, "Someone Else"), identities={"test": "duet"})
    analysis = replace(heard(service, known).analysis, digest="another")
    async with store_of(service) as store:
        await store.analyses.add(track, analysis, "file")
    await service.reload()
    after = dict(await service.catalogue.artists())
    assert after == before | {known.artist: before[known.artist] + 1, "Someone Else": 1}
