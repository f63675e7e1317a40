"""The command line as its user meets it: what is printed, and what it exits with."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import stat
import subprocess
import sys
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from musrec import cli
from musrec.demo import ARTIST, TUNES, write_tunes

WEB_PAGE = "This is not audio but a web page"
ID = re.compile(r"^[a-z2-7]{10}$")


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ran]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process, in an empty folder with a store of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MUSREC_PATHS__DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MUSREC_LOG__LEVEL", "WARNING")
    monkeypatch.setenv("MUSREC_WORKERS__COUNT", "1")
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str | Path) -> Ran:
        monkeypatch.setattr(sys, "argv", ["musrec", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        printed = capfd.readouterr()
        return Ran(int(stopped.value.code or 0), printed.out, printed.err)

    return run


def tune(folder: Path, number: int) -> Path:
    return folder / f"{ARTIST} - {TUNES[number].title}.wav"


def test_a_session_from_an_empty_folder_to_a_learned_taste(run: Run, tmp_path: Path) -> None:
    write_tunes(tmp_path / "tunes")
    for number in (2, 3, 4, 5):
        tune(tmp_path / "tunes", number).unlink()
    page = tmp_path / "tunes" / "page [b].mp3"
    page.write_text("<html>")
    added = run("add", tmp_path / "tunes", "--json").json
    assert {song["title"] for song in added["added"]} == {TUNES[0].title, TUNES[1].title}
    assert added["problems"] == [{"path": str(page), "problem": f"{WEB_PAGE}."}]
    again = run("add", tmp_path / "tunes")
    assert again.code == 0
    assert "2 known already, 1 could not be added" in again.out
    assert f"page [b].mp3: {WEB_PAGE}." in again.out
    assert run("add", page).code == 3  # nothing of it could be heard

    clip = tune(tmp_path / "tunes", 0)
    ask = ("recommend", clip, "--as", "me", "--offline", "--repeats", "--adventurous", "0")
    first = run(*ask, "-n", "3", "--json").json
    assert len(first["picks"]) == 3
    for pick in first["picks"]:
        assert ID.match(pick["id"])
        assert pick["score"] == pytest.approx(sum(pick["terms"].values()))
        assert pick["reason"].endswith(".")
    with Image.open(tmp_path / first["card"]) as card:
        assert card.format == "PNG"
        assert card.width >= 1000

    best = first["picks"][0]
    assert run("dislike", best["id"], "--as", "me").code == 0
    assert "as before" in run("dislike", best["id"], "--as", "me").out
    second = run(*ask, "-n", "3", "--json").json
    assert best["id"] not in [pick["id"] for pick in second["picks"]]
    assert run("unthumb", best["id"], "--as", "me", "--json").json["changed"]
    assert run(*ask, "-n", "3", "--json").json == first

    printed = run(*ask).out
    assert best["title"] in printed
    assert best["reason"] in printed
    assert "musrec-card.png" in printed

    heard = run("show", clip, "--offline", "--json").json
    assert heard["kind"] == "music"
    assert heard["rhythm"]["tempo"] == pytest.approx(TUNES[0].bpm, rel=0.04)
    assert heard["harmony"]["key"] == "C"
    assert len(heard["statistics"]) > 400
    assert sum(heard["genres"].values()) == pytest.approx(1, abs=1e-3)
    said = run("show", clip, "--offline").out
    assert "BPM" in said
    assert ("unsure: " in said) == (heard["genre"] is None)
    # Against whom each percentile is.
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


def test_what_cannot_be_heard_is_said_with_a_code_of_its_kind(run: Run, tmp_path: Path) -> None:
    page = tmp_path / "page.mp3"
    page.write_text("<html>not here</html>")
    said = run("recommend", page, "--offline")
    assert said.code == 3
    assert "✗" in said.err
    assert "Traceback" not in said.err
    as_json = run("recommend", page, "--offline", "--json")
    assert as_json.code == 3
    assert as_json.json["error"] == "NotAudio"
    assert as_json.json["hint"]
    assert not (tmp_path / "musrec-card.png").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("recommend", "no such song at all", "--offline"), 4, "No song in the catalogue"),
        (("like", "no such song at all", "--as", "me"), 4, "No song in the catalogue"),
        (("add", "nowhere"), 4, "There is nothing at nowhere"),
        (("recommend", ".", "--offline"), 4, "is a folder"),
        (("recommend", "nowhere.mp3", "--offline"), 4, "There is no file at nowhere.mp3"),
        (("recommend", "~nobody", "--offline"), 4, "No song in the catalogue"),
        (("recommend", "x" * 300, "--offline"), 4, "No song in the catalogue"),
        (("--config", "nowhere.toml", "search", "x"), 6, "There is no configuration"),
        (("recommend",), 2, "Missing argument"),
    ],
)
def test_every_mistake_has_its_sentence_and_code(
    run: Run, arguments: tuple[str, ...], code: int, said: str
) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err


def test_a_store_from_a_newer_version_is_left_alone(run: Run, tmp_path: Path) -> None:
    assert run("search", "love").code == 0
    database = sqlite3.connect(tmp_path / "data" / "musrec.db")
    database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.commit()
    database.close()
    ran = run("search", "love")
    assert ran.code == 5
    assert "newer version" in ran.err


def test_a_stop_is_said_and_has_the_code_that_shells_know() -> None:
    program = (
        "import asyncio, os, signal, sys; from musrec import cli\n"
        "async def work(): os.kill(os.getpid(), signal.SIGINT); await asyncio.sleep(60)\n"
        "cli.app.command('work')(lambda: asyncio.run(work()))\n"
        "sys.argv = ['musrec', 'work']; cli.main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 130
    assert ran.stderr.strip() == "Stopped. What was done so far is kept."


def test_what_the_machine_refuses_is_a_sentence_too() -> None:
    program = (
        "import sys; from pathlib import Path; from musrec import cli\n"
        "cli.app.command('work')(lambda: Path('/').write_text('x'))\n"
        "sys.argv = ['musrec', 'work']; cli.main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[0] == "✗ /: Is a directory."


def test_without_the_tagger_it_is_said_what_that_means_and_how_to_get_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSREC_CACHE", str(tmp_path / "cache"))
    for ran in (run("doctor"), run("models", "status")):
        assert "musrec models install" in ran.out
        assert "by statistics alone" in ran.out


def test_the_demo_composes_its_music_where_there_is_none_and_says_so(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "data" / "music").mkdir(parents=True)
    ran = run("demo", "--data", tmp_path / "data", "--folder", tmp_path / "demo")
    assert ran.code == 0
    assert "musrec composes some tunes of its own" in ran.out
    assert "Composed" in ran.out
    assert (tmp_path / "demo" / "card.png").is_file()
    (tmp_path / "file").touch()
    ran = run("demo", "--data", tmp_path / "data", "--folder", tmp_path / "file")
    assert ran.code == 1
    assert "cannot be written" in ran.err


def test_what_may_not_be_read_is_said_and_stops_nothing_else(run: Run, tmp_path: Path) -> None:
    for name in ("open", "locked"):
        write_tunes(tmp_path / name)
        for number in range(1, len(TUNES)):
            tune(tmp_path / name, number).unlink()
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
    assert "1 songs added" in both.out
    assert "Permission denied" in both.out


def test_a_folder_without_permission_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(stat.S_IRUSR)
    if os.access(tmp_path / "data", os.W_OK):
        pytest.skip("this user may write anywhere")
    ran = run("search", "love")
    assert ran.code == 5
    assert "permissions" in ran.err


def test_help_is_light(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['musrec', '--help']\n"
        "from musrec import cli\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "print(*sorted(set(name.partition('.')[0] for name in sys.modules)), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ran.stderr.split())
    assert "recommend" in ran.stdout
    assert not loaded & {"numpy", "scipy", "sklearn", "librosa", "sqlalchemy", "aiohttp", "PIL"}
