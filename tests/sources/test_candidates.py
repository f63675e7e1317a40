from __future__ import annotations

from dataclasses import replace

from musrec.model import Track
from musrec.sources import Deadline, Sources
from musrec.sources.candidates import merged
from tests.support.loopback import ISRC, SPOTIFY_ID, Loopback, deezer_track, stock

SONG = Track(
    "x",
    "One More Time",
    ("Daft Punk",),
    isrc=ISRC,
    duration=320.0,
    identities={"deezer": "3135553", "isrc": ISRC},
)


def song(title: str, artist: str, **identities: str) -> Track:
    return Track(f"{title}/{artist}", title, (artist,), identities=identities)


def test_songs_named_by_several_services_come_first_and_once() -> None:
    deezer = [song("A", "1", deezer="1"), song("B", "2", deezer="2"), song("C", "3", deezer="3")]
    lastfm = [song("C (Remastered)", "3", lastfm="3"), song("D", "4", lastfm="4")]
    best = merged([deezer, lastfm], SONG, 60)
    assert [track.title for track in best] == ["C", "A", "B", "D"]
    assert best[0].identities == {"deezer": "3", "lastfm": "3"}
    assert len(merged([deezer, lastfm], SONG, 2)) == 2


def test_the_song_itself_is_left_out_and_no_artist_floods() -> None:
    flood = [song(f"Hit {n}", "Hitmaker", deezer=str(n)) for n in range(9)]
    itself = [song("One More Time (Remastered)", "Daft Punk"), song("Other", "X", isrc=ISRC)]
    copies = [song("Hit (Karaoke)", "Y"), song("Hit (Sped Up)", "Z"), song("Hit", "Tribute Band")]
    own = [song("Aerodynamic", "Daft Punk")]
    assert [track.title for track in merged([own, itself, copies, flood], SONG, 60)] == [
        "Hit 0",
        "Hit 1",
        "Hit 2",
        "Hit 3",
        "Aerodynamic",
    ]


async def test_candidates_come_from_every_service_that_knows_some(
    stocked: Loopback, keyed: Sources, soon: Deadline
) -> None:
    found = await keyed.candidates(SONG, deadline=soon)
    assert len(found) <= 60
    origins = {track.provenance["title"] for track in found}
    assert origins == {"deezer", "itunes", "listenbrainz", "lastfm"}
    assert not any(track.isrc == ISRC for track in found)
    assert len({(track.title, track.artist) for track in found}) == len(found)
    assert len(await keyed.candidates(SONG, deadline=soon, limit=7)) == 7


async def test_charts_help_out_where_an_artist_has_few_relations(
    server: Loopback, sources: Sources, soon: Deadline
) -> None:
    stock(server, related=1)
    chart = [deezer_track(n, f"Chart {n}", f"Star {n}", artist_id=n) for n in range(900, 910)]
    server.json("/deezer/chart/0/tracks", {"data": chart})
    titles = [track.title for track in await sources.candidates(SONG, deadline=soon)]
    assert "Chart 900" in titles
    assert titles.index("Song number 10000") < titles.index("Chart 900")


async def test_the_deadline_returns_the_candidates_that_arrived(
    server: Loopback, sources: Sources
) -> None:
    stock(server)
    server.hang("/listenbrainz/metadata/lookup/")
    for artist in range(1003, 1012):
        server.hang(f"/deezer/artist/{artist}/top")
    deadline = Deadline.within(2.0)
    found = await sources.candidates(SONG, deadline=deadline)
    assert {"Neighbour 0", "Neighbour 1", "Neighbour 2"} <= {track.artist for track in found}


async def test_foreign_features_keep_their_origin(
    stocked: Loopback, keyed: Sources, soon: Deadline
) -> None:
    track = replace(SONG, identities={"spotify": SPOTIFY_ID})
    for _ in range(2):
        features = await keyed.foreign_features(track, deadline=soon)
        assert features is not None
        assert (features.origin, features.values["danceability"]) == ("reccobeats", 0.61)
    assert stocked.count("/spotify/audio-features") == 1, "a key that is refused is not tried again"
    assert stocked.count("/reccobeats/audio-features") == 2
    unnamed = replace(SONG, isrc=None, identities={})
    assert await keyed.foreign_features(unnamed, deadline=soon) is None


async def test_a_key_that_may_ask_spotify_asks_nobody_else(
    stocked: Loopback, keyed: Sources, soon: Deadline
) -> None:
    numbers = {"id": SPOTIFY_ID, "energy": 0.81, "tempo": 122.7, "key": 2, "mode": 1}
    stocked.json("/spotify/audio-features/", {"audio_features": [numbers]})
    track = replace(SONG, identities={"spotify": SPOTIFY_ID})
    features = await keyed.foreign_features(track, deadline=soon)
    assert features is not None
    assert (features.origin, features.values["energy"]) == ("spotify", 0.81)
    assert stocked.count("/reccobeats/audio-features") == 0


async def test_foreign_features_are_found_by_isrc_too(
    stocked: Loopback, sources: Sources, soon: Deadline
) -> None:
    features = await sources.foreign_features(replace(SONG, isrc=ISRC), deadline=soon)
    assert features is not None
    assert features.origin == "reccobeats"
