"""Whatever a terminal cannot show, and whoever stops reading, ends no run with a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from musrec.demo import TUNES, compose, wav
from tests.support.running import Run

ODD = "YOASOBI - \u591c\u306b\x1b[31m \u202egnp.wav"
TERMINALS = {
    "LANG=C": {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "cp437": {"PYTHONIOENCODING": "cp437"},
    "narrow": {"COLUMNS": "8", "PYTHONIOENCODING": "utf-8"},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that holds one song whose name no old terminal can show."""
    folder = tmp_path_factory.mktemp("odd")
    music = folder / "music"
    music.mkdir()
    (music / ODD).write_bytes(wav(compose(TUNES[0], 6.0)))
    (music / "\x1b[2Jempty.wav").touch()
    added = musrec(folder / "data", "add", str(music), env=TERMINALS["cp1252"])
    assert added.returncode == 0, added.stderr
    assert b"empty.wav: " in added.stdout
    assert b"\x1b[2J" not in added.stdout
    return folder / "data"


def musrec(
    data: Path, *arguments: str, env: dict[str, str], **more: Any
) -> subprocess.CompletedProcess[bytes]:
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG"))},
        "MUSREC_PATHS__DATA": str(data),
        "MUSREC_CATALOGUE__STARTER": "false",
        "MUSREC_WORKERS__COUNT": "1",
    }
    return subprocess.run(
        [sys.executable, "-m", "musrec", *arguments],
        env=environment | env,
        stderr=subprocess.PIPE,
        stdout=more.get("stdout", subprocess.PIPE),
        check=False,
    )


@pytest.mark.parametrize("terminal", TERMINALS)
def test_a_terminal_shows_what_it_can(data: Path, terminal: str) -> None:
    ran = musrec(data, "search", "YOASOBI", env=TERMINALS[terminal])
    assert ran.returncode == 0, ran.stderr
    assert b"YOASOBI" in ran.stdout
    assert b"\x1b" not in ran.stdout
    assert "\u202e".encode() not in ran.stdout
    if terminal != "narrow":
        assert b"?" in ran.stdout


@pytest.mark.parametrize("terminal", ["LANG=C", "cp1252"])
def test_programs_read_the_whole_name_in_every_encoding(data: Path, terminal: str) -> None:
    ran = musrec(data, "search", "YOASOBI", "--json", env=TERMINALS[terminal])
    assert "\u591c\u306b" in str(json.loads(ran.stdout))


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_a_reader_that_leaves_early_is_no_error(data: Path, as_json: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ran = musrec(data, "search", "YOASOBI", *as_json, env={}, stdout=writer)
    finally:
        os.close(writer)
    assert ran.returncode == 1
    assert ran.stderr == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device to write to")
def test_an_output_that_is_full_is_said_in_a_sentence(data: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        ran = musrec(data, "search", "YOASOBI", env={}, stdout=full)
    assert ran.returncode == 1
    assert ran.stderr.decode().splitlines()[0] == "✗ No space left on device."
    assert b"Exception" not in ran.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows looks elsewhere")
def test_a_home_that_is_no_folder_is_said_in_a_sentence(data: Path) -> None:
    assert data.is_dir()
    home = {"HOME": os.devnull, "XDG_DATA_HOME": "", "MUSREC_PATHS__DATA": ""}
    environment = {key: value for key, value in (os.environ | home).items() if value}
    ran = subprocess.run(
        [sys.executable, "-m", "musrec", "search", "YOASOBI"],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 5
    assert b"cannot be made" in ran.stderr


def test_mistakes_too_are_shown_without_driving_the_terminal(run: Run, data: Path) -> None:
    assert data.is_dir()
    ran = run("add", "nowhere\x1b[2J\u202e.mp3")
    assert ran.code == 4
    assert "There is nothing at nowhere" in ran.err
    assert not {"\x1b", "\u202e"} & set(ran.err)
