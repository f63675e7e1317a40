"""The demo runs on a machine without music."""

from __future__ import annotations

from pathlib import Path

from tests.support.running import Run


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
