"""Statistics equal librosa's own functions, called one by one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from musrec.audio import constant_q, features
from musrec.model import SAMPLE_RATE

ROOT = Path(__file__).resolve().parents[2]
CLIPS = (
    "alexander-ehlers--flags.ogg",
    "johan-brodd-jobromedia--invincible.flac",
    "fairy-bot-orchestra--heaven-can-t-wait.mp3",
    "us-army-strings--hungarian-dance-5.flac",
)


def librosa_series(y: np.ndarray) -> np.ndarray:
    """Each series by the librosa function of its name, from the samples."""
    import librosa
    from librosa.onset import onset_strength

    feature = librosa.feature
    mfcc = feature.mfcc(y=y)
    chroma = feature.chroma_stft(y=y)
    return np.vstack(
        [
            mfcc,
            feature.delta(mfcc),
            chroma,
            feature.tonnetz(chroma=chroma),
            feature.spectral_centroid(y=y),
            feature.spectral_bandwidth(y=y),
            feature.spectral_contrast(y=y),
            feature.spectral_rolloff(y=y),
            feature.spectral_flatness(y=y),
            feature.zero_crossing_rate(y),
            feature.rms(y=y),
            onset_strength(y=y),
        ]
    ).astype(np.float64)


def unlike_librosa(y: np.ndarray) -> dict[str, tuple[float, float]]:
    """Return our value and librosa's of everything in which they differ."""
    import librosa

    spectra = features.spectra(y)
    expected = librosa_series(y)
    scale = np.abs(expected).max(axis=1, keepdims=True)
    np.testing.assert_allclose(spectra.series / scale, expected / scale, atol=1e-4)

    moments = np.column_stack(
        [
            expected.mean(axis=1),
            expected.std(axis=1),
            scipy.stats.skew(expected, axis=1),
            scipy.stats.kurtosis(expected, axis=1),
            np.median(expected, axis=1),
            expected.min(axis=1),
            expected.max(axis=1),
        ]
    ).ravel()
    # The absolute part is for skewness and medians that are nothing but rounding beside a scale
    # of 1 to 100.
    named = dict(zip(features.STATISTIC_NAMES, features.statistics(spectra), strict=True))
    # Tonnetz of a constant-Q transform is heard by itself, and tested there.
    statistics = {name: value for name, value in named.items() if "_cq_" not in name}
    assert all(np.isnan(named[name]) for name in named.keys() - statistics.keys())
    compared = {
        name: (ours, theirs)
        for (name, ours), theirs in zip(statistics.items(), moments, strict=True)
    }
    compared["tempo"] = features.tempo(spectra.onset), librosa.feature.tempo(y=y)[0]
    power = np.abs(librosa.stft(y)) ** 2
    compared["tuning"] = spectra.tuning, librosa.estimate_tuning(S=power, bins_per_octave=12)
    return {
        name: (ours, theirs)
        for name, (ours, theirs) in compared.items()
        if abs(ours - theirs) > 1e-4 * abs(theirs) + 2e-6
    }


@pytest.mark.parametrize("clip", CLIPS)
def test_real_music_measures_as_librosa_does(music: Path, clip: str) -> None:
    import librosa

    y, _ = librosa.load(music / clip, sr=SAMPLE_RATE, duration=10)
    assert unlike_librosa(y) == {}


def test_silence_with_a_beat_in_it_measures_as_librosa_does() -> None:
    y = np.random.default_rng(1).normal(0, 1e-3, 3 * SAMPLE_RATE).astype(np.float32)
    y[SAMPLE_RATE:] = 0
    y[SAMPLE_RATE * 2 : SAMPLE_RATE * 2 + 500] = 0.7
    assert unlike_librosa(y) == {}


@pytest.mark.filterwarnings("ignore:Precision loss:RuntimeWarning")
def test_two_detuned_tones_measure_as_librosa_does() -> None:
    time = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    tones = 0.4 * np.sin(2 * np.pi * 446 * time) + 0.3 * np.sin(2 * np.pi * 1338 * time)
    noise = np.random.default_rng(2).normal(0, 1e-3, time.size)
    assert unlike_librosa((tones + noise).astype(np.float32)) == {}


def test_gtzan_table_agrees(shared_data: Path) -> None:
    """An independent table of librosa statistics of the same recordings."""
    import gzip

    import librosa

    clip = "blues.00000"
    with gzip.open(shared_data / "gtzan" / "librosa_statistics.csv.gz", "rt") as table:
        names = table.readline().rstrip().split(",")
        row = next(line for line in table if clip in line).rstrip().split(",")
    published = dict(zip(names, row, strict=True))
    y, _ = librosa.load(shared_data / "gtzan" / "audio" / f"{clip}.flac", sr=None)
    ours = dict(
        zip(features.STATISTIC_NAMES, features.statistics(features.spectra(y)), strict=True)
    )
    shared = {name.replace("rolloff", "roll_of") for name in ours} & set(published)
    # Its tonnetz came from a constant-Q chroma, that of `spectra` from the shared transform.
    comparable = [name for name in shared if "tonnetz" not in name]
    assert len(comparable) == 15 * len(features.MOMENTS)
    for column in sorted(name for name in comparable if name.endswith(("_mean", "_std"))):
        value = ours[column.replace("roll_of", "rolloff")]
        assert value == pytest.approx(float(published[column]), rel=2e-3), column


@pytest.mark.filterwarnings("error")
def test_digital_silence_has_finite_statistics() -> None:
    spectra = features.spectra(np.zeros(SAMPLE_RATE, dtype=np.float32))
    statistics = features.statistics(spectra, constant_q.tonnetz(spectra))
    assert np.isfinite(statistics).all()
    assert not features.spectrogram(spectra).mel.any()


def test_what_librosa_compiles_is_kept_in_our_cache(tmp_path: Path) -> None:
    """Its own folder and the home of the user that a service runs as are often read-only."""
    code = "import musrec.audio, librosa.filters"
    environment = {**os.environ, "MUSREC_CACHE": str(tmp_path)}
    environment.pop("NUMBA_CACHE_DIR", None)
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, cwd=ROOT)
    assert any((tmp_path / "numba").iterdir())


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="at least"):
        features.spectra(np.zeros(features.MINIMUM_SAMPLES - 1, dtype=np.float32))


def test_spectrogram_shows_a_full_scale_sine_at_zero_decibels() -> None:
    from librosa import mel_frequencies
    from librosa.filters import mel

    centre = mel_frequencies(130, fmin=0, fmax=SAMPLE_RATE / 2)[1:-1]
    assert mel(sr=SAMPLE_RATE, n_fft=2048).shape[0] == centre.size
    time = np.arange(30 * SAMPLE_RATE) / SAMPLE_RATE
    row = 90
    picture = features.spectrogram(
        features.spectra(np.sin(2 * np.pi * centre[row] * time).astype(np.float32))
    )
    assert picture.mel.shape == (128, 640)
    middle = picture.mel[:, 320] / 255 * 96 - 96
    assert middle.argmax() == row
    assert middle[row] == pytest.approx(0, abs=0.5)
    assert picture.waveform[:, 320].tolist() == pytest.approx([-127, 127], abs=1)
    assert picture.seconds == pytest.approx(30)


def test_spectrogram_of_a_short_clip_keeps_every_frame() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)
    picture = features.spectrogram(features.spectra(tone))
    assert picture.mel.shape[1] == picture.chroma.shape[1] == picture.waveform.shape[1] == 44
    assert picture.chroma[:, 20].argmax() == 9  # A
    assert picture.chroma[:, 20].max() == 255
