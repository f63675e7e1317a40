"""Filter banks are librosa's to the last bit, so that what is heard is what librosa would hear."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from musrec.audio import filters


@pytest.mark.parametrize("width", [512, 2048, 2049])
def test_the_window_is_librosas(width: int) -> None:
    expected = librosa.filters.get_window("hann", width)
    assert np.array_equal(filters.hann(width), expected)


@pytest.mark.parametrize(("sr", "n_fft", "n_mels"), [(22_050, 2_048, 128), (16_000, 512, 96)])
@pytest.mark.parametrize(("unit_area", "norm"), [(True, "slaney"), (False, None)])
def test_mel_filters_are_librosas(
    sr: int, n_fft: int, n_mels: int, unit_area: bool, norm: str | None
) -> None:
    expected = librosa.filters.mel(sr=sr, n_fft=n_fft, n_mels=n_mels, norm=norm)
    assert np.array_equal(filters.mel(sr, n_fft, n_mels, unit_area=unit_area), expected)


@pytest.mark.parametrize("tuning", np.linspace(-0.5, 0.5, 11))
def test_chroma_filters_are_librosas(tuning: float) -> None:
    expected = librosa.filters.chroma(sr=22_050, n_fft=2_048, tuning=tuning)
    assert np.array_equal(filters.chroma(2_048, tuning), expected)
