"""Files and their names, as they come."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from musrec.audio.tags import Tags
from musrec.catalogue.files import Found, read_clip, track_of, walk
from musrec.catalogue.model import FileStamp, path_of
from musrec.model import NotAudio


@pytest.mark.parametrize(
    ("name", "title", "artists"),
    [
        ("Anna - Duet.mp3", "Duet", ("Anna",)),
        ("03 - Song.mp3", "Song", ()),
        ("a\x1b[31mb\n.wav", "a [31mb", ()),
        (os.fsdecode(b"caf\xe9 noir.ogg"), "café noir", ()),
        (os.fsdecode("Ветер - Песня.mp3".encode("cp1251")), "Песня", ("Ветер",)),
        (os.fsdecode("カゼ - 夜の歌.mp3".encode("cp932")), "夜の歌", ("カゼ",)),
        ("ZoÃ« - MaÃ±ana.mp3", "Mañana", ("Zoë",)),
        (os.fsdecode(b"\xff\xfe\x80.mp3"), "Ÿþ€", ()),
        ("half a \ud800.mp3", "half a \ufffd", ()),
        ("\ufeffAnna - Song\u200b.mp3", "Song", ("Anna",)),
        ("\u200b.mp3", "untitled", ()),
        ("01 - .mp3", "01", ()),
        ("Track 01.mp3", "Track 01", ()),
        ("Track 01 - Song.mp3", "Song", ()),
        ("Unknown Artist - Track 01.mp3", "Track 01", ()),
        ("Anna feat. Bert - Song.mp3", "Song", ("Anna", "Bert")),
        ("Anna - Song feat. Bert.mp3", "Song feat. Bert", ("Anna",)),
        ("A - B - C - D.mp3", "B - C - D", ("A",)),
        ("Song.mp3.MP3", "Song", ()),
        ("Anna - Song. .mp3", "Song.", ("Anna",)),
        ("...mp3", "untitled", ()),
        ("- .mp3", "untitled", ()),
        ("", "Untitled", ()),
        ("a" * 251 + ".mp3", "A" + "a" * 250, ()),
        ("\u202egnos ab.mp3", "gnos ab", ()),
        (".mp3", "untitled", ()),
    ],
)
def test_names_are_read_when_tags_say_nothing(name: str, title: Any, artists: Any) -> None:
    track = track_of(Tags(), name, "00")
    assert (track.title, track.artists) == (title, artists)
    assert track.provenance == {"title": "file name"}


def test_tags_come_before_the_name() -> None:
    said = Tags("Duet", ("Anna", "Bert"), "Album", "Rock", 1999, "USABC1234567", 12.0)
    track = track_of(said, "01 - x.mp3", "00")
    assert (track.title, track.artists, track.isrc) == ("Duet", ("Anna", "Bert"), "USABC1234567")
    assert track.identities == {"sha256": "00", "isrc": "USABC1234567"}
    assert track.provenance == {"title": "tags"}
    assert track_of(Tags(title="Duet"), "Anna - x.mp3", "00").artists == ("Anna",)


def test_every_ending_that_is_heard_is_found(tmp_path: Path) -> None:
    names = ["a.AIF", "b.m4b", "c.mov", "d.wv", "e.mka", "f.caf", "g.amr", "h.3gp", "i.wma"]
    for name in [*names, "k.txt", ".hidden.mp3", "cover.jpg"]:
        (tmp_path / name).touch()
    found = [one for one in walk([tmp_path]) if isinstance(one, Found)]
    assert [one.path.name for one in found] == names
    assert all(one.stamp for one in found)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_linked_folders_are_looked_into_once_though_links_lead_in_circles(tmp_path: Path) -> None:
    music, drive = tmp_path / "music", tmp_path / "drive"
    for folder in (music, drive):
        folder.mkdir()
        (folder / "a.mp3").touch()
    (music / "drive").symlink_to(drive)
    (drive / "back").symlink_to(music)
    (drive / "self").symlink_to(drive / "self")
    (drive / "self.mp3").symlink_to(drive / "self.mp3")
    (drive / "gone.mp3").symlink_to(tmp_path / "nowhere")
    given = [music / ".." / "music", music / "a.mp3", music]
    found = [one for one in walk(given) if isinstance(one, Found)]
    assert sorted(str(one.path.relative_to(tmp_path)) for one in found if one.stamp) == [
        "music/a.mp3",
        "music/drive/a.mp3",
    ]
    assert {one.path.name for one in found if one.problem} == {"gone.mp3", "self.mp3"}


def test_folders_that_did_not_answer_are_passed_over(tmp_path: Path) -> None:
    for name in ("a/1.mp3", "b/2.mp3", "b/c/3.mp3", "b/d/4.mp3", "e/5.mp3"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def names(*silent: str) -> list[str]:
        found = walk([tmp_path], [tmp_path / folder for folder in silent])
        return [one.path.name for one in found if isinstance(one, Found)]

    assert names() == ["1.mp3", "2.mp3", "3.mp3", "4.mp3", "5.mp3"]
    assert names("b/c") == ["4.mp3", "5.mp3"]  # what came before was found already
    assert names("b") == ["5.mp3"]
    assert names("b/c", "e") == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mp3")
    with pytest.raises(NotAudio, match="not a file"):
        read_clip(tmp_path / "a.mp3")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_not_utf_8_has_a_stamp_that_a_database_takes(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp3"))
    path.touch()
    assert FileStamp.of(path).path.endswith(r"caf\xe9.mp3")
    FileStamp.of(path).path.encode()
    assert path_of(FileStamp.of(path).path) == path
    written = tmp_path / r"caf\xe8.mp3"
    written.touch()
    assert path_of(FileStamp.of(written).path) == written
