"""Picks with reasons and a card; thumbs change them, and taking thumbs back restores them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from musrec.model import NotAudio, SettingsError
from tests.support.running import WEB_PAGE, Run, write_some

ID = re.compile(r"^[a-z2-7]{10}$")


def test_a_session_from_an_empty_folder_to_a_learned_taste(run: Run, tmp_path: Path) -> None:
    clip, _ = write_some(tmp_path / "tunes", 0, 1)
    assert len(run("add", tmp_path / "tunes", "--json").json["added"]) == 2
    ask = ("recommend", clip, "--as", "me", "--offline", "--repeats", "--adventurous", "0")
    first = run(*ask, "-n", "3", "--json", "--card", "own.png").json
    assert len(first["picks"]) == 3
    for pick in first["picks"]:
        assert ID.match(pick["id"])
        assert pick["score"] == pytest.approx(sum(pick["terms"].values()))
        assert pick["reason"].endswith(".")
    with Image.open(tmp_path / first["card"]) as card:
        assert card.format == "PNG"
        assert card.width >= 800

    best = first["picks"][0]
    assert run("dislike", best["id"], "--as", "me").code == 0
    assert "as before" in run("dislike", best["id"], "--as", "me").out
    second = run(*ask, "-n", "3", "--json").json
    assert best["id"] not in [pick["id"] for pick in second["picks"]]
    assert run("unthumb", best["id"], "--as", "me", "--json").json["changed"]
    assert run(*ask, "-n", "3", "--json", "--card", "own.png").json == first

    printed = run(*ask).out
    assert best["title"] in printed
    assert best["reason"] in printed
    assert "musrec-card.png" in printed


def test_songs_are_printed_whatever_becomes_of_the_card(run: Run, tmp_path: Path) -> None:
    clip, *_ = write_some(tmp_path / "tunes", 0, 1, 2)
    assert run("add", tmp_path / "tunes").code == 0
    ask = ("recommend", clip, "--offline")
    best = run(*ask, "--json").json["picks"][0]
    assert run(*ask, "--json").json["card"] is None
    assert best["title"] in run(*ask, "--no-card").out
    assert not list(tmp_path.glob("*.png"))
    for more in ((), ("--json",)):
        said = run(*ask, "--card", tmp_path / "absent" / "card.png", *more)
        assert said.code == 1
        assert best["title"] in said.out
        assert "cannot be written" in said.err


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


def test_two_systems_are_asked_one_by_one_and_side_by_side(run: Run, tmp_path: Path) -> None:
    clip, *_ = write_some(tmp_path / "tunes", 0, 1, 2)
    assert len(run("add", tmp_path / "tunes", "--json").json["added"]) == 3
    by_picture = run("recommend", clip, "--offline", "--by", "spectrogram", "--json").json
    assert len(by_picture["picks"]) == 2
    [note] = [note for note in by_picture["notes"] if "spectrogram" in note]
    assert note == "409 songs have no spectrogram here, so I could not compare them by it."
    by_features = run("recommend", clip, "--offline", "--by", "features", "--json").json
    assert len(by_features["picks"]) == 5
    assert run("recommend", clip, "--by", "smell").code == 2

    found = run("compare-systems", clip, "--offline", "--json").json
    assert {song["id"] for song in found["by_spectrogram"]} == {
        pick["id"] for pick in by_picture["picks"]
    }
    assert (found["shared"], found["jaccard"], found["among"]) == (2, 1.0, 2)
    assert found["left_out"] == 409
    printed = run("compare-systems", clip, "--offline").out
    assert "by spectrogram" in printed
    assert "2 in both lists, Jaccard 1.00" in printed


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc")
def test_what_was_started_to_hear_a_file_is_ended_if_none_was_heard(
    run: Run, tmp_path: Path
) -> None:
    before, clip = _children(), tmp_path / "clip.mp3"
    clip.write_text(WEB_PAGE)
    assert run("recommend", clip, "--offline").code == NotAudio.exit_code
    (tmp_path / "config.toml").write_text("[paths]\nno = 1\n")
    assert run("recommend", clip, "--offline").code == SettingsError.exit_code
    assert _children() <= before


def _children() -> set[str]:
    tasks = Path("/proc/self/task").glob("*/children")
    return set(" ".join(task.read_text("ascii") for task in tasks).split())
