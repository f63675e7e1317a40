"""Tempo, beats and steadiness from onsets in three bands.

Periodicity follows G. Percival and G. Tzanetakis, "Streamlined tempo estimation based on
autocorrelation and cross-correlation with pulses" (IEEE/ACM TASLP 22(12), 2014): a compressed
autocorrelation of the onsets in overlapping windows, strengthened by its multiples. Which of the
related tempi a listener counts is a logistic choice, learned from labels (``musrec train
hearing``): how periodic each band is at divisions and multiples of the beat, how kick and snare
alternate, and how far the tempo lies from the usual one of songs with these tags and statistics.
How likely each tempo is, and that it is none of them, is fitted to choices for artists that the
weights were not learned from, so that the confidence is a probability. Beats follow D. Ellis, "Beat
tracking by dynamic programming" (JNMR 36(1), 2007).
"""

from __future__ import annotations

import json
import math
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musrec.audio.features import STATISTIC_NAMES
from musrec.audio.tagger import TAGS
from musrec.model import Rhythm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from musrec.model import FloatArray

    Float64Array = NDArray[np.float64]
    IntArray = NDArray[np.intp]

SLOWEST, FASTEST = 38.0, 280.0
"""Beats per minute: the range of tempi that are considered."""

_TEMPI = np.geomspace(30.0, 300.0, 600)
"""Tempi whose periodicity is measured, 0.4% apart."""

USUAL = 115.0
"""Beats per minute: the usual tempo of a song about which nothing else is known."""

_SPREAD = 0.9
"""Octaves: width of the resonance around `USUAL` by which the first candidates are chosen (L. van
Noorden and D. Moelants, "Resonance in the perception of musical pulse", JNMR 28(1), 1999)."""

_WINDOW = 12.0
"""Seconds: long enough for six beats of the slowest tempo, short enough for a tempo that drifts."""

_MULTIPLES = ((0.5, 0.5), (1.0, 1.0), (2.0, 1.0), (3.0, 1.0), (4.0, 1.0))
"""Lags in beats at which a pulse must be periodic, with their weights: half a beat shows that the
beat is divided, two to four that it is kept (three gives waltzes the same chance as marches)."""

EVIDENCE = (1 / 4, 1 / 3, 1 / 2, 1.0, 2.0, 3.0, 4.0)
"""Lags in beats at which each band's periodicity tells the octave."""

_APART = (1 / 2, 1.0, 2.0)
"""Beats between lows and highs that tell the octave: where kick and snare alternate, they are one
beat apart."""

_RELATIVES = (1 / 2, 2.0, 1 / 3, 3.0, 2 / 3, 3 / 2, 3 / 4, 4 / 3)
"""Ratios of tempi that are taken for each other."""

_PEAKS = 6
"""The clearest tempi that become candidates, beside the relatives of the clearest."""

_LOW, _HIGH = 8, 40
"""Mel bands below 190 Hz (bass and kick) and above 900 Hz (snare and cymbals)."""

_COMPRESSION = 20.0
"""Of magnitudes relative to the clip's mean: soft notes count, and the level does not matter."""

_FAINT, _CLEAR = 0.032, 0.07
"""Salience below which there is no steady beat (noise of any colour stays under 0.03), and above
which there is one beyond doubt."""

_STRONG = 0.29
"""Salience of a metronome's pulse: hardly a song has a stronger one."""

LIKELY = 0.2
"""Probability from which a related tempo is named as the alternative."""

_TIGHTNESS = 100.0
"""Weight of the penalty for beats off the tempo (Ellis 2007; librosa's default)."""

_SHORTEST = 3.0
"""Seconds; a shorter sound has no tempo."""

NO_PULSE = Rhythm(tempo=0.0, confidence=0.0, alternative=None, steadiness=0.0, beats=())


class Candidates(NamedTuple):
    """Tempi that a clip may have, and the evidence for each.

    Attributes
    ----------
    tempi : Float64Array, shape (c,)
        Beats per minute.
    evidence : Float64Array, shape (c, 27)
        For each of three bands: salience, and periodicity at `EVIDENCE`. Then how well the lows
        follow or precede the highs by `_APART`.
    clarity : float
        0 (no steady beat) to 1: how far the pulse stands out of what recurs by chance.
    strength : float
        0 to 1, a metronome's.
    """

    tempi: Float64Array
    evidence: Float64Array
    clarity: float
    strength: float


class Choice(NamedTuple):
    """How a tempo is chosen, learned from labels.

    Attributes
    ----------
    weights : Float64Array, shape (29,)
        Of the columns of `table`.
    sharpness : float
        The power to which the shares of the candidates, which sum to 1, are raised.
    none, none_if_clear : float
        Log of the share of "none of them" for the faintest pulse, and what a clear pulse adds.
    """

    weights: Float64Array
    sharpness: float
    none: float
    none_if_clear: float


def onsets(mel: FloatArray) -> FloatArray:
    """Return the onset strength of the full band, the lows and the highs, shape (3, t).

    The mean rise of log-compressed magnitudes from one frame to the next.

    Parameters
    ----------
    mel : FloatArray, shape (128, t)
        `musrec.audio.features.Spectra.mel`.
    """
    magnitude = np.sqrt(mel)
    mean = float(magnitude.mean())
    if mean <= 1e-6:
        return np.zeros((3, mel.shape[1]), dtype=np.float32)
    rise = np.maximum(np.diff(np.log1p(magnitude * (_COMPRESSION / mean)), axis=1), 0.0)
    bands = np.stack([rise.mean(axis=0), rise[:_LOW].mean(axis=0), rise[_HIGH:].mean(axis=0)])
    # One frame for the difference, one because a frame contains an onset before its centre.
    found: FloatArray = np.pad(bands, ((0, 0), (2, 0)))[:, : mel.shape[1]].astype(np.float32)
    return found


def usual_tempo(statistics: FloatArray, tag_mean: FloatArray | None = None) -> float:
    """Return the usual tempo of songs that sound like this one, in beats per minute.

    Parameters
    ----------
    statistics : FloatArray, shape (len(STATISTIC_NAMES),)
    tag_mean : FloatArray or None, shape (50,)
        In the order of `TAGS`; without it, statistics alone decide.
    """
    learned = _learned()
    known = np.where(np.isfinite(statistics), statistics, np.nan)[learned.columns]
    tags = np.full(len(TAGS), np.nan) if tag_mean is None else log_tags(tag_mean)
    z = (np.concatenate([tags, known]) - learned.mean) / learned.scale
    z = np.clip(np.nan_to_num(z), -3.0, 3.0)
    return float(2.0 ** (learned.intercept + z @ learned.weights))


def log_tags(tag_mean: FloatArray) -> Float64Array:
    """Return the tags as the usual tempo is learned from them."""
    return np.asarray(np.log(np.asarray(tag_mean, dtype=np.float64) + 0.01))


def pulse(
    bands: FloatArray,
    *,
    sr: float,
    hop_length: int,
    usual: float = USUAL,
    choice: Choice | None = None,
) -> Rhythm:
    """Return tempo, beats and steadiness of a clip.

    Parameters
    ----------
    bands : FloatArray, shape (3, t)
        From `onsets`.
    sr : float
        Samples per second of the audio.
    hop_length : int
        Samples between frames.
    usual : float
        From `usual_tempo`.
    choice : Choice, optional
        By default the one that the package ships.

    Returns
    -------
    Rhythm
        `NO_PULSE` for silence, noise, a held tone, or less than three seconds.
    """
    rate = sr / hop_length
    found = candidates(bands, rate)
    if found is None or found.clarity <= 0.0:
        return NO_PULSE
    probability = probabilities(found, usual, choice or _learned().choice)
    best = int(np.argmax(probability))
    novelty = _novelty(bands[0], rate)
    beats = _beats(novelty, 60.0 * rate / found.tempi[best])
    if beats.size < 4:
        return NO_PULSE
    tempo = _refined(found.tempi[best], beats, rate)
    return Rhythm(
        tempo=round(tempo, 1),
        confidence=round(float(probability[best]), 3),
        alternative=_alternative(found.tempi, probability, best),
        steadiness=round(found.strength * _evenness(beats), 3),
        beats=tuple(round(float(beat) / rate, 3) for beat in beats),
    )


def candidates(bands: FloatArray, rate: float) -> Candidates | None:
    """Return the tempi that a clip may have; None if nothing in it recurs.

    Parameters
    ----------
    bands : FloatArray, shape (3, t)
        From `onsets`.
    rate : float
        Frames per second.
    """
    if bands.shape[1] < _SHORTEST * rate:
        return None
    length = min(bands.shape[1], round(_WINDOW * rate))
    spectra = [_spectra(_novelty(band, rate), length) for band in bands]
    correlations = [_correlation(each, each, length) for each in spectra]
    saliences = np.stack([_salience(correlation, rate) for correlation in correlations])
    tempi = _likely(saliences[0])
    if not tempi:
        return None
    near = [saliences[:, _near(tempo, 0.02)].max(axis=1) for tempo in tempi]
    beats = 60.0 * rate / np.array(tempi)
    lags = np.multiply.outer(beats, EVIDENCE)
    evidence = np.concatenate(
        [
            *(
                np.column_stack([[each[band] for each in near], _highest(correlation, lags)])
                for band, correlation in enumerate(correlations)
            ),
            _highest(
                _correlation(spectra[1], spectra[2], length), np.multiply.outer(beats, _APART)
            ),
        ],
        axis=1,
    )
    # The shorter a sound, the more periodicity arises by chance.
    faint = _FAINT * max(1.0, _WINDOW * rate / bands.shape[1]) ** 0.5
    above = evidence[:, 0].max() - faint
    clarity, strength = (
        float(np.clip(above / (top - faint), 0.0, 1.0)) for top in (_CLEAR, _STRONG)
    )
    return Candidates(np.array(tempi), evidence, clarity, strength)


def table(found: Candidates, usual: float) -> Float64Array:
    """Return what the choice between candidates rests on, one row per candidate, shape (c, 29)."""
    return np.column_stack(
        [
            found.evidence,
            np.log2(found.tempi / USUAL),
            -(np.log2(found.tempi / usual) ** 2),
        ]
    )


def probabilities(found: Candidates, usual: float, choice: Choice) -> Float64Array:
    """Return how likely each candidate is right, shape (c,); the rest to 1 is "none of them"."""
    logits = table(found, usual) @ choice.weights
    shares = np.exp(choice.sharpness * (logits - np.logaddexp.reduce(logits)))
    none = math.exp(choice.none + choice.none_if_clear * found.clarity)
    return np.asarray(shares / (shares.sum() + none))


def _likely(salience: Float64Array) -> list[float]:
    """Return the clearest tempi and the relatives of the clearest, at least 3.5% apart."""
    inner = salience[1:-1]
    peaks = np.flatnonzero((inner >= salience[:-2]) & (inner > salience[2:])) + 1
    peaks = peaks[salience[peaks] > 0.0]
    if peaks.size == 0:
        return []
    preferred = salience * np.exp(-0.5 * (np.log2(_TEMPI / USUAL) / _SPREAD) ** 2)
    clearest = _TEMPI[peaks[np.argsort(-preferred[peaks])][:_PEAKS]]
    chosen: list[float] = []
    for tempo in (*clearest, *(clearest[0] * ratio for ratio in _RELATIVES)):
        if not SLOWEST <= tempo <= FASTEST or _taken(tempo, chosen):
            continue
        near = np.flatnonzero(_near(tempo, 0.04))
        settled = float(_TEMPI[near[np.argmax(salience[near])]])
        if not _taken(settled, chosen):
            chosen.append(settled)
    return chosen


def _near(tempo: float, octaves: float) -> NDArray[np.bool_]:
    return np.asarray(np.abs(np.log2(_TEMPI / tempo)) < octaves)


def _taken(tempo: float, chosen: list[float]) -> bool:
    return any(abs(math.log2(tempo / other)) < 0.05 for other in chosen)


def _highest(correlation: Float64Array, lags: Float64Array) -> Float64Array:
    """Return the highest correlation within 2% of each lag; 0 beyond the last one."""
    known = lags * 1.02 < correlation.size
    first = (lags[known] * 0.98).astype(np.intp)
    last = np.minimum(np.ceil(lags[known] * 1.02).astype(np.intp) + 1, correlation.size)
    # Every second maximum is that of a range; the others lie between two ranges.
    padded = np.append(correlation, 0.0)
    highest = np.zeros(lags.shape)
    highest[known] = np.maximum.reduceat(padded, np.column_stack([first, last]).ravel())[::2]
    return highest


def _alternative(tempi: Float64Array, probability: Float64Array, best: int) -> float | None:
    """Return the likeliest other tempo that may be taken for the best one."""
    ratios = tempi / tempi[best]
    related = np.min(np.abs(np.log2(np.divide.outer(ratios, _RELATIVES))), axis=1) < 0.06
    odds = np.where(related, probability, 0.0)
    other = int(np.argmax(odds))
    return round(float(tempi[other]), 1) if odds[other] >= LIKELY else None


class _Learned(NamedTuple):
    columns: list[int]  # of the statistics that the usual tempo rests on
    mean: Float64Array  # (50 + columns,): tags, then statistics
    scale: Float64Array
    weights: Float64Array
    intercept: float
    choice: Choice


@cache
def _learned() -> _Learned:
    data = json.loads(files("musrec.audio").joinpath("hearing.json").read_text("utf-8"))["tempo"]
    usual: Mapping[str, list[float]] = data["usual"]
    names = [name for name in usual if name not in TAGS]
    values = np.array([usual[name] for name in (*TAGS, *names)])
    return _Learned(
        columns=[STATISTIC_NAMES.index(name) for name in names],
        mean=values[:, 0],
        scale=values[:, 1],
        weights=values[:, 2],
        intercept=data["intercept"],
        choice=Choice(np.array(data["choice"]), *data["trust"]),
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


def _spectra(novelty: Float64Array, length: int) -> NDArray[np.complex128]:
    """Return the spectra of overlapping windows of `length` frames, (windows, bins).

    Their power is its square root, which sharpens the peaks of a correlation (Tolonen and
    Karjalainen 2000), scaled so that each correlates with itself by 1.
    """
    windows = np.lib.stride_tricks.sliding_window_view(novelty, length)[:: max(1, length // 4)]
    n_fft = 1 << (2 * length - 1).bit_length()
    spectra = np.fft.rfft(windows - windows.mean(axis=1, keepdims=True), n_fft, axis=1)
    magnitude = np.abs(spectra)
    energy = (2.0 * magnitude.sum(axis=1) - magnitude[:, 0] - magnitude[:, -1]) / n_fft
    scale = np.sqrt(np.maximum(magnitude, 1e-12) * np.maximum(energy, 1e-12)[:, None])
    return np.asarray(spectra / scale)


def _correlation(
    one: NDArray[np.complex128], other: NDArray[np.complex128], length: int
) -> Float64Array:
    """Return the correlation of two series, either one first, by lag: the mean over windows."""
    correlation: Float64Array = np.fft.irfft((one * other.conj()).real.mean(axis=0))[:length]
    return correlation


def _salience(correlation: Float64Array, rate: float) -> Float64Array:
    """Return the mean periodicity at multiples of each candidate's beat, shape of `_TEMPI`."""
    lags = np.arange(correlation.size)
    beat = 60.0 * rate / _TEMPI
    at = [np.interp(multiple * beat, lags, correlation, right=0.0) for multiple, _ in _MULTIPLES]
    mean = np.average(at, axis=0, weights=[weight for _, weight in _MULTIPLES])
    # If nothing recurs after one beat, some beats are empty: the candidate is too fast.
    returning = at[_MULTIPLES.index((1.0, 1.0))]
    return np.maximum(np.minimum(mean, 2.0 * returning), 0.0)


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
    rows = np.arange(score.size)
    reachable = np.lib.stride_tricks.sliding_window_view(total, steps.size)  # follows `total`
    for start in range(0, score.size, near):
        stop = min(start + near, score.size)
        windows = reachable[start:stop] + penalty
        choice = windows.argmax(axis=1)
        gain = windows[rows[: stop - start], choice]
        better = gain > 0.0
        total[far + start : far + stop] += np.where(better, gain, 0.0)
        previous[start:stop] = np.where(better, rows[start:stop] - steps[choice], -1)
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
    steps = min(4, beats.size - 1)  # over several beats, so that frames do not round it
    heard = 60.0 * rate * steps / float(np.median(beats[steps:] - beats[:-steps]))
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
