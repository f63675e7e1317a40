"""Tonnetz of a constant-Q transform equals librosa's, on real music and on other sounds."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from musrec.audio import constant_q, features
from musrec.audio.decode import decode
from musrec.model import SAMPLE_RATE

CLIPS = (
    "alexander-ehlers--flags.ogg",
    "johan-brodd-jobromedia--invincible.flac",
    "fairy-bot-orchestra--heaven-can-t-wait.mp3",
    "us-army-strings--hungarian-dance-5.flac",
)


def check_against_librosa(y: np.ndarray, closeness: float) -> None:
    import librosa

    expected = librosa.feature.tonnetz(y=y, sr=SAMPLE_RATE)
    measured = constant_q.tonnetz(features.spectra(y))
    assert measured.shape == expected.shape
    for ours, theirs in zip(measured, expected, strict=True):
        assert np.corrcoef(ours, theirs)[0, 1] > closeness
        assert ours.mean() == pytest.approx(theirs.mean(), abs=0.03 * theirs.std())
        assert ours.std() == pytest.approx(theirs.std(), rel=0.03)


@pytest.mark.parametrize("clip", CLIPS)
def test_every_frame_is_that_of_librosa(music: Path, clip: str) -> None:
    check_against_librosa(decode((music / clip).read_bytes(), seconds=12).y, closeness=0.995)


def test_a_tuned_down_song_is_heard_in_its_own_tuning(music: Path) -> None:
    import librosa

    y = decode((music / CLIPS[0]).read_bytes(), seconds=10).y
    down = librosa.resample(y, orig_sr=SAMPLE_RATE, target_sr=int(SAMPLE_RATE * 1.012))
    check_against_librosa(down, closeness=0.99)


def test_published_statistics_of_the_same_recording_agree(shared_data: Path) -> None:
    """An independent table, all seven moments."""
    clip = "blues.00000"
    with gzip.open(shared_data / "gtzan" / "librosa_statistics.csv.gz", "rt") as table:
        names = table.readline().rstrip().split(",")
        row = next(line for line in table if clip in line).rstrip().split(",")
    published = dict(zip(names, row, strict=True))
    y = decode((shared_data / "gtzan" / "audio" / f"{clip}.flac").read_bytes(), seconds=31).y
    spectra = features.spectra(y)
    values = features.statistics(spectra, constant_q.tonnetz(spectra))
    ours = dict(zip(features.STATISTIC_NAMES, values, strict=True))
    for i in range(6):
        spread = float(published[f"tonnetz_{i + 1}_std"])
        for moment in ("mean", "std", "median", "min", "max"):
            theirs = float(published[f"tonnetz_{i + 1}_{moment}"])
            assert ours[f"tonnetz_cq_{i}_{moment}"] == pytest.approx(theirs, abs=0.1 * spread)


@pytest.mark.filterwarnings("error")
def test_silence_has_no_tonal_centre() -> None:
    silence = np.zeros(3 * SAMPLE_RATE, dtype=np.float32)
    assert not constant_q.tonnetz(features.spectra(silence)).any()
    tone = np.sin(2 * np.pi * 440 * np.arange(SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)
    partly = constant_q.tonnetz(features.spectra(np.concatenate([tone, silence])))
    assert partly[:, 20].any()
    assert not partly[:, -10:].any()
    shortest = constant_q.tonnetz(features.spectra(tone[: features.MINIMUM_SAMPLES]))
    assert np.isfinite(shortest).all()


def test_another_key_turns_the_circles() -> None:
    """Four semitones up is a third of the circle of major thirds: the same distance from it."""
    time = np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE

    def song(shift: int) -> np.ndarray:
        midi = np.array([48, 60, 64, 67]) + shift
        waves = np.sin(2 * np.pi * np.outer(440 * 2 ** ((midi - 69) / 12), time))
        return constant_q.tonnetz(features.spectra(waves.sum(axis=0).astype(np.float32)))

    low, high = song(0)[:, 40:120].mean(axis=1), song(4)[:, 40:120].mean(axis=1)
    assert np.abs(low - high).max() > 0.1
    for circle in (slice(0, 2), slice(2, 4), slice(4, 6)):
        assert np.hypot(*high[circle]) == pytest.approx(np.hypot(*low[circle]), rel=0.1)
