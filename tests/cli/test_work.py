"""Jobs are done by a process of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.running import Run, write_some


def test_what_was_left_for_later_is_done_and_counted(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSREC_CATALOGUE__EXPLORE_PER_DAY", "24")
    monkeypatch.setenv("MUSREC_CATALOGUE__STARTER", "false")
    write_some(tmp_path / "tunes", 0)
    assert run("add", tmp_path / "tunes").code == 0
    found = run("work", "--until-empty", "--json").json
    assert found["jobs"]["explore"]["done"] == 1
    assert run("work", "--until-empty").out == "Did 0 jobs; no other is due.\n"
    jobs = run("doctor", "--json").json["Jobs"]
    assert "1 done since yesterday" in jobs["explore"]
    assert run("work", "--jobs", "0").code != 0
