"""Tempo, beats and steadiness from an onset envelope.

Tempo follows G. Percival and G. Tzanetakis, "Streamlined tempo estimation based on
autocorrelation and cross-correlation with pulses" (IEEE/ACM TASLP 22(12), 2014): a compressed
autocorrelation of the onset envelope in overlapping windows, strengthened by its multiples. The
octave is settled by a resonance around people's preferred tempo (L. van Noorden and D. Moelants,
"Resonance in the perception of musical pulse", JNMR 28(1), 1999). Beats follow D. Ellis, "Beat
tracking by dynamic programming" (JNMR 36(1), 2007).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musrec.model import Rhythm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.model import FloatArray

    Float64Array = NDArray[np.float64]
    IntArray = NDArray[np.intp]

SLOWEST, FASTEST = 30.0, 300.0
"""Beats per minute: the range of tempi that `pulse` returns."""

_TEMPI = np.geomspace(SLOWEST, FASTEST, 600)
"""Candidate tempi, 0.4% apart."""

_PREFERRED, _SPREAD = 115.0, 0.9
"""Centre (beats per minute) and width (octaves) of the resonance curve."""

_WINDOW = 12.0
"""Seconds: long enough for six beats of the slowest tempo, short enough for a tempo that drifts."""

_MULTIPLES = ((0.5, 0.5), (1.0, 1.0), (2.0, 1.0), (3.0, 1.0), (4.0, 1.0))
"""Lags in beats at which a pulse must be periodic, with their weights: half a beat shows that the
beat is divided, two to four that it is kept (three gives waltzes the same chance as marches)."""

_RELATIVES = (2.0, 1 / 2, 3.0, 1 / 3, 3 / 2, 2 / 3, 4.0, 1 / 4)
"""Ratios of tempi that are taken for each other."""

_FAINT, _CLEAR = 0.04, 0.22
"""Salience below which there is no pulse (shuffled onsets of real music stay under 0.03 over 30 s),
and above which the pulse is beyond doubt."""

_TIGHTNESS = 100.0
"""Weight of the penalty for beats off the tempo (Ellis 2007; librosa's default)."""

_SHORTEST = 3.0
"""Seconds; a shorter sound has no tempo."""

NO_PULSE = Rhythm(tempo=0.0, confidence=0.0, alternative=None, steadiness=0.0, beats=())


def pulse(onset: FloatArray, *, sr: float, hop_length: int) -> Rhythm:
    """Return tempo, beats and steadiness of a clip.

    Parameters
    ----------
    onset : FloatArray, shape (t,)
        Onset strength of each frame, as from `librosa.onset.onset_strength`.
    sr : float
        Samples per second of the audio.
    hop_length : int
        Samples between frames.

    Returns
    -------
    Rhythm
        `NO_PULSE` for silence, noise, a held chord, or less than three seconds.
    """
    rate = sr / hop_length
    if onset.size < _SHORTEST * rate:
        return NO_PULSE
    novelty = _novelty(onset, rate)
    salience = _salience(_autocorrelation(novelty, rate), rate)
    preferred = salience * _resonance(_TEMPI)
    best = int(np.argmax(preferred))
    # The shorter a sound, the more periodicity arises by chance.
    faint = _FAINT * max(1.0, _WINDOW * rate / onset.size) ** 0.5
    clarity = float(np.clip((salience[best] - faint) / (_CLEAR - faint), 0.0, 1.0))
    if clarity <= 0.0:
        return NO_PULSE
    beats = _beats(novelty, 60.0 * rate / _TEMPI[best])
    if beats.size < 4:
        return NO_PULSE
    tempo = _refined(_TEMPI[best], beats, rate)
    rival = _rival(preferred, best)
    return Rhythm(
        tempo=round(tempo, 1),
        confidence=round(clarity * (1.0 - rival.doubt), 3),
        alternative=None if rival.ratio is None else round(tempo * rival.ratio, 1),
        steadiness=round(clarity * _evenness(beats), 3),
        beats=tuple(round(float(beat) / rate, 3) for beat in beats),
    )


def _novelty(onset: FloatArray, rate: float) -> Float64Array:
    """Return onset strength above its mean over the second around it, in standard deviations."""
    envelope = np.asarray(onset, dtype=np.float64)
    half = max(1, round(rate / 2))
    sums = np.concatenate(([0.0], np.cumsum(np.pad(envelope, half, mode="edge"))))
    width = 2 * half + 1
    novelty = envelope - (sums[width:] - sums[:-width]) / width
    deviation = float(novelty.std())
    return novelty / deviation if deviation > 1e-6 else np.zeros_like(novelty)


def _autocorrelation(novelty: Float64Array, rate: float) -> Float64Array:
    """Return the autocorrelation with square-root compressed power, shape (lags,), 1 at lag 0.

    The mean over windows; the compression (Tolonen and Karjalainen 2000) sharpens the peaks.
    """
    length = min(novelty.size, round(_WINDOW * rate))
    windows = np.lib.stride_tricks.sliding_window_view(novelty, length)[:: max(1, length // 4)]
    windows = windows - windows.mean(axis=1, keepdims=True)
    n_fft = 1 << (2 * length - 1).bit_length()
    magnitude = np.abs(np.fft.rfft(windows, n_fft, axis=1))
    correlation: Float64Array = np.fft.irfft(magnitude, n_fft, axis=1)[:, :length]
    return np.asarray((correlation / np.maximum(correlation[:, :1], 1e-12)).mean(axis=0))


def _salience(correlation: Float64Array, rate: float) -> Float64Array:
    """Return the mean periodicity at multiples of each candidate's beat, shape of `_TEMPI`."""
    lags = np.arange(correlation.size)
    beat = 60.0 * rate / _TEMPI
    at = [np.interp(multiple * beat, lags, correlation, right=0.0) for multiple, _ in _MULTIPLES]
    mean = np.average(at, axis=0, weights=[weight for _, weight in _MULTIPLES])
    # If nothing recurs after one beat, some beats are empty: the candidate is too fast.
    returning = at[_MULTIPLES.index((1.0, 1.0))]
    return np.maximum(np.minimum(mean, 2.0 * returning), 0.0)


def _resonance(tempo: Float64Array) -> Float64Array:
    return np.asarray(np.exp(-0.5 * (np.log2(tempo / _PREFERRED) / _SPREAD) ** 2))


class _Rival(NamedTuple):
    ratio: float | None
    doubt: float


def _rival(preferred: Float64Array, best: int) -> _Rival:
    """Return the likeliest related tempo, and how much doubt it casts on the best one."""
    ratios, strengths = [], []
    for ratio in _RELATIVES:
        if not SLOWEST <= _TEMPI[best] * ratio <= FASTEST:
            continue
        near = np.abs(np.log2(_TEMPI / (_TEMPI[best] * ratio))) < 0.04
        ratios.append(ratio)
        strengths.append(float(preferred[near].max() / preferred[best]))
    strongest = int(np.argmax(strengths))
    if strengths[strongest] < 0.1:
        return _Rival(None, 0.0)
    odds = strengths[strongest] ** 2
    return _Rival(ratios[strongest], odds / (1.0 + odds))


def _beats(novelty: Float64Array, period: float) -> Float64Array:
    """Return the best series of beats about one `period` (in frames) apart, in fractional frames.

    The predecessor of a beat is at least half a period back, so half a period of frames is solved
    at a time.
    """
    score = _smoothed(novelty, period / 32.0)
    near, far = max(1, round(period / 2)), round(2 * period)
    steps = np.arange(far, near - 1, -1)
    penalty = -_TIGHTNESS * np.log(steps / period) ** 2
    total = np.concatenate((np.full(far, -np.inf), score))
    previous = np.full(score.size, -1)
    for start in range(0, score.size, near):
        stop = min(start + near, score.size)
        windows = np.lib.stride_tricks.sliding_window_view(total, steps.size)[start:stop] + penalty
        choice = np.argmax(windows, axis=1)
        gain = np.take_along_axis(windows, choice[:, None], axis=1)[:, 0]
        better = gain > 0.0
        total[far + start : far + stop] += np.where(better, gain, 0.0)
        rows = np.arange(start, stop)
        previous[start:stop] = np.where(better, rows - steps[choice], -1)
    total = total[far:]
    tail = max(0, total.size - round(period))
    frame = tail + int(np.argmax(total[tail:]))
    beats = []
    while frame >= 0:
        beats.append(frame)
        frame = int(previous[frame])
    return _peaks(novelty, _trimmed(np.array(beats[::-1], dtype=np.intp), score))


def _smoothed(novelty: Float64Array, deviation: float) -> Float64Array:
    reach = max(1, round(4 * deviation))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(deviation, 1e-3)) ** 2)
    return np.convolve(novelty, kernel / kernel.sum(), mode="same")


def _trimmed(beats: IntArray, score: Float64Array) -> IntArray:
    """Drop the beats before the first and after the last that fall on a sound."""
    strength = score[beats]
    heard = np.flatnonzero(strength > 0.5 * np.sqrt(np.mean(np.maximum(strength, 0.0) ** 2)))
    return beats[heard[0] : heard[-1] + 1] if heard.size else beats[:0]


def _peaks(novelty: Float64Array, beats: IntArray) -> Float64Array:
    """Move each beat to the top of the parabola through the nearest peak."""
    padded = np.pad(novelty, 2, mode="edge")
    around = padded[beats[:, None] + np.arange(1, 4)]
    top = beats + np.argmax(around, axis=1) - 1
    left, middle, right = (padded[top + 2 + step] for step in (-1, 0, 1))
    bend = left - 2.0 * middle + right
    shift = np.where(bend < -1e-9, 0.5 * (left - right) / np.minimum(bend, -1e-9), 0.0)
    return np.asarray(top + np.clip(shift, -0.5, 0.5))


def _refined(tempo: float, beats: Float64Array, rate: float) -> float:
    """Return the tempo of the median interval between beats if it agrees with the periodicity."""
    heard = 60.0 * rate / float(np.median(np.diff(beats)))
    return heard if abs(heard / tempo - 1.0) < 0.04 else float(tempo)


def _evenness(beats: Float64Array) -> float:
    """Return 1 if every eight beats lie on a line, 0.37 if they stray from it by 5% of a beat."""
    length = min(8, beats.size)
    phrases = np.lib.stride_tricks.sliding_window_view(beats, length)
    phrases = phrases - phrases.mean(axis=1, keepdims=True)
    count = np.arange(length) - (length - 1) / 2
    slope = phrases @ count / (count @ count)
    stray = np.square(phrases - slope[:, None] * count).mean(axis=1)
    # A twelfth is the variance of the rounding to whole frames.
    stray = np.sqrt(np.maximum(stray - 1 / 12, 0.0)) / slope
    return float(np.exp(-np.median(stray) / 0.05))
