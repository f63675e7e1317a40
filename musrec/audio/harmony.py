"""Key, mode and tuning from the peaks of long spectra.

Pitch-class profiles follow E. Gómez, "Tonal description of polyphonic audio for music content
processing" (INFORMS J. on Computing 18(3), 2006): each spectral peak counts towards the notes whose
harmonic it may be, in semitones of the clip's own tuning. Two sets of key profiles are compared
with them: ``edma`` of Á. Faraldo, E. Gómez, S. Jordà and P. Herrera, "Key estimation in electronic
dance music" (ECIR 2016), medians of hand-labelled electronic music, and ``bgate`` of Á. Faraldo,
S. Jordà and P. Herrera, "A multi-profile method for key estimation in EDM" (AES Semantic Audio,
2017), in which only notes of the scale count. How much each counts, and how much likelier one mode
is than the other, is learned from labels (``musrec train hearing``); how sure to be is fitted to
choices for artists that this was not learned from, so that the confidence is a probability.
"""

from __future__ import annotations

import json
import math
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy

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
_EDMA = np.array(
    [
        (1, 0.2875, 0.5020, 0.4048, 0.6050, 0.5614, 0.3205, 0.7966, 0.3159, 0.4506, 0.4202, 0.3889),
        (1, 0.3096, 0.4415, 0.5827, 0.3262, 0.4948, 0.2889, 0.7804, 0.4328, 0.2903, 0.5331, 0.3217),
    ]
)
_BGATE = np.array(
    [
        (1, 0.00, 0.42, 0.00, 0.53, 0.37, 0.00, 0.77, 0.00, 0.38, 0.21, 0.30),
        (1, 0.00, 0.36, 0.39, 0.10, 0.37, 0.00, 0.76, 0.27, 0.00, 0.42, 0.23),
    ]
)

_TUNELESS, _TONAL = 0.15, 0.25
"""Deviation over mean of the pitch classes: noise and speech seldom exceed the first, and from the
second on there are notes beyond doubt. In between the confidence is lower in proportion."""

LONG = 15.0
"""Seconds from which hearing more of a song hardly tells more of its key."""

CLAIMED = 0.4
"""Probability below which no key is claimed: drums alone, speech, noise, and songs without a clear
one."""


class Choice(NamedTuple):
    """How a key is chosen, learned from labels.

    Attributes
    ----------
    weights : Float64Array, shape (3,)
        Of the columns of `evidence`.
    intercept, slope : float
        The log odds of a right key are ``intercept + slope * log odds`` of the choice (J. Platt,
        "Probabilistic outputs for support vector machines", 1999).
    brevity : float
        What is taken off them each time that less than `LONG` seconds are halved.
    """

    weights: Float64Array
    intercept: float
    slope: float
    brevity: float

    def log_odds(self, odds: float, seconds: float) -> float:
        """Return the log odds of a right key from those of the choice and the length heard."""
        halved = max(0.0, math.log2(LONG / seconds))
        return self.intercept + self.slope * odds - self.brevity * halved


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
    tonic, mode, confidence = named(profile, y.size / sr)
    return Harmony(
        key=PITCH_CLASSES[tonic],
        mode=("major", "minor")[mode],
        confidence=round(confidence, 3),
        tuning=round(100.0 * tuning, 1),
    )


def named(
    profile: Float64Array, seconds: float, choice: Choice | None = None
) -> tuple[int, int, float]:
    """Return the likeliest key: its tonic, 0 for major or 1 for minor, and the confidence.

    Parameters
    ----------
    profile : Float64Array, shape (12,)
        From `pitch_classes`.
    seconds : float
        How much was heard.
    choice : Choice, optional
        By default the one that the package ships.
    """
    choice = choice or _learned()
    best, odds = chosen(evidence(profile) @ choice.weights)
    mode, tonic = divmod(best, 12)
    contrast = float(profile.std() / profile.mean())
    tonal = float(np.clip((contrast - _TUNELESS) / (_TONAL - _TUNELESS), 0.0, 1.0))
    return tonic, mode, tonal / (1.0 + math.exp(-choice.log_odds(odds, seconds)))


def chosen(logits: Float64Array) -> tuple[int, float]:
    """Return the likeliest of the keys, and the log odds of it against all others."""
    best = int(np.argmax(logits))
    return best, float(logits[best] - np.logaddexp.reduce(np.delete(logits, best)))


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


def evidence(profile: Float64Array) -> Float64Array:
    """Return what the choice of a key rests on, for the 12 major, then the 12 minor keys.

    Parameters
    ----------
    profile : Float64Array, shape (12,)
        From `pitch_classes`.

    Returns
    -------
    Float64Array, shape (24, 3)
        Correlations with the two sets of profiles, and 1 for minor.
    """
    minor = np.repeat([0.0, 1.0], 12)
    return np.column_stack([*(_correlations(profile, keys) for keys in (_EDMA, _BGATE)), minor])


def _correlations(profile: Float64Array, profiles: Float64Array) -> Float64Array:
    """Return Pearson correlations with the 24 keys, shape (24,)."""
    keys = np.stack([np.roll(mode, tonic) for mode in profiles for tonic in range(12)])
    keys = keys - keys.mean(axis=1, keepdims=True)
    centred = profile - profile.mean()
    scale = np.linalg.norm(keys, axis=1) * max(float(np.linalg.norm(centred)), 1e-12)
    return np.asarray(keys @ centred / scale)


@cache
def _learned() -> Choice:
    data = json.loads(files("musrec.audio").joinpath("hearing.json").read_text("utf-8"))["key"]
    return Choice(np.array(data["choice"]), *data["trust"])


def profile(y: FloatArray, *, sr: float) -> Float64Array | None:
    """Return the pitch classes of a clip in its own tuning, shape (12,); None without a pitch."""
    peaks = _peaks(y, sr)
    if peaks is None:
        return None
    return pitch_classes(peaks.midi - _tuning(peaks), peaks.magnitude, peaks.frame)
