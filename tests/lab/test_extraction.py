"""Clips are cleaned with a reason and measured once, with librosa's own values."""

from __future__ import annotations

import shutil
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile

from musrec.audio import constant_q, decode, features, rhythm
from musrec.lab import datasets, extraction
from musrec.lab.extraction import Measured
from musrec.model import MusrecError

RATE = 22_050


def noise(
    seconds: float, level: float = 0.1, seed: int = 0
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.random.default_rng(seed).normal(0, level, int(seconds * RATE))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two labels with one fault of each kind."""
    (tmp_path / "in" / "a").mkdir(parents=True)
    (tmp_path / "in" / "b").mkdir()
    for name, samples in (
        ("a/Ann - one", noise(4)),
        ("a/Ann - same", noise(4)),
        ("a/Ann - short", noise(1.5)),
        ("b/Ben - silent", noise(4, 1e-6)),
        ("b/Ben - two", noise(4, seed=1)),
    ):
        soundfile.write(tmp_path / "in" / f"{name}.wav", samples, RATE)
    (tmp_path / "in" / "b" / "Ben - broken.mp3").write_bytes(b"ID3 this is not music" * 50)
    return tmp_path / "in"


def test_each_fault_has_its_reason(folder: Path, tmp_path: Path) -> None:
    measured = extraction.extract(datasets.read(folder), tmp_path / "cache", workers=1)
    assert [clip.id for clip in measured.clips] == ["a/Ann - one", "b/Ben - two"]
    told = {fault.what: fault.reason for fault in measured.faults}
    assert told["a/Ann - same"] == "the same recording as a/Ann - one"
    assert told["a/Ann - short"] == "too short: 1.5 s"
    assert told["b/Ben - silent"] == "silent"
    assert "b/Ben - broken" in told


def test_what_was_measured_is_not_measured_again(folder: Path, tmp_path: Path) -> None:
    first = extraction.extract(datasets.read(folder), tmp_path / "cache", workers=1)
    before = {file: file.stat().st_mtime_ns for file in first.mels}
    moved = folder.rename(tmp_path / "moved")
    again = extraction.extract(datasets.read(moved), tmp_path / "cache", workers=1)
    assert {file: file.stat().st_mtime_ns for file in again.mels} == before
    np.testing.assert_array_equal(first.statistics, again.statistics)


def test_a_file_cut_off_while_it_was_written_is_measured_again(
    folder: Path, tmp_path: Path
) -> None:
    first = extraction.extract(datasets.read(folder), tmp_path / "cache", workers=1)
    for file in (first.mels[0], first.mels[1].with_suffix(".npz")):
        file.write_bytes(file.read_bytes()[:100])
    again = extraction.extract(datasets.read(folder), tmp_path / "cache", workers=1)
    np.testing.assert_array_equal(first.mel(0), again.mel(0))
    np.testing.assert_array_equal(first.statistics, again.statistics)


def test_workers_measure_the_same(folder: Path, tmp_path: Path) -> None:
    alone = extraction.extract(datasets.read(folder), tmp_path / "one", workers=1)
    together = extraction.extract(datasets.read(folder), tmp_path / "two", workers=2)
    np.testing.assert_array_equal(alone.statistics, together.statistics)
    assert alone.faults == together.faults


def test_nothing_usable_is_an_error_that_names_the_first(folder: Path, tmp_path: Path) -> None:
    for file in folder.rglob("*.wav"):
        file.unlink()
    with pytest.raises(MusrecError, match="Ben - broken"):
        extraction.extract(datasets.read(folder), tmp_path / "cache", workers=1)


def test_the_other_two_chromagrams_are_those_of_librosa(shared_data: Path) -> None:
    data = (shared_data / "music" / "alexander-ehlers--flags.ogg").read_bytes()
    y = decode.decode(data, seconds=20).y
    chroma = constant_q.chroma(features.spectra(y))
    theirs = librosa.feature.chroma_cqt(y=y)
    ours = extraction.peak_normalised(chroma)
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.999
    cens = librosa.feature.chroma_cens(y=y)
    assert np.corrcoef(extraction.cens(chroma).ravel(), cens.ravel())[0, 1] > 0.995


def test_families_of_features_are_found_by_name() -> None:
    names = np.array(extraction.NAMES)
    assert set(names[extraction.columns(["zcr"])]) == {
        f"zero_crossing_rate_{moment}" for moment in features.MOMENTS
    }
    assert len(extraction.columns(["chroma_stft", "chroma_cens"])) == 2 * 12 * 7
    assert len(extraction.columns()) == len(names)
    with pytest.raises(MusrecError, match="chroma_xyz"):
        extraction.columns(["chroma_xyz"])


def test_local_tempi_are_those_of_the_clicks() -> None:
    y = np.zeros(20 * RATE, np.float32)
    for beat in range(40):  # 120 a minute
        y[beat * RATE // 2 : beat * RATE // 2 + 400] = noise(400 / RATE, 0.5)[:400]
    tempo, steadiness = extraction.tempi(rhythm.onsets(features.spectra(y).mel))
    np.testing.assert_allclose(tempo, 120, rtol=0.03)
    assert steadiness.min() > 0.5
    silent = extraction.tempi(np.zeros((3, 100), np.float32))
    np.testing.assert_array_equal(silent, 0)


def test_the_product_finds_its_own_statistics_among_them() -> None:
    assert set(features.STATISTIC_NAMES) <= set(extraction.NAMES)


def test_a_full_cache_folder_is_told(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(MusrecError, match="cannot be made"):
        extraction.extract(datasets.read(folder), tmp_path / "cache", workers=1)


def test_clips_of_real_music_have_pictures_between_dark_and_light(cuts: Measured) -> None:
    assert cuts.pictures.min() >= 0
    assert cuts.pictures.max() <= 1
    assert cuts.pictures.mean(axis=(1, 2)).min() > 0.05


def test_a_copy_under_another_name_is_the_same_recording(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "b" / "Ben - two.wav", folder / "a" / "Copy - of two.wav")
    measured = extraction.extract(datasets.read(folder), tmp_path / "cache", workers=1)
    told = {fault.what: fault.reason for fault in measured.faults}
    assert told["b/Ben - two"] == "the same recording as a/Copy - of two"


def test_mel_spectrograms_alone_are_those_of_the_whole(folder: Path, tmp_path: Path) -> None:
    data = datasets.read(folder)
    first = extraction.extract(data, tmp_path / "cache", workers=1, only_mels=True)
    assert first.statistics.shape == (2, 0)
    before = {file: file.stat().st_mtime_ns for file in first.mels}
    whole = extraction.extract(data, tmp_path / "cache", workers=1)
    assert (whole.mels, whole.faults) == (first.mels, first.faults)
    assert {file: file.stat().st_mtime_ns for file in whole.mels} == before
    assert np.isfinite(whole.statistics).all()
    again = extraction.extract(data, tmp_path / "cache", workers=1, only_mels=True)
    np.testing.assert_array_equal(again.mel(0), whole.mel(0))


def test_the_mel_spectrogram_in_single_precision_is_the_one_that_is_heard(
    shared_data: Path,
) -> None:
    for name in ("alexander-ehlers--flags.ogg", "us-army-strings--hungarian-dance-5.flac"):
        y = decode.decode((shared_data / "music" / name).read_bytes(), seconds=20).y
        heard = features.spectra(y).mel_db
        np.testing.assert_allclose(features.mel_decibels(y), heard - heard.max(), atol=1e-3)


def test_clips_are_measured_again_once_the_tagger_is_installed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if extraction.tagger_or_none() is None:
        pytest.skip("the tagger is not installed: `musrec models install`")
    data = datasets.read(folder)
    with monkeypatch.context() as without:
        without.setenv("MUSREC_CACHE", str(tmp_path / "no models"))
        extraction.tagger_or_none.cache_clear()
        bare = extraction.extract(data, tmp_path / "cache", workers=1)
    extraction.tagger_or_none.cache_clear()
    assert np.isnan(bare.tags).all()
    again = extraction.extract(data, tmp_path / "cache", workers=1)
    assert np.isfinite(again.tags).all()
    np.testing.assert_array_equal(again.statistics, bare.statistics)


def test_a_full_disk_keeps_what_was_measured(folder: Path, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="limits of a process are POSIX")
    data, limits = datasets.read(folder), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(MusrecError, match="cannot be written"):
            extraction.extract(data, tmp_path / "cache", workers=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list((tmp_path / "cache").rglob("*.part"))
    assert len(extraction.extract(data, tmp_path / "cache", workers=1)) == 2
