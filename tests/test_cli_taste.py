"""Taste, looking around, playlists and privacy as the command line's user meets them."""

from __future__ import annotations

import asyncio
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from musrec import cli
from musrec.model import FeedbackKind
from musrec.service import Service
from musrec.settings import Settings

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for all tests here, in which Ann likes metal and Ben rock."""
    folder = tmp_path_factory.mktemp("data")

    async def like() -> None:
        settings = Settings.model_validate({"paths": {"data": folder}})
        async with Service.open(settings) as service:
            for member, genre in (("ann", "metal"), ("ben", "rock")):
                for track in [t for t in service.catalogue.songs.tracks if t.genre == genre][:4]:
                    await service.members.learn(member, track.id, FeedbackKind.LIKE)

    asyncio.run(like())
    return folder


@pytest.fixture
def run(
    tmp_path: Path,
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Run:
    """Run the command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MUSREC_PATHS__DATA", str(store))
    monkeypatch.setenv("MUSREC_LOG__LEVEL", "WARNING")
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["musrec", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        printed = capfd.readouterr()
        return int(stopped.value.code or 0), printed.out, printed.err

    return run


def answer(run: Run, *arguments: str) -> Any:
    code, out, err = run(*arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def test_tastes_are_drawn_and_put_together(run: Run, tmp_path: Path) -> None:
    taste = answer(run, "taste", "--as", "ann")
    assert taste["songs"] == 4
    assert next(iter(taste["genres"])) == "metal"
    blend = answer(run, "blend", "ben", "--as", "ann", "-n", "5")
    assert len(blend["songs"]) == 5
    assert 0 <= blend["alike"] <= 100
    mapped = answer(run, "map", "--as", "ann")
    assert sum(mapped["groups"].values()) == len(mapped["songs"])
    for picture in (taste, blend, mapped):
        with Image.open(tmp_path / picture["picture"]) as image:
            assert image.width >= 1000
    history = answer(run, "history", "--as", "ann", "--kind", "liked")
    assert history["total"] == 4


def test_a_playlist_is_filled_continued_and_exported(run: Run, tmp_path: Path) -> None:
    songs = [track["id"] for track in answer(run, "search", "--genre", "jazz", "-n", "3")["tracks"]]
    me = ("--as", "cleo")
    assert run("playlist", "create", "Late", *me)[0] == 0
    assert answer(run, "playlist", "add", "late", *songs, "--offline", *me)["added"] == 3
    picks = answer(run, "playlist", "continue", "LATE", "-n", "4", "--add", *me)["picks"]
    kept = answer(run, "playlist", "show", "Late", *me)["songs"]
    assert [song["id"] for song in kept] == [*songs, *(pick["id"] for pick in picks)]
    made = answer(run, "playlist", "export", "Late", "--format", "json", *me)
    body = json.loads((tmp_path / made["file"]).read_text("utf-8"))
    assert len(body["songs"]) == 7
    assert answer(run, "playlist", "remove", "Late", songs[0], *me)["removed"] == songs[0]

    where = answer(run, "privacy", "export", *me)["file"]
    with zipfile.ZipFile(tmp_path / where) as file:
        assert len(json.loads(file.read("playlist-songs.json"))) == 6
    code, _, err = run("privacy", "delete", *me)
    assert code != 0
    assert "--yes" in err
    assert answer(run, "privacy", "delete", "--yes", *me)["deleted"]
    assert not any(answer(run, "privacy", "show", *me).values())


def test_two_songs_are_compared(run: Run, tmp_path: Path) -> None:
    one, other = [t["id"] for t in answer(run, "search", "--genre", "blues", "-n", "2")["tracks"]]
    found = answer(run, "compare", one, other, "--offline")
    assert 0 < found["alike"] < 1
    assert abs(found["alike"] - sum(found["because"].values())) < 0.1
    assert Image.open(tmp_path / found["picture"]).format == "PNG"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("taste", "--as", "nobody"), "nothing that nobody likes"),
        (("playlist", "show", "x", "--as", "nobody"), "no playlist yet"),
        (("history", "--as", "nobody", "--kind", "sung"), "no kind called 'sung'"),
        (("gallery", "--intensity", "middle"), "no intensity called 'middle'"),
        (("gallery",), "I have heard no song yet"),
        (("search",), "What shall be looked for"),
        (("search", "--tempo", "fast"), "no tempo"),
    ],
)
def test_every_mistake_has_its_sentence(run: Run, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (4, "")
    assert said in err
