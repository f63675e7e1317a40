"""Tables are read completely, or refused with a message that names the place."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from musrec.audio.features import STATISTIC_NAMES
from musrec.evaluate import tables
from musrec.model import MusrecError, NotFound

CLIPS = "clip,genre,artist,title,split\na.1,jazz,Ann,One,train\nb.2,rock,,,valid\n"
STATISTICS = (
    "clip,spectral_roll_of_mean,mfcc_1_std,tonnetz_1_mean\na.1,3000,20,.1\nb.2,4000,30,.2\n"
)


def packed(text: bytes) -> bytes:
    return gzip.compress(text, mtime=0)  # the same bytes, and so the same test, at any time


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clips.csv").write_text(CLIPS)
    (tmp_path / "librosa_statistics.csv.gz").write_bytes(packed(STATISTICS.encode()))
    patches = np.linspace(0, 1, 150, dtype=np.float32).reshape(3, 50)
    ids = np.array(["jazz/a.1.au", "jazz/a.1.au", "pop/unknown.9.au"])
    np.savez(tmp_path / "musicnn_taggrams_test.npz", X=patches, IDS=ids)
    return tmp_path


def test_tables_are_read_under_our_names(folder: Path) -> None:
    read = tables.load(folder)
    column = STATISTIC_NAMES.index
    assert read.statistics[:, column("spectral_rolloff_mean")].tolist() == [3000, 4000]
    assert read.statistics[:, column("mfcc_1_std")].tolist() == [20, 30]
    # Their tonnetz is that of a constant-Q chromagram, counted from one.
    np.testing.assert_allclose(read.statistics[:, column("tonnetz_cq_0_mean")], [0.1, 0.2])
    assert np.isnan(read.statistics[:, column("tonnetz_1_mean")]).all()
    assert read.table.shape == (2, 3)
    assert read.tagged.tolist() == [True, False]
    with np.load(folder / "musicnn_taggrams_test.npz") as arrays:
        np.testing.assert_allclose(read.tag_mean[0], arrays["X"][:2].mean(axis=0), atol=1e-6)
        np.testing.assert_allclose(read.tag_std[0], arrays["X"][:2].std(axis=0), atol=1e-6)
    assert read.performers.tolist() == ["ann", "? rock"]
    assert read.split("valid").clips.tolist() == ["b.2"]
    with pytest.raises(MusrecError, match=r"'test'.*train, valid"):
        read.split("test")


def test_tags_and_split_may_be_missing(folder: Path) -> None:
    (folder / "musicnn_taggrams_test.npz").unlink()
    (folder / "clips.csv").write_text("clip,genre,artist,title\na.1,jazz,Ann,One\n")
    read = tables.load(folder)
    assert not read.tagged.any()
    assert read.splits.tolist() == [""]


def test_statistics_may_be_missing_if_there_are_tags(folder: Path) -> None:
    (folder / tables.STATISTICS).unlink()
    read = tables.load(folder)
    assert not read.measured.any()
    assert read.tagged.tolist() == [True, False]
    (folder / "musicnn_taggrams_test.npz").unlink()
    with pytest.raises(NotFound, match=r"neither librosa_statistics\.csv\.gz nor taggrams"):
        tables.load(folder)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("clips.csv", "clip,genre\na,b\n", "artist, title"),
        ("clips.csv", "clip,genre,artist,title\n", "no clips"),
        ("clips.csv", CLIPS + "a.1,jazz,Ann,Again,train\n", "line 4: a.1 is listed twice"),
        ("clips.csv", CLIPS + ",jazz,,,\n", "line 4: clip or genre is empty"),
        ("clips.csv", CLIPS + "c.3,jazz,,,\n", "lacks 1 clips"),
        ("clips.csv", b"\xff\xfe\xfa", "cannot be read"),
        ("librosa_statistics.csv.gz", b"not gzip", "cannot be read"),
        ("librosa_statistics.csv.gz", packed(b"song,x\n"), "first line"),
        ("librosa_statistics.csv.gz", packed(b"clip,x\na.1,one\n"), "line 2: a cell"),
        ("librosa_statistics.csv.gz", packed(b"clip,x\na.1,inf\n"), "line 2: a number"),
        ("librosa_statistics.csv.gz", packed(b"clip,x\na.1\n"), "line 2: 1 cells"),
        ("librosa_statistics.csv.gz", packed(b"clip,x\na.1,1\nb.2,2\n"), "None of the"),
        ("librosa_statistics.csv.gz", packed(b"clip,x\na.1,1\n")[:-4], "cannot be read"),
        ("musicnn_taggrams_test.npz", b"PK", "needs X and IDS"),
    ],
)
def test_an_error_names_its_place(folder: Path, file: str, content: str | bytes, said: str) -> None:
    data = content if isinstance(content, bytes) else content.encode()
    (folder / file).write_bytes(data)
    with pytest.raises(MusrecError, match=said):
        tables.load(folder)


@pytest.mark.parametrize(
    "arrays",
    [
        {"X": np.zeros((2, 49), np.float32), "IDS": np.array(["a", "b"])},
        {"X": np.zeros((2, 50), np.float32), "IDS": np.array(["a"])},
        {"X": np.full((1, 50), 1.5, np.float32), "IDS": np.array(["a"])},
        {"X": np.full((1, 50), np.nan, np.float32), "IDS": np.array(["a"])},
        {"X": np.array([{}]), "IDS": np.array(["a"])},
    ],
)
def test_wrong_taggrams_are_refused(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez(folder / "musicnn_taggrams_test.npz", X=arrays["X"], IDS=arrays["IDS"])
    with pytest.raises(MusrecError, match="musicnn_taggrams_test"):
        tables.load(folder)
