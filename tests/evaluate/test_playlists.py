from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from musrec.evaluate import playlists
from musrec.model import NotFound


def write(folder: Path, songs: list[tuple[object, ...]]) -> None:
    with gzip.open(folder / "spotify_songs.csv.gz", "wt", newline="") as file:
        out = csv.writer(file)
        out.writerow(["track_id", "playlist_id", *playlists.FEATURES])
        out.writerows(songs)


def test_playlists_of_one_sound_are_continued(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(8, len(playlists.FEATURES)))
    songs = [
        (f"t{p}-{i}", f"p{p}", *(centres[p] + 0.3 * rng.normal(size=centres.shape[1])))
        for p in range(8)
        for i in range(40)
    ]
    write(tmp_path, [*songs, ("broken", "p1", *["?"] * len(playlists.FEATURES))])
    (report,) = playlists.run(tmp_path, seeds=(0,))
    found: dict[Any, Any] = {row[0]: row[1] for row in report.rows}
    assert found["cosine"] > 0.8
    assert found["correlation"] > 0.8
    assert found["random"] < 0.2
    assert "320 songs, 8 playlists" in report.protocol


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="spotify_songs"):
        playlists.run(tmp_path)
