"""Similarity is measured on unseen artists, with hubness before and after correction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from musrec.evaluate import similarity
from musrec.evaluate.report import Report


@pytest.fixture(scope="module")
def report(shared_data: Path) -> Report:
    return similarity.run(None, shared_data / "gtzan", seeds=1)


def value(report: Report, system: str, distance: str, hubs: str, part: str, column: str) -> float:
    [row] = [row for row in report.rows if row[:4] == (system, distance, hubs, part)]
    cell = row[report.columns.index(column)]
    assert isinstance(cell, float)
    return cell


def test_the_full_space_beats_every_baseline(report: Report) -> None:
    at = report.columns.index("P@10")
    baselines: list[Any] = [
        row[at]
        for row in report.rows
        if "space" not in str(row[0]) and row[3] == "cross-validation"
    ]
    best = value(report, "space `full`", "cosine", "corrected", "cross-validation", "P@10")
    assert best > 0.73
    assert best > max(baselines) + 0.05
    assert value(
        report, "space `full`", "cosine", "corrected", "cross-validation", "own artist MRR"
    ) > value(
        report, "50 tags, mean", "cosine", "as they are", "cross-validation", "own artist MRR"
    )


@pytest.mark.parametrize("name", ["full", "statistics"])
def test_correction_cuts_hubs_and_keeps_precision(report: Report, name: str) -> None:
    key = (f"space `{name}`", "cosine")
    before, after = (
        {
            column: value(report, *key, hubs, "cross-validation", column)
            for column in ("P@10", "skew", "antihubs")
        }
        for hubs in ("as they are", "corrected")
    )
    assert after["P@10"] > before["P@10"] - 0.01
    assert after["skew"] < before["skew"]
    assert after["skew"] < 0.6
    assert after["antihubs"] <= 0.02


def test_the_default_distance_is_the_best_of_the_three(report: Report) -> None:
    scores = {
        distance: value(report, "space `full`", distance, "corrected", "cross-validation", "P@10")
        for distance in ("cosine", "correlation", "euclidean")
    }
    assert scores["cosine"] >= max(scores.values()) - 0.005


def test_validation_clips_have_no_tags_and_are_placed_by_statistics(report: Report) -> None:
    systems = {row[0] for row in report.rows if row[3] == "valid"}
    assert "space `statistics`" in systems
    assert not {"space `full`", "50 tags, mean"} & systems


def test_divergence_of_gaussians_is_the_textbook_one() -> None:
    # KL(N(0, 1), N(1, 4)) = (1/4 + 1/4 - 1 + ln 4) / 2; the other way (4 + 1 - 1 - ln 4) / 2.
    far = similarity.gaussian_divergence(
        np.array([[0, 1]], np.float32), np.array([[1, 2], [0, 1]], np.float32)
    )
    assert far[0].tolist() == pytest.approx([((0.5 - 1) / 2 + (5 - 1) / 2) / 2, 0], abs=1e-6)
