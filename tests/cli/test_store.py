"""The store is saved and brought back; nothing is replaced unless that is asked for."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from tests.support.running import Ran, Run, write_some


@pytest.fixture
def run(run: Run) -> Run:
    """Run a command, and forget what it leaves: in a process of its own, that would end with it.

    A statement of SQLite's that was cut off holds its file until it is collected.
    """

    def alone(*arguments: str | Path) -> Ran:
        ran = run(*arguments)
        gc.unfreeze()
        gc.collect()
        return ran

    return alone


def test_what_was_kept_comes_back(run: Run, tmp_path: Path) -> None:
    write_some(tmp_path / "tunes", 0)
    [song] = run("add", tmp_path / "tunes", "--json").json["added"]
    assert run("like", song["id"], "--as", "me").code == 0
    saved = run("backup", "kept.db", "--json").json
    assert saved["bytes"] == (tmp_path / "kept.db").stat().st_size
    again = run("backup", "kept.db")
    assert again.code != 0
    assert "--force" in again.err
    assert run("backup", "kept.db", "--force").code == 0

    assert run("unthumb", song["id"], "--as", "me").code == 0
    refused = run("restore", "kept.db", "--json")
    assert refused.json["error"] == "StoreError"
    assert "--force" in refused.json["hint"]
    assert run("restore", "kept.db", "--force", "--json").json["file"] == "kept.db"
    assert "(as before)" in run("like", song["id"], "--as", "me").out


def test_what_is_no_backup_is_refused_and_the_store_stays(run: Run, tmp_path: Path) -> None:
    assert run("doctor").code == 0
    (tmp_path / "notes.txt").write_text("certainly no database" * 500)
    refused = run("restore", "notes.txt", "--force")
    assert "not a database" in refused.err
    assert run("doctor").code == 0


def test_a_store_moves_to_postgresql_and_is_found_there(
    run: Run, tmp_path: Path, data: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_some(tmp_path / "tunes", 0)
    [song] = run("add", tmp_path / "tunes", "--json").json["added"]
    assert run("like", song["id"], "--as", "me").code == 0
    source = f"sqlite+aiosqlite:///{data / 'musrec.db'}"
    assert run("store", "copy", source, postgres_url, "--json").json["rows"]["feedback"] == 1
    refused = run("store", "copy", source, "mysql://elsewhere")
    assert "begins with" in refused.err
    monkeypatch.setenv("MUSREC_STORE__URL", postgres_url)
    assert "(as before)" in run("like", song["id"], "--as", "me").out
