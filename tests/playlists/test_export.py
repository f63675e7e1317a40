"""Playlists as files: safe to open, and complete."""

from __future__ import annotations

import csv
import io
import json

import pytest

from musrec.catalogue.model import FileStamp
from musrec.model import Track
from musrec.playlists.export import export
from musrec.playlists.model import FORMATS
from musrec.service import Service
from tests.support.stores import store_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


SPOTIFY = "4uLU6hMCjMI75M1A2tKUQC"
SONGS = [
    Track(
        "aaaaaaaaaa",
        '=HYPERLINK("http://evil.example","x")',
        ("@SUM(A1)", "\t=1+1"),
        album="-2+3",
        year=1999,
        isrc="GBAYE0601498",
        duration=201.4,
        identities={"spotify": SPOTIFY},
        links={
            "youtube": "https://youtu.be/x",
            "spotify": f"https://open.spotify.com/track/{SPOTIFY}",
        },
    ),
    Track(
        "bbbbbbbbbb", "Two\nlines\r\n#EXTINF:0,forged", ("Zoë",), links={"deezer": "https://d/2"}
    ),
    Track("cccccccccc", "＝full width", ("A;=1+1", " ; -2")),
    Track(
        "dddddddddd",
        "Bad links",
        ("A",),
        identities={"spotify": "x\nspotify:track:0"},
        links={"web": "javascript:alert(1)", "other": "https://a/\nhttps://b/"},
    ),
]


async def test_no_cell_of_a_csv_is_a_formula() -> None:
    made = export("songs", SONGS, "csv")
    header, *rows = csv.reader(io.StringIO(made.data.decode("utf-8-sig"), newline=""))
    assert header[:3] == ["title", "artists", "album"]
    assert len(rows) == len(SONGS)
    assert not [cell for row in rows for cell in row if cell[:1] in "=+-@\t\r\n＝" and cell]
    # A spreadsheet that splits at semicolons sees no formula either.
    assert not [
        cell
        for line in made.data.decode("utf-8-sig").splitlines()
        for cell in line.split(";")[1:]
        if cell.strip()[:1] in ("=", "+", "-", "@")
    ]
    first = dict(zip(header, rows[0], strict=True))
    assert first["title"] == "'" + SONGS[0].title
    assert first["year"] == "1999"
    assert first["link"] == f"https://open.spotify.com/track/{SPOTIFY}"


async def test_an_m3u8_has_one_entry_per_song_and_names_missing_ones() -> None:
    made = export("Näme\n#EXTM3U", SONGS, "m3u8", {"cccccccccc": "/music/full width.mp3"})
    lines = made.data.decode().splitlines()
    assert lines[0] == "#EXTM3U"
    assert lines[2] == "#PLAYLIST:Näme #EXTM3U"
    assert [line for line in lines if not line.startswith("#")] == [
        f"https://open.spotify.com/track/{SPOTIFY}",
        "https://d/2",
        "/music/full width.mp3",
    ]
    assert sum(line.startswith("#EXTINF:") for line in lines) == 3
    assert "#EXTINF:201," in made.data.decode()
    assert [track.id for track in made.missing] == ["dddddddddd"]


async def test_json_holds_every_link_as_it_is() -> None:
    body = json.loads(export("songs", SONGS, "json").data)
    assert body["name"] == "songs"
    assert [song["title"] for song in body["songs"]] == [track.title for track in SONGS]
    assert body["songs"][0]["links"] == dict(SONGS[0].links)


async def test_the_spotify_export_lists_songs_known_to_be_there() -> None:
    made = export("songs", SONGS, "spotify")
    assert made.data.decode() == f"spotify:track:{SPOTIFY}\n"
    assert [track.id for track in made.missing] == ["bbbbbbbbbb", "cccccccccc", "dddddddddd"]


async def test_paths_of_local_files_are_shown_to_the_owner_only(service: Service) -> None:
    track = service.catalogue.songs.tracks[5]
    async with store_of(service) as store:
        analysis = await store.analyses.get(track.id)
        assert analysis is not None
        await store.analyses.add(track, analysis, "file", FileStamp("/music/five.flac", 1, 1))
    playlist = await service.playlists.create("owner", "local")
    await service.playlists.add(playlist, [track.id])
    assert (
        b"/music/five.flac" in (await service.playlists.export(playlist, "m3u8", local=True)).data
    )
    for how in FORMATS:
        assert b"five.flac" not in (await service.playlists.export(playlist, how)).data
