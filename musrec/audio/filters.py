"""The filter banks of librosa, to the last bit.

librosa computes them in a few lines, but takes 1.5 s of processor time to be imported, with numba
and half of SciPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musrec.model import SAMPLE_RATE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.model import FloatArray

_PER_MEL = 200.0 / 3
"""Hz of a mel below 1,000 Hz, on Slaney's scale."""
_LOG_HZ, _LOG_MEL, _LOG_STEP = 1000.0, 15.0, np.log(6.4) / 27.0
"""Above, 27 mels are a factor of 6.4."""

_CENTRE, _WIDTH = 5.0, 2.0
"""Where chroma filters are largest, and the deviation of their Gaussian, in octaves above 27.5 Hz.
"""


def hann(width: int) -> NDArray[np.float64]:
    """Return a periodic Hann window (width,), that of ``librosa.filters.get_window``."""
    return np.asarray(0.5 + 0.5 * np.cos(np.linspace(-np.pi, np.pi, width + 1)[:-1]))


def mel(sr: int, n_fft: int, n_mels: int, *, unit_area: bool = True) -> FloatArray:
    """Return ``librosa.filters.mel`` (n_mels, n_fft // 2 + 1): triangles on Slaney's scale.

    Parameters
    ----------
    sr : int
        Samples per second.
    unit_area : bool
        Whether each triangle has an area of 2 (Slaney's norm); else their tips would be 1.
    """
    top = _LOG_MEL + np.log(sr / 2 / _LOG_HZ) / _LOG_STEP
    mels = np.linspace(0.0, top, n_mels + 2)
    edges = _PER_MEL * mels
    above = mels >= _LOG_MEL
    edges[above] = _LOG_HZ * np.exp(_LOG_STEP * (mels[above] - _LOG_MEL))
    width = np.diff(edges)
    ramps = np.subtract.outer(edges, np.fft.rfftfreq(n_fft, 1.0 / sr))
    rising = -ramps[:-2] / width[:-1, None]
    falling = ramps[2:] / width[1:, None]
    bank: FloatArray = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    if unit_area:
        bank *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return bank


def chroma(n_fft: int, tuning: float) -> FloatArray:
    """Return ``librosa.filters.chroma`` (12, n_fft // 2 + 1), from C, at `SAMPLE_RATE`.

    Parameters
    ----------
    tuning : float
        Deviation from A440 in fractions of a semitone.
    """
    frequency = np.linspace(0, SAMPLE_RATE, n_fft, endpoint=False)[1:]
    lowest = 440.0 * 2.0 ** (tuning / 12) / 16
    bins = 12 * np.log2(frequency / lowest)
    bins = np.concatenate([[bins[0] - 18.0], bins])  # nothing has a pitch of 0 Hz
    width = np.concatenate([np.maximum(np.diff(bins), 1.0), [1.0]])
    away = np.subtract.outer(bins, np.arange(12.0)).T
    away = np.remainder(away + 6 + 120, 12) - 6
    bank = np.exp(-0.5 * (2 * away / width) ** 2)
    bank /= np.sum(bank**2, axis=0, keepdims=True) ** 0.5
    bank *= np.exp(-0.5 * ((bins / 12 - _CENTRE) / _WIDTH) ** 2)
    return np.roll(bank, -3, axis=0)[:, : n_fft // 2 + 1].astype(np.float32)
