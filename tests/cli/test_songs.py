"""Songs are added from files, searched and shown."""

from __future__ import annotations

import os
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from musrec.demo import TUNES
from tests.support.running import WEB_PAGE, Run, write_some


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
