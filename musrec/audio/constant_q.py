"""Tonnetz from a constant-Q transform: librosa's, frame by frame, at a fraction of the cost.

``librosa.feature.tonnetz`` folds a constant-Q transform (seven octaves from C1, three bins per
semitone, tuned to the clip) into a chromagram. librosa halves the sampling rate octave by octave
and multiplies spectra of frames by kernels. Here the whole clip is transformed once, and each band
is cut out of that spectrum: a Hann window in time is a few short lobes in frequency; their product
with the spectrum, transformed back, is the band. As only one value per hop is needed, the cut is
folded to that many bins before it is transformed back (G. Velasco, N. Holighaus, M. Dörfler,
T. Grill, "Constructing an invertible constant-Q transform with nonstationary Gabor frames", DAFx
2011).

References
----------
C. Schörkhuber, A. Klapuri, "Constant-Q transform toolbox for music processing", SMC 2010: the
transform that librosa follows.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import scipy

from musrec.audio import features
from musrec.model import SAMPLE_RATE

if TYPE_CHECKING:
    from musrec.audio.features import Spectra
    from musrec.model import FloatArray

BINS_PER_OCTAVE = 36
N_OCTAVES = 7
FMIN = 440.0 * 2.0 ** (-45 / 12)
"""Hz, C1."""

_BINS = N_OCTAVES * BINS_PER_OCTAVE
_Q = (4.0 ** (1 / BINS_PER_OCTAVE) + 1) / (4.0 ** (1 / BINS_PER_OCTAVE) - 1)
_REACH = 3.0  # cycles per window: the main lobe of a Hann window, and a side lobe on each side
_STEPS = 4096  # of the table of `_response`, per cycle per window
_SILENT = 3e-4
"""Of the loudest frame; below, the ringing from the lobes cut off is louder than the music."""


def tonnetz(spectra: Spectra) -> FloatArray:
    """Return the tonal centroids of each frame, those of ``librosa.feature.tonnetz(y=y)``.

    Parameters
    ----------
    spectra : Spectra
        Its samples are transformed; the tuning is estimated from its power spectra.

    Returns
    -------
    FloatArray, shape (6, t)
        Fifths, minor thirds and major thirds, a sine and a cosine each; the frames of `spectra`.
    """
    return features.tonnetz(chroma(spectra).T).T


def chroma(spectra: Spectra) -> FloatArray:
    """Return the chromagram (12, t) of the constant-Q transform, not normalised; 0 in silence."""
    tuning = features.tuning(np.sqrt(spectra.power.T), bins_per_octave=BINS_PER_OCTAVE)
    chroma: FloatArray = _fold() @ magnitude(spectra.y, tuning)
    loudness = chroma.max(axis=0)
    chroma[:, loudness <= _SILENT * loudness.max()] = 0
    return chroma


def magnitude(y: FloatArray, tuning: float) -> FloatArray:
    """Return magnitudes of the constant-Q transform, those of ``librosa.cqt`` but for one factor.

    Parameters
    ----------
    y : FloatArray, shape (n,)
        Mono samples at `SAMPLE_RATE`.
    tuning : float
        Deviation from A440 in fractions of a bin, -0.5 to 0.5.

    Returns
    -------
    FloatArray, shape (252, t)
        Low frequencies first; a frame every `features.HOP_LENGTH` samples, the first one centred
        on the first sample.
    """
    frequency = FMIN * 2.0 ** ((np.arange(_BINS) + tuning) / BINS_PER_OCTAVE)
    length = _Q * SAMPLE_RATE / frequency  # of each window, samples
    hop = features.HOP_LENGTH
    # The transform is circular: zeros at the end keep the last samples out of the first windows.
    frames = scipy.fft.next_fast_len(int(np.ceil((y.size + length[0] / 2) / hop)))
    size = hop * frames
    spectrum = scipy.fft.rfft(y, n=size)

    centre = frequency * size / SAMPLE_RATE
    reach = _REACH * size / length
    first = np.ceil(centre - reach).astype(int)
    last = np.floor(centre + reach).astype(int)
    bands = np.zeros((_BINS, frames), dtype=np.complex64)
    for k, band in enumerate(bands):
        bins = np.arange(first[k], last[k] + 1, dtype=np.float32) - np.float32(centre[k])
        place = bins * np.float32(_STEPS * length[k] / size) + np.float32(_REACH * _STEPS + 0.5)
        cut = spectrum[first[k] : last[k] + 1] * _response()[place.astype(np.int32)]
        cut *= np.float32(np.sqrt(length[k]))
        whole = cut.size // frames * frames
        cut[:whole].reshape(-1, frames).sum(axis=0, out=band)
        band[: cut.size - whole] += cut[whole:]
    magnitude: FloatArray = np.abs(scipy.fft.ifft(bands, axis=1, overwrite_x=True))
    return magnitude[:, : 1 + y.size // hop]


@cache
def _response() -> FloatArray:
    """Return the Fourier transform of a Hann window of unit sum, from `-_REACH` to `_REACH`."""
    x = np.linspace(-_REACH, _REACH, int(2 * _REACH * _STEPS) + 1)
    edge = np.abs(x) == 1
    response = np.where(edge, 0.5, np.sinc(x) / np.where(edge, 1, 1 - x**2))
    return response.astype(np.float32)


@cache
def _fold() -> FloatArray:
    """Return (12, 252): the three bins around each note, C first, over all octaves."""
    nearest = (np.arange(_BINS) + 1) // (BINS_PER_OCTAVE // features.N_CHROMA)
    return np.equal.outer(np.arange(12), nearest % 12).astype(np.float32)
