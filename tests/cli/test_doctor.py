"""What is missing is said, with what that means and how to get it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.running import Run


def test_without_the_tagger_it_is_said_what_that_means_and_how_to_get_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSREC_CACHE", str(tmp_path / "cache"))
    for ran in (run("doctor"), run("models", "status")):
        assert "musrec models install" in ran.out
        assert "by statistics alone" in ran.out


def test_the_store_is_named_and_so_is_every_service(run: Run, data: Path) -> None:
    found = run("doctor", "--json").json
    assert found["Store"]["address"] == f"sqlite+aiosqlite:///{data}/musrec.db"
    assert set(found) - {"To see to"} == {
        "musrec",
        "Store",
        "Ears",
        "Catalogue",
        "Jobs",
        "Services",
        "Programs",
    }
