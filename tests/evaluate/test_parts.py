"""What rhythm and harmony are worth, measured as the documents quote it."""

from __future__ import annotations

from pathlib import Path

from musrec.evaluate.parts import run
from musrec.space import parts
from musrec.train.parts import train


def test_the_shipped_weights_are_those_that_training_chooses_and_cost_nothing(
    shared_data: Path, tmp_path: Path
) -> None:
    report = train(shared_data / "gtzan", tmp_path / parts.FILE)
    shipped = Path(parts.__file__).with_name(parts.FILE).read_text("utf-8")
    assert (tmp_path / parts.FILE).read_text("utf-8") == shipped
    (chosen,) = [row for row in report.rows if row[-1] == "yes"]
    alone = report.rows[0]
    for column in (2, 3):
        assert chosen[column] >= alone[column]  # type: ignore[operator]
    assert min(parts.weights().values()) > 0


def test_rhythm_and_harmony_continue_playlists_better(shared_data: Path) -> None:
    _, playlists = run(shared_data, seeds=(0,))
    recall = {str(row[0]): float(row[3] or 0) for row in playlists.rows}
    assert recall["as shipped"] > recall["vector alone"]
    assert recall["and rhythm"] > recall["vector alone"]
