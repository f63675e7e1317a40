"""Claims stand beside figures that reports left, and beside nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from musrec.lab import seeds

MODELS = ["model", "accuracy", "95% CI", "gap"]


def write(folder: Path, name: str, tables: list[dict[str, Any]], layout: str = "gtzan") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"Layout": layout, "Clips": "12 clips"}
    report = json.dumps({"title": "", "facts": facts, "tables": tables})
    (folder / f"{name}.json").write_text(report)


def models(*rows: list[Any]) -> list[dict[str, Any]]:
    return [{"title": "Models", "columns": MODELS, "rows": rows}]


def said(data: Path, results: Path, claim: str) -> tuple[Any, ...]:
    [row] = [row for row in seeds.table(data, results).rows if row[1] == claim]
    return row[2:4]


CNN = "a CNN on mel spectrograms beats feature models"
FMA = "networks reach 67% of FMA-small"


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ("0.700 to 0.800", "holds"),
        ("0.100 to 0.200", "does not hold"),
        ("0.450 to 0.650", "cannot be told"),
    ],
)
def test_a_verdict_follows_from_the_intervals(tmp_path: Path, interval: str, verdict: str) -> None:
    feature = ["lr", 0.55, "0.500 to 0.600", None]
    write(tmp_path / "lab", "compare", models(["cnn", 0.6, interval, None], feature))
    measured, why = said(tmp_path, tmp_path / "lab", CNN)
    assert measured == f"cnn 0.600 ({interval}), lr 0.550 (0.500 to 0.600)"
    assert why == f"{verdict}; 12 clips"


@pytest.mark.parametrize(
    ("order", "interval", "verdict"),
    [
        (("lr", "cnn"), "+0.020 to +0.191", "does not hold"),
        (("cnn", "lr"), "+0.020 to +0.191", "holds"),
        (("lr", "cnn"), "-0.009 to +0.143", "cannot be told"),
    ],
)
def test_a_paired_difference_tells_more_than_two_intervals(
    tmp_path: Path, order: tuple[str, str], interval: str, verdict: str
) -> None:
    rows = ["cnn", 0.5, "0.400 to 0.600", None], ["lr", 0.55, "0.450 to 0.650", None]
    columns = ["first", "second", "difference", "95% CI", "better"]
    pairs = {"title": "Differences", "columns": columns, "rows": [[*order, 0.1, interval, ""]]}
    write(tmp_path / "lab", "compare", [*models(*rows), pairs])
    assert said(tmp_path, tmp_path / "lab", CNN)[1] == f"{verdict}; 12 clips"


def test_what_was_not_run_and_what_is_missing_are_told_apart(tmp_path: Path) -> None:
    assert said(tmp_path, tmp_path / "lab", CNN)[1].startswith("missing: GTZAN")
    (tmp_path / "gtzan").mkdir()
    assert said(tmp_path, tmp_path / "lab", CNN) == (None, "not run yet")
    assert said(tmp_path, tmp_path / "lab", FMA)[1].startswith("missing: FMA-small")
    assert "ratings" in said(tmp_path, tmp_path / "lab", "listeners are satisfied")[1]


def test_a_claim_about_fma_is_measured_on_fma_alone(tmp_path: Path) -> None:
    row = ["cnn", 0.7, "0.680 to 0.720", None]
    write(tmp_path / "lab", "compare", models(row))
    assert said(tmp_path, tmp_path / "lab", FMA)[0] is None
    write(tmp_path / "lab" / "fma", "compare", models(row), "fma")
    assert said(tmp_path, tmp_path / "lab", FMA)[1] == "holds; 12 clips"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"facts": {}, "tables": [{"title": "Models"}]}'])
def test_files_that_are_no_reports_are_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "gtzan").mkdir()
    (tmp_path / "compare.json").write_text(text)
    assert said(tmp_path, tmp_path, CNN) == (None, "not run yet")
