"""What members read does not repeat itself: counted on real answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from musrec.evaluate.report import Report
from musrec.evaluate.sentences import ASKED, run


@pytest.fixture(scope="module")
def reports(shared_data: Path) -> tuple[Report, ...]:
    return run(shared_data, reasons=200)


def test_no_answer_says_a_sentence_twice(reports: tuple[Report, ...]) -> None:
    assert [row[0] for row in reports[0].rows] == [*ASKED, "all"]
    assert [row[3] for row in reports[0].rows] == [0] * 4


def test_no_first_word_and_no_shape_begins_to_bore(reports: tuple[Report, ...]) -> None:
    for report in reports[1:]:
        named = [row for row in report.rows if not str(row[0]).endswith("others")]
        assert sum(float(row[2] or 0) for row in report.rows) == pytest.approx(1)
        assert len(named) >= 15
        assert max(float(row[2] or 0) for row in named) < 0.25
    shapes = "\n".join(str(row[0]) for row in reports[2].rows)
    assert "“" not in shapes
