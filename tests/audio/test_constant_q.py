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


def beside_librosa(y: np.ndarray) -> tuple[float, float, float]:
    """Return the least correlation of the six series, and the most that mean and deviation differ.

    Both differences are in deviations of librosa's series.
    """
    import librosa

    theirs = librosa.feature.tonnetz(y=y, sr=SAMPLE_RATE)
    ours = constant_q.tonnetz(features.spectra(y))
    assert ours.shape == theirs.shape
    alike = [np.corrcoef(pair)[0, 1] for pair in zip(ours, theirs, strict=True)]
    spread = theirs.std(axis=1)
    means = np.abs(ours.mean(axis=1) - theirs.mean(axis=1)) / spread
    deviations = np.abs(ours.std(axis=1) / spread - 1)
    return min(alike), means.max(), deviations.max()


@pytest.mark.parametrize("clip", CLIPS)
def test_every_frame_is_that_of_librosa(music: Path, clip: str) -> None:
    alike, mean, deviation = beside_librosa(decode((music / clip).read_bytes(), seconds=12).y)
    assert alike > 0.995
    assert max(mean, deviation) < 0.03


def test_a_tuned_down_song_is_heard_in_its_own_tuning(music: Path) -> None:
    import librosa

    y = decode((music / CLIPS[0]).read_bytes(), seconds=10).y
    down = librosa.resample(y, orig_sr=SAMPLE_RATE, target_sr=int(SAMPLE_RATE * 1.012))
    alike, mean, deviation = beside_librosa(down)
    assert alike > 0.99
    assert max(mean, deviation) < 0.03


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
