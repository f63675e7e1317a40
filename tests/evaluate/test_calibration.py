"""What the words for closeness are worth, measured as the documents quote it."""

from __future__ import annotations

from pathlib import Path

from musrec.evaluate.closeness import run
from musrec.model import Closeness
from musrec.recommend import closeness
from musrec.train.closeness import write


def test_very_close_songs_are_related_and_a_stretch_is_not(
    shared_data: Path, tmp_path: Path
) -> None:
    folder = shared_data / "gtzan"
    report = run(folder)
    related = report.columns.index("artist or genre")
    shares = {(row[0], row[1], row[2]): row[related] for row in report.rows}
    for space, clips in {key[:2] for key in shares}:
        very, near, far = (shares[space, clips, str(word)] for word in Closeness)
        assert isinstance(very, float)
        assert isinstance(near, float)
        assert isinstance(far, float)
        assert very > 0.8 > near > 0.5 > far * 5
    written = write(folder, tmp_path / closeness.FILE)
    assert written.read_text("utf-8") == Path(closeness.__file__).with_name(
        closeness.FILE
    ).read_text("utf-8")
