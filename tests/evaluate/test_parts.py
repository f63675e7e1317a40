"""What rhythm and harmony are worth, measured as the documents quote it."""

from __future__ import annotations

from pathlib import Path

import pytest

from musrec.evaluate.parts import run
from musrec.evaluate.report import Report
from musrec.model import NotFound
from musrec.space import parts
from musrec.train.parts import heard, train
from musrec.train.space import training_clips


@pytest.fixture(scope="module")
def reports(shared_data: Path) -> tuple[Report, ...]:
    return run(shared_data, seeds=(0,))


def test_the_shipped_weights_are_those_that_training_sets(
    shared_data: Path, tmp_path: Path
) -> None:
    train(shared_data / "gtzan", tmp_path / parts.FILE)
    shipped = Path(parts.__file__).with_name(parts.FILE).read_text("utf-8")
    assert (tmp_path / parts.FILE).read_text("utf-8") == shipped
    assert min(parts.weights().values()) > 0


def test_without_audio_there_is_nothing_to_weigh(shared_data: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="Too few"):
        heard(tmp_path, training_clips(shared_data / "gtzan"))


def test_rhythm_and_harmony_cost_neither_genres_nor_artists(reports: tuple[Report, ...]) -> None:
    artists, _ = reports
    quality = {str(row[0]): (float(row[3] or 0), float(row[5] or 0)) for row in artists.rows}
    for shipped, alone in zip(quality["as shipped"], quality["vector alone"], strict=True):
        assert shipped >= alone


def test_rhythm_and_harmony_continue_playlists_better(reports: tuple[Report, ...]) -> None:
    _, playlists = reports
    recall = {str(row[0]): float(row[3] or 0) for row in playlists.rows}
    assert recall["as shipped"] > recall["vector alone"]
    assert recall["and rhythm"] > recall["vector alone"]
