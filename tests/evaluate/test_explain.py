"""Cards name what counted: checked by building everything again without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from musrec.evaluate.explain import run
from musrec.evaluate.report import Report


@pytest.fixture(scope="module")
def reports(shared_data: Path) -> tuple[Report, ...]:
    return run(shared_data, queries=12, rebuilt=20)


def test_without_what_is_named_a_pick_ranks_lower(reports: tuple[Report, ...]) -> None:
    truth = {str(row[0]): row for row in reports[0].rows}["all"]
    named, falls = truth[1], truth[2]
    assert isinstance(named, int)
    assert isinstance(falls, float)
    assert named >= 20
    assert falls >= 0.98


def test_what_is_named_counts_for_more_than_anything_else(reports: tuple[Report, ...]) -> None:
    areas = {(str(row[0]), str(row[1])): float(row[3] or 0) for row in reports[1].rows}
    for curve in ("deletion", "insertion"):
        others = max(areas[curve, way] for way in ("random", "unnamed"))
        assert areas[curve, "named"] > 2 * others
