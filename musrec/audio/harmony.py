"""Key, mode and tuning from the peaks of long spectra.

Pitch-class profiles follow E. Gómez, "Tonal description of polyphonic audio for music content
processing" (INFORMS J. on Computing 18(3), 2006): each spectral peak counts towards the notes whose
harmonic it may be, in semitones of the clip's own tuning. Key profiles are the ``edma`` set of
Á. Faraldo, E. Gómez, S. Jordà and P. Herrera, "Key estimation in electronic dance music" (ECIR
2016): medians of hand-labelled electronic music, on which they are the best published. On chord
progressions of rock and pop, and on classical excerpts whose titles name a key, other sets are
sometimes slightly better; the choice favours what members send most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.fft

from musrec.model import PITCH_CLASSES, Harmony

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.model import FloatArray

    Float64Array = NDArray[np.float64]

_N_FFT, _HOP_LENGTH = 8192, 4096
"""Samples; at 22,050 Hz they resolve semitones from about 90 Hz up."""

_LOWEST, _HIGHEST = 65.0, 2100.0
"""Hz, C2 to C7: where the fundamentals and first harmonics of notes lie."""

_HARMONICS, _DECAY = 4, 0.6
"""How many notes a peak may be a harmonic of, and the factor by which each further one counts."""

# Starting at C; major, then minor.
_PROFILES = np.array(
    [
        (1, 0.2875, 0.5020, 0.4048, 0.6050, 0.5614, 0.3205, 0.7966, 0.3159, 0.4506, 0.4202, 0.3889),
        (1, 0.3096, 0.4415, 0.5827, 0.3262, 0.4948, 0.2889, 0.7804, 0.4328, 0.2903, 0.5331, 0.3217),
    ]
)


def key(y: FloatArray, *, sr: float) -> Harmony | None:
    """Return key, mode and tuning of a clip.

    Parameters
    ----------
    y : FloatArray, shape (n,)
        Mono samples.
    sr : float
        Samples per second.

    Returns
    -------
    Harmony or None
        None if no pitch is heard: silence, or less than 0.37 s. Noise gets a key with a confidence
        near 0.
    """
    peaks = _peaks(y, sr)
    if peaks is None:
        return None
    tuning = _tuning(peaks)
    profile = pitch_classes(peaks.midi - tuning, peaks.magnitude, peaks.frame)
    correlations = _correlations(profile)
    best = int(np.argmax(correlations))
    mode, tonic = divmod(best, 12)
    return Harmony(
        key=PITCH_CLASSES[tonic],
        mode=("major", "minor")[mode],
        confidence=round(_confidence(profile, correlations), 3),
        tuning=round(100.0 * tuning, 1),
    )


class _Peaks(NamedTuple):
    midi: Float64Array
    magnitude: Float64Array
    frame: NDArray[np.intp]


def _peaks(y: FloatArray, sr: float) -> _Peaks | None:
    """Return local maxima of the magnitude spectra above 1% of the largest in their frame.

    Each frequency is the top of a parabola through the logarithms of three neighbouring bins.
    """
    if y.size < _N_FFT:
        return None
    frames = np.lib.stride_tricks.sliding_window_view(y, _N_FFT)[::_HOP_LENGTH]
    window = np.hanning(_N_FFT + 1)[:-1].astype(np.float32)
    first, last = (round(edge * _N_FFT / sr) for edge in (_LOWEST, _HIGHEST))
    spectra = np.abs(scipy.fft.rfft(frames * window, axis=1)[:, first - 1 : last + 1])
    left, middle, right = spectra[:, :-2], spectra[:, 1:-1], spectra[:, 2:]
    floor = np.maximum(0.01 * middle.max(axis=1, keepdims=True), 1e-3)
    frame, column = np.nonzero((middle > left) & (middle >= right) & (middle > floor))
    if frame.size == 0:
        return None
    a, b, c = (
        np.log(np.maximum(side[frame, column], 1e-9).astype(np.float64))
        for side in (left, middle, right)
    )
    shift = 0.5 * (a - c) / np.minimum(a - 2.0 * b + c, -1e-9)
    frequency = (first + column + np.clip(shift, -0.5, 0.5)) * sr / _N_FFT
    return _Peaks(69.0 + 12.0 * np.log2(frequency / 440.0), np.exp(b), frame)


def _tuning(peaks: _Peaks) -> float:
    """Return the circular mean distance of peaks from the nearest semitone, -0.5 to 0.5."""
    return float(np.angle(peaks.magnitude @ np.exp(2j * np.pi * peaks.midi))) / (2.0 * np.pi)


def pitch_classes(
    midi: Float64Array, magnitude: Float64Array, frame: NDArray[np.intp]
) -> Float64Array:
    """Return how strongly each pitch class sounds, mean over frames.

    Parameters
    ----------
    midi : Float64Array, shape (peaks,)
        Pitch of each peak in semitones; 69 is A4.
    magnitude : Float64Array, shape (peaks,)
    frame : NDArray of int, shape (peaks,)
        The frame that each peak is in; every frame counts the same, loud or not.

    Returns
    -------
    Float64Array, shape (12,)
        C first, 0 to 1.
    """
    frames = int(frame.max()) + 1
    total = np.zeros(frames * 12)
    for harmonic in range(1, _HARMONICS + 1):
        pitch = midi - 12.0 * np.log2(harmonic)
        nearest = np.rint(pitch)
        weight = magnitude * np.cos(np.pi * (pitch - nearest)) ** 2 * _DECAY ** (harmonic - 1)
        total += np.bincount(
            frame * 12 + nearest.astype(np.intp) % 12, weights=weight, minlength=total.size
        )
    profiles = total.reshape(frames, 12)
    sounding = profiles.max(axis=1) > 0
    profiles = profiles[sounding] / profiles[sounding].max(axis=1, keepdims=True)
    return np.asarray(profiles.mean(axis=0))


def _correlations(profile: Float64Array) -> Float64Array:
    """Return Pearson correlations with the 12 major, then the 12 minor keys, shape (24,)."""
    keys = np.stack([np.roll(mode, tonic) for mode in _PROFILES for tonic in range(12)])
    keys = keys - keys.mean(axis=1, keepdims=True)
    centred = profile - profile.mean()
    scale = np.linalg.norm(keys, axis=1) * max(float(np.linalg.norm(centred)), 1e-12)
    return np.asarray(keys @ centred / scale)


def _confidence(profile: Float64Array, correlations: Float64Array) -> float:
    """Return 0 to 1: the fit of the best key, times its lead, times the contrast of classes."""
    second, best = np.sort(correlations)[-2:]
    contrast = float(profile.std() / profile.mean())
    lead = 1.0 - np.exp(-(best - second) / 0.08)
    return float(max(best, 0.0) * lead * min(1.0, contrast / 0.4))
