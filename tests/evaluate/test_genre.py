"""Genre is measured on unseen artists, with baselines and with the leak of a random split."""

from __future__ import annotations

import csv
import gzip
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from musrec.evaluate import genre, similarity
from musrec.evaluate.report import Report
from musrec.model import NotFound


def column(report: Report, name: str) -> dict[tuple[Any, Any], Any]:
    at = report.columns.index(name)
    return {(row[0], row[1]): row[at] for row in report.rows}


@pytest.fixture(scope="module")
def report(shared_data: Path) -> Report:
    return genre.run(None, shared_data / "gtzan", seeds=1)


def test_the_full_head_beats_statistics_on_unseen_artists(report: Report) -> None:
    accuracy = column(report, "accuracy")
    of = {name: value for (name, where), value in accuracy.items() if where == "cross-validation"}
    assert of["head `full`"] > 0.75
    assert of["head `full`"] > of["50 tags, mean and deviation, LR"]
    assert of["head `statistics`"] > of["147 statistics, kNN 5"]
    assert of["head `full`"] - of["head `statistics`"] > 0.2


def test_random_splits_flatter_every_system(report: Report) -> None:
    gaps = [value for value in column(report, "gap").values() if value is not None]
    assert len(gaps) == 6
    assert min(gaps) > 0.05


def test_the_head_is_calibrated_and_right_when_it_is_sure(report: Report) -> None:
    key = ("head `full`", "cross-validation")
    assert column(report, "ECE")[key] < 0.06
    assert column(report, "right where named")[key] > column(report, "accuracy")[key] + 0.03
    assert 0.5 < column(report, "named")[key] < 1


def test_validation_clips_are_classified_by_the_shipped_heads(report: Report) -> None:
    of = column(report, "accuracy")
    assert of["head `statistics` (shipped)", "valid"] > of["147 statistics, kNN 5", "valid"]
    assert ("head `full` (shipped)", "valid") not in of, "they have no tags"


def other_tables(source: Path, to: Path, *, tags: bool) -> Path:
    """Write tables of the same form whose clips have other names, so that none of them is known."""
    to.mkdir()
    with (source / "clips.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "train"]
    with (to / "clips.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows({**row, "clip": f"x{row['clip']}", "split": "test"} for row in rows)
    with gzip.open(source / "librosa_statistics.csv.gz", "rt") as stream:
        head, *lines = stream.read().splitlines()
    with gzip.open(to / "librosa_statistics.csv.gz", "wt") as stream:
        stream.write("\n".join([head, *(f"x{line}" for line in lines)]))
    if tags:
        with np.load(source / "musicnn_taggrams_train.npz") as arrays:
            names = np.array([str(i).replace("/", "/x") for i in arrays["IDS"]])
            np.savez(to / "musicnn_taggrams_test.npz", X=arrays["X"], IDS=names)
    return to


@pytest.mark.parametrize("tags", [True, False])
def test_other_tables_are_classified_by_the_shipped_heads(
    shared_data: Path, tmp_path: Path, tags: bool
) -> None:
    folder = other_tables(shared_data / "gtzan", tmp_path / "other", tags=tags)
    report = genre.run(folder, shared_data / "gtzan")
    of = column(report, "accuracy")
    assert {where for _, where in of} == {"test"}
    assert (("head `full` (shipped)", "test") in of) == tags
    # The clips are those that the heads were made from, under other names: the report says so.
    assert of["head `statistics` (shipped)", "test"] > 0.6
    assert any("by artists of the starter" in note for note in report.notes)


def test_tables_without_statistics_are_measured_by_their_tags(
    shared_data: Path, tmp_path: Path
) -> None:
    folder = other_tables(shared_data / "gtzan", tmp_path / "other", tags=True)
    (folder / "librosa_statistics.csv.gz").unlink()
    for run in (genre.run, similarity.run):
        report = run(folder, folder)
        systems = {str(row[0]).removesuffix(" (shipped)") for row in report.rows}
        assert {name for name in systems if "statistics" in name} == set()
        assert {"head `full`", "space `full`"} & systems
        assert "443 clips have no statistics" in report.notes[-1]


def test_tables_with_too_few_clips_are_refused(shared_data: Path, tmp_path: Path) -> None:
    shutil.copy(shared_data / "gtzan" / "librosa_statistics.csv.gz", tmp_path)
    with (shared_data / "gtzan" / "clips.csv").open() as stream:
        lines = [line for line in stream if line.startswith("clip,") or ",train" in line][:5]
    (tmp_path / "clips.csv").write_text("".join(lines))
    with pytest.raises(NotFound, match="too few clips"):
        genre.run(tmp_path, tmp_path)
