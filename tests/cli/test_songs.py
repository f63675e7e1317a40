"""Songs are added from files, searched and shown."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from musrec.demo import TUNES
from tests.support.running import WEB_PAGE, Run, write_some

ROOT = Path(__file__).resolve().parents[2]


def test_files_are_added_once_and_what_is_wrong_with_others_is_said(
    run: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "tunes"
    write_some(folder, 0, 1)
    page = folder / "page [b].mp3"
    page.write_text("<html>")
    added = run("add", folder, "--json").json
    assert {song["title"] for song in added["added"]} == {TUNES[0].title, TUNES[1].title}
    assert added["problems"] == [{"path": str(page), "problem": f"{WEB_PAGE}."}]
    again = run("add", folder)
    assert again.code == 0
    assert "2 known already, 1 could not be added" in again.out
    assert f"page [b].mp3: {WEB_PAGE}." in again.out
    assert run("add", page).code == 3  # nothing of it could be heard


def test_everything_heard_in_a_song_is_shown(run: Run, tmp_path: Path) -> None:
    (clip,) = write_some(tmp_path, 0)
    heard = run("show", clip, "--offline", "--json").json
    assert heard["kind"] == "music"
    assert heard["rhythm"]["tempo"] == pytest.approx(TUNES[0].bpm, rel=0.04)
    assert heard["harmony"]["key"] == "C"
    assert len(heard["statistics"]) > 400
    assert sum(heard["genres"].values()) == pytest.approx(1, abs=1e-3)
    said = run("show", clip, "--offline").out
    assert "BPM" in said
    assert ("unsure: " in said) == (heard["genre"] is None)
    # Which population each percentile refers to.
    for name, percentile in heard["percentiles"].items():
        word, population = (heard["definitions"][name][key] for key in ("higher", "population"))
        assert f"{word} than {percentile:.0f}% of {population}" in said
        assert heard["populations"][population][:40] in said


def test_of_what_is_no_music_nothing_is_said_but_that(run: Run, tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "silence.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(22_050)
        file.writeframes(bytes(2 * 22_050 * 10))
    shown = run("show", "silence.wav", "--offline")
    assert shown.code == 0
    assert "I hear no music in this: it is silent." in shown.out
    assert "Genre" not in shown.out
    as_json = run("show", "silence.wav", "--offline", "--json").json
    assert as_json["kind"] == "silence"
    assert as_json["genre"] is None
    assert as_json["genres"] == as_json["tags"] == as_json["percentiles"] == {}
    assert run("recommend", "silence.wav", "--offline").code == 3


def test_what_may_not_be_read_is_said_and_stops_nothing_else(run: Run, tmp_path: Path) -> None:
    for name in ("open", "locked"):
        write_some(tmp_path / name, 0)
    (tmp_path / "locked").chmod(0)
    if os.access(tmp_path / "locked", os.R_OK):
        pytest.skip("this user may read anything")
    try:
        inside = run("add", tmp_path / "locked" / "song.mp3")
        both = run("add", tmp_path / "locked", tmp_path / "open")
    finally:
        (tmp_path / "locked").chmod(0o700)
    assert inside.code == 4
    assert "cannot be read: Permission denied" in inside.err
    assert both.code == 0
    assert "Added 1 song," in both.out
    assert "Permission denied" in both.out


def test_nothing_but_a_thread_that_may_be_left_looks_at_a_drive(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drive on the network may hang; whoever looks at it in the main thread hangs with it."""
    write_some(tmp_path / "drive", 0)
    look, looks = os.stat, []

    def stat(path: Any, *arguments: Any, **options: Any) -> os.stat_result:
        if str(path) == str(tmp_path / "drive"):
            looks.append(threading.current_thread())
        return look(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", stat)
    assert run("add", tmp_path / "drive").code == 0
    assert looks
    assert threading.main_thread() not in looks


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("search",), "Tell me what to search for"), (("search", "--tempo", "fast"), "no tempo")],
)
def test_a_search_for_nothing_or_nonsense_is_said(
    run: Run, arguments: tuple[str, ...], said: str
) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out) == (4, "")
    assert said in ran.err


def test_songs_are_found_by_genre(answer: Callable[..., Any]) -> None:
    found = answer("search", "--genre", "jazz", "-n", "3")["tracks"]
    assert [track["genre"] for track in found] == ["jazz"] * 3


def test_what_has_gone_is_said_and_taken_out_if_asked(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "tunes"
    gone, _ = write_some(folder, 2, 3)
    assert "Added 2 songs" in run("add", folder).out
    gone.unlink()
    said = run("add", folder)
    assert "These files have gone; --prune takes their songs out:" in said.out
    assert gone.name in said.out
    as_json = run("add", folder, "--prune", "--json").json
    assert as_json["gone"] == [str(gone)]
    assert as_json["known"] == 1
    assert "1 known already" in run("add", folder).out
    removed = run("remove", folder, "--json").json["removed"]
    assert [song["title"] for song in removed] == [TUNES[3].title]


def test_a_watched_folder_is_added_to_until_it_is_stopped(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tunes").mkdir()
    (song,) = write_some(tmp_path / "elsewhere", 4)
    watching = subprocess.Popen(
        [sys.executable, "-m", "musrec", "add", str(tmp_path / "tunes"), "--watch"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert watching.stdout is not None
    for line in watching.stdout:
        if line.startswith("Watching"):
            song.rename(tmp_path / "tunes" / song.name)
        if line.startswith("Added 1 song,"):
            break
    watching.send_signal(signal.SIGINT)
    _, said = watching.communicate(timeout=60)
    assert watching.returncode == 130
    assert "Stopped." in said


def test_a_playlist_is_made_from_a_song_in_one_command(run: Run, tmp_path: Path) -> None:
    song, other = write_some(tmp_path / "tunes", 0, 1)
    run("add", tmp_path / "tunes")
    said = run("playlist", "from", song, "-n", "9", "-o", "out.m3u8", "--offline")
    assert "Wrote 9 songs to out.m3u8" in said.out
    lines = (tmp_path / "out.m3u8").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")][:2] == [str(song), str(other)]
    assert run("playlist", "from", song, "-o", "out.mid", "--offline").code == 4
    assert len(run("playlist", "from", song, "--offline", "--json").json["songs"]) == 25


def test_the_catalogue_is_exported_for_numpy(run: Run, tmp_path: Path) -> None:
    (clip,) = write_some(tmp_path / "tunes", 0)
    run("add", clip)
    assert run("export", "songs.csv").code == 4
    assert run("export", "songs.npz", "--json").json["songs"] > 400
    page = (ROOT / "docs" / "python.md").read_text()
    with np.load(tmp_path / "songs.npz") as songs:
        assert all(f"`{name}`" in page for name in songs.files)
        row = songs["title"].tolist().index(TUNES[0].title)
        assert songs["path"][row] == str(clip)
        assert songs["key"][row] == "C major"
        assert songs["tempo"][row] == pytest.approx(TUNES[0].bpm, rel=0.04)
        assert np.isfinite(songs["descriptors"][row]).all()
        assert len({len(songs[name]) for name in ("id", "vector", "tags", "statistics")}) == 1
        assert songs["tags"].shape[1] == len(songs["tag_names"])
