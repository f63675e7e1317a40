"""A playlist is made, continued and exported; then everything of its member is deleted."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.running import Run


@pytest.fixture
def data(starter_store: Path) -> Path:
    return starter_store


def test_a_playlist_is_filled_continued_and_exported(
    run: Run, answer: Callable[..., Any], tmp_path: Path
) -> None:
    songs = [track["id"] for track in answer("search", "--genre", "jazz", "-n", "3")["tracks"]]
    me = ("--as", "cleo")
    assert run("playlist", "create", "Late", *me).out == "Created Late.\n"
    assert answer("playlist", "add", "late", *songs, "--offline", *me)["added"] == 3
    picks = answer("playlist", "continue", "LATE", "-n", "4", "--add", *me)["picks"]
    kept = answer("playlist", "show", "Late", *me)["songs"]
    assert [song["id"] for song in kept] == [*songs, *(pick["id"] for pick in picks)]
    made = answer("playlist", "export", "Late", "--format", "json", *me)
    body = json.loads((tmp_path / made["file"]).read_text("utf-8"))
    assert len(body["songs"]) == 7
    assert answer("playlist", "remove", "Late", songs[0], *me)["removed"] == songs[0]

    where = answer("privacy", "export", *me)["file"]
    with zipfile.ZipFile(tmp_path / where) as file:
        assert len(json.loads(file.read("playlist-songs.json"))) == 6
    refused = run("privacy", "delete", *me)
    assert refused.code != 0
    assert "--yes" in refused.err
    assert answer("privacy", "delete", "--yes", *me)["deleted"]
    assert not any(answer("privacy", "show", *me).values())


def test_a_playlist_that_is_not_there_is_said(run: Run) -> None:
    ran = run("playlist", "show", "x", "--as", "nobody")
    assert (ran.code, ran.out) == (4, "")
    assert "no playlist yet" in ran.err


def test_a_format_that_is_none_is_said(run: Run) -> None:
    ran = run("playlist", "export", "x", "--format", "xspf", "--as", "nobody")
    assert (ran.code, ran.out) == (4, "")
    assert "no format called 'xspf'" in ran.err
