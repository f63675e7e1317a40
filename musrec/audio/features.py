"""librosa's features, from one short-time Fourier transform.

Every value equals that of librosa's own function with its defaults on the same samples (22,050 Hz,
Hann window of 2,048 samples, hop of 512, centred), to a relative 1e-4. The window, the mel and the
chroma filters come from librosa (`musrec.audio.filters`); its feature functions are not called,
because each would transform the clip again, and importing them compiles for seconds in every
process.

References
----------
B. McFee et al., "librosa: Audio and Music Signal Analysis in Python", SciPy 2015.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
import scipy

from musrec.audio.filters import N_FFT, N_MELS, TUNINGS, filters
from musrec.model import SAMPLE_RATE, Spectrogram

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.model import FloatArray

    DoubleArray = NDArray[np.float64]

Number = TypeVar("Number", np.float32, np.int32)

HOP_LENGTH = 512
N_MFCC = 20
N_CHROMA = 12

MOMENTS = ("mean", "std", "skew", "kurtosis", "median", "min", "max")
"""Of each series over time, with the population's deviation and excess kurtosis."""

SERIES = (
    *(f"mfcc_{i}" for i in range(N_MFCC)),
    *(f"mfcc_delta_{i}" for i in range(N_MFCC)),
    *(f"chroma_{i}" for i in range(N_CHROMA)),
    *(f"tonnetz_{i}" for i in range(6)),
    "spectral_centroid",
    "spectral_bandwidth",
    *(f"spectral_contrast_{i}" for i in range(7)),
    "spectral_rolloff",
    "spectral_flatness",
    "zero_crossing_rate",
    "rms",
    "onset_strength",
)
"""Names of the series, in the order of `Spectra.series`."""

CONSTANT_Q_SERIES = tuple(f"tonnetz_cq_{i}" for i in range(6))
"""Series from `musrec.audio.constant_q`, which takes a transform of its own."""

STATISTIC_NAMES = tuple(
    f"{series}_{moment}" for series in (*SERIES, *CONSTANT_Q_SERIES) for moment in MOMENTS
)
"""New series go to the end, so that statistics stored before them stay readable."""

MINIMUM_SAMPLES = 9 * HOP_LENGTH
"""The least that has deltas: librosa's window is nine frames wide."""

_AMIN = 1e-10
_TOP_DB = 80.0
_COLUMNS = 640
_DELTA_WIDTH = 9
_BLOCK = 64  # frames
_SINE_POWER = N_FFT * np.square(np.hanning(N_FFT + 1)[:-1]).sum() / 4
"""Power of a full-scale sine, summed over the bins of one frame (Parseval)."""


@dataclass(frozen=True, slots=True, eq=False)
class Spectra:
    """What all measurements of one clip share; `t` frames, one every `HOP_LENGTH` samples.

    Attributes
    ----------
    y : FloatArray, shape (n,)
        Mono samples at `SAMPLE_RATE`, full scale at 1.
    power : FloatArray, shape (1025, t)
        Squared magnitude of the Fourier transform.
    mel : FloatArray, shape (128, t)
        Mel power spectrogram (Slaney's scale and norm).
    mel_db : FloatArray, shape (128, t)
        The same in dB relative to a power of 1, floored at 80 dB below its maximum.
    chroma : FloatArray, shape (12, t)
        C first, 0 to 1; the maximum of each frame is 1.
    onset : FloatArray, shape (t,)
        Onset strength: the mean rise of `mel_db` from one frame to the next.
    rms : FloatArray, shape (t,)
        Root mean square of the samples in each frame.
    tuning : float
        Deviation from A440 in fractions of a semitone, -0.5 to 0.5.
    series : FloatArray, shape (len(SERIES), t)
        Every series that `statistics` summarises, in the order of `SERIES`.
    """

    y: FloatArray
    power: FloatArray
    mel: FloatArray
    mel_db: FloatArray
    chroma: FloatArray
    onset: FloatArray
    rms: FloatArray
    tuning: float
    series: FloatArray


def spectra(y: FloatArray) -> Spectra:
    """Transform a clip once and measure every series of it.

    Parameters
    ----------
    y : FloatArray, shape (n,)
        Mono samples at 22,050 Hz, finite, at least `MINIMUM_SAMPLES`.

    Raises
    ------
    ValueError
        The clip is too short.
    """
    if y.size < MINIMUM_SAMPLES:
        raise ValueError(f"{y.size} samples; at least {MINIMUM_SAMPLES} are needed")
    # In here frames are rows, so that each frame is contiguous in memory.
    y = np.ascontiguousarray(y, dtype=np.float32)
    padded = np.pad(y, N_FFT // 2)
    power, shape = _transform(padded, filters().window)
    mel = _mel(power)
    mel_db = _decibels(mel)
    mfcc = scipy.fft.dct(mel_db, axis=1, norm="ortho")[:, :N_MFCC]
    tuned = tuning(power)
    chroma = power @ filters().chroma[np.searchsorted(TUNINGS, tuned)]
    chroma /= _nonzero(chroma.max(axis=1, keepdims=True))
    onset = _onset_strength(mel_db)
    rms = _rms(padded, len(power))
    series = np.column_stack(
        [
            mfcc,
            _delta(mfcc),
            chroma,
            tonnetz(chroma),
            shape.centroid,
            shape.bandwidth,
            _decibels(shape.peak) - _decibels(shape.valley),
            shape.rolloff,
            shape.flatness,
            _zero_crossing_rate(y, len(power)),
            rms,
            onset,
        ]
    )
    return Spectra(
        y=y,
        power=power.T,
        mel=mel.T,
        mel_db=mel_db.T,
        chroma=chroma.T,
        onset=onset,
        rms=rms,
        tuning=tuned,
        series=np.ascontiguousarray(series.T, dtype=np.float32),
    )


def mel_decibels(y: FloatArray) -> FloatArray:
    """Return only the mel spectrogram of a clip (128, t), in a fifth of the time of `spectra`.

    In single precision, which moves a point at the floor by less than 0.001 dB.

    Parameters
    ----------
    y : FloatArray, shape (n,)
        Mono samples at 22,050 Hz, finite.

    Returns
    -------
    FloatArray, shape (128, t)
        dB below the loudest point, -80 to 0.
    """
    window = filters().window.astype(np.float32)
    padded = np.pad(np.asarray(y, dtype=np.float32), N_FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP_LENGTH]
    mel = np.empty((len(frames), N_MELS), dtype=np.float32)
    for start in range(0, len(frames), _BLOCK):
        block = slice(start, start + _BLOCK)
        parts = scipy.fft.rfft(frames[block] * window, axis=1, overwrite_x=True).view(np.float32)
        np.square(parts, out=parts)
        mel[block] = _mel(parts[:, ::2] + parts[:, 1::2])
    np.maximum(mel, _AMIN, out=mel)
    np.log(mel, out=mel)  # log10 takes several times as long in single precision
    mel *= np.float32(10 / np.log(10))
    mel -= mel.max()
    return np.maximum(mel, -_TOP_DB, out=mel).T


def statistics(spectra: Spectra, tonnetz_cq: FloatArray | None = None) -> FloatArray:
    """Return seven moments of each series over time.

    Parameters
    ----------
    spectra : Spectra
    tonnetz_cq : FloatArray, shape (6, t), optional
        From `musrec.audio.constant_q.tonnetz`; without it those statistics are NaN.

    Returns
    -------
    FloatArray, shape (len(STATISTIC_NAMES),)
        In the order of `STATISTIC_NAMES`: series by series, within each in the order of `MOMENTS`.
        Skewness and kurtosis of a constant series are 0.
    """
    out = np.full(len(STATISTIC_NAMES), np.nan, dtype=np.float32)
    known = moments(spectra.series)
    out[: known.size] = known
    if tonnetz_cq is not None:
        out[known.size :] = moments(tonnetz_cq)
    return out


def moments(series: FloatArray) -> FloatArray:
    """Return the `MOMENTS` of each row (s, t), row by row: shape (7 s,)."""
    x = series.astype(np.float64)
    mean = x.mean(axis=1)
    centred = x - mean[:, None]
    squared = np.square(centred)
    variance = squared.mean(axis=1)
    # What varies in a constant series is rounding; its shape means nothing.
    constant = variance <= np.square(1e-7 * np.abs(mean))
    spread = np.where(constant, 1.0, variance)
    skew = np.where(constant, 0.0, (squared * centred).mean(axis=1) / spread**1.5)
    kurtosis = np.where(constant, 0.0, np.square(squared).mean(axis=1) / spread**2 - 3.0)
    moments = np.column_stack(
        [
            mean,
            np.sqrt(variance),
            skew,
            kurtosis,
            np.median(series, axis=1),
            x.min(axis=1),
            x.max(axis=1),
        ]
    )
    return moments.ravel().astype(np.float32)


def tuning(spectrum: FloatArray, *, bins_per_octave: int = 12) -> float:
    """Return the tuning that `librosa.estimate_tuning` estimates.

    Parameters
    ----------
    spectrum : FloatArray, shape (t, 1025)
        Power, as `chroma_stft` uses it, or magnitude, as the constant-Q transform does.
    bins_per_octave : int

    Returns
    -------
    float
        Deviation from A440 in fractions of a bin, -0.5 to 0.5; 0 if nothing has a pitch.
    """
    low = int(np.ceil(150.0 * N_FFT / SAMPLE_RATE))
    high = int(np.ceil(4000.0 * N_FFT / SAMPLE_RATE))
    below, here, above = (spectrum[:, low + i : high + i] for i in (-1, 0, 1))
    loud = here > 0.1 * spectrum.max(axis=1, keepdims=True)
    frame, bin_ = np.nonzero(loud & (here > below) & (here >= above))
    if frame.size == 0:
        return 0.0
    below, here, above = below[frame, bin_], here[frame, bin_], above[frame, bin_]
    # A parabola through each peak and its neighbours.
    curvature = above + below - 2 * here
    slope = (above - below) / 2
    inside = np.abs(slope) < np.abs(curvature)
    shift = np.where(inside, -slope / np.where(inside, curvature, 1), 0)
    height = here + 0.5 * slope * shift
    pitch = (bin_ + low + shift)[height >= np.median(height)] * SAMPLE_RATE / N_FFT
    residual = np.mod(bins_per_octave * np.log2(pitch / (440.0 / 16)), 1.0)
    residual[residual >= 0.5] -= 1.0
    counts, _ = np.histogram(residual, (*TUNINGS, 0.5))
    return float(TUNINGS[np.argmax(counts)])


def tonnetz(chroma: FloatArray) -> FloatArray:
    """Return `librosa.feature.tonnetz` (t, 6) of a chromagram (t, 12)."""
    shares = chroma / _nonzero(chroma.sum(axis=1, keepdims=True))
    return np.asarray(shares @ _tonnetz(), dtype=np.float32)


def tempo(onset: FloatArray) -> float:
    """Return the tempo that `librosa.feature.tempo` estimates, in beats per minute.

    The local autocorrelation of the onset strength in windows of 8 s, averaged over the clip, is
    weighted by a log-normal prior around 120. The inverse transform is linear, so the mean is taken
    before rather than after it: one inverse transform per clip instead of one per frame.

    Parameters
    ----------
    onset : FloatArray, shape (t,)
        `Spectra.onset`.
    """
    width = int(8.0 * SAMPLE_RATE / HOP_LENGTH)
    padded = np.pad(onset, width // 2, mode="linear_ramp")
    frames = np.lib.stride_tricks.sliding_window_view(padded, width)[: onset.size] * _hann(width)
    energy = np.einsum("tw,tw->t", frames, frames)
    size = scipy.fft.next_fast_len(2 * width - 1, real=True)
    transform = scipy.fft.rfft(frames, n=size, axis=1)
    density = (1 / _nonzero(energy)) @ (np.square(transform.real) + np.square(transform.imag))
    autocorrelation = scipy.fft.irfft(density, n=size)[:width] / onset.size

    lags = np.arange(1, width)
    tempi = 60.0 * SAMPLE_RATE / (HOP_LENGTH * lags)
    prior = -0.5 * np.square(np.log2(tempi / 120.0))
    prior[tempi >= 320.0] = -np.inf
    return float(tempi[np.argmax(np.log1p(1e6 * autocorrelation[1:]) + prior)])


def spectrogram(spectra: Spectra) -> Spectrogram:
    """Reduce a clip to what a card draws, in at most 640 columns."""
    t = spectra.mel.shape[1]
    columns = min(_COLUMNS, t)
    edges = np.linspace(0, t, columns + 1).astype(int)
    starts, counts = edges[:-1], np.diff(edges)
    # The peak of each filter is scaled to 1, so that a full-scale sine at its centre has 0 dB.
    power = np.add.reduceat(spectra.mel, starts, axis=1) / counts
    power *= filters().mel_gain[:, None] / _SINE_POWER
    decibels = 10 * np.log10(np.maximum(power, _AMIN))
    chroma = np.add.reduceat(spectra.chroma, starts, axis=1)
    chroma /= _nonzero(chroma.max(axis=0))
    samples = np.linspace(0, spectra.y.size, columns + 1).astype(int)[:-1]
    extent = np.stack(
        [np.minimum.reduceat(spectra.y, samples), np.maximum.reduceat(spectra.y, samples)]
    )
    return Spectrogram(
        mel=np.rint(np.clip((decibels + 96) / 96, 0, 1) * 255).astype(np.uint8),
        chroma=np.rint(chroma * 255).astype(np.uint8),
        waveform=np.rint(np.clip(extent, -1, 1) * 127).astype(np.int8),
        seconds=spectra.y.size / SAMPLE_RATE,
        fmin=0.0,
        fmax=SAMPLE_RATE / 2,
    )


@cache
def _mel_bands() -> tuple[tuple[int, int, int, int], ...]:
    """Return bins (low, high) and the filters (first, last) that are not 0 there.

    A product band by band skips three quarters of the zeros of the filters.
    """
    edges = (0, 192, 384, 704, N_FFT // 2 + 1)
    bands = []
    for low, high in pairwise(edges):
        inside = np.flatnonzero(filters().mel[low:high].any(axis=0))
        bands.append((low, high, int(inside[0]), int(inside[-1]) + 1))
    return tuple(bands)


@cache
def _hann(width: int) -> FloatArray:
    window: FloatArray = np.hanning(width + 1)[:-1].astype(np.float32)
    return window


@cache
def _tonnetz() -> FloatArray:
    """Return (12, 6): fifths, minor thirds and major thirds as sines and cosines.

    C. Harte, M. Sandler, M. Gasser, "Detecting harmonic change in musical audio", 2006.
    """
    turns = np.array([7 / 6, 7 / 6, 3 / 2, 3 / 2, 2 / 3, 2 / 3])
    angle = np.outer(np.arange(12), turns)
    angle[:, ::2] -= 0.5
    radius = np.array([1, 1, 1, 1, 0.5, 0.5])
    return (radius * np.cos(np.pi * angle)).astype(np.float32)


class _Band(NamedTuple):
    low: int
    high: int
    k: int  # number of bins in the peak, and in the valley


@cache
def _contrast_bands() -> tuple[_Band, ...]:
    """Return the bins of 0 to 200 Hz and of the six octaves above, with librosa's borders."""
    frequencies = np.arange(N_FFT // 2 + 1) * SAMPLE_RATE / N_FFT
    edges = [0.0, *(200.0 * 2.0**k for k in range(7))]
    bands = []
    for number, (low, high) in enumerate(pairwise(edges)):
        inside = np.flatnonzero((frequencies >= low) & (frequencies <= high))
        first, last = int(inside[0]), int(inside[-1]) + 1
        if number > 0:
            first -= 1
        if number == len(edges) - 2:
            last = frequencies.size
        k = max(1, int(np.rint(0.02 * (last - first))))
        bands.append(_Band(first, last if number == len(edges) - 2 else last - 1, k))
    return tuple(bands)


class _Shape(NamedTuple):
    """Shape of the spectrum of each frame; `peak` and `valley` are (t, 7), the others (t,)."""

    centroid: FloatArray
    bandwidth: FloatArray
    rolloff: FloatArray
    flatness: FloatArray
    peak: DoubleArray
    valley: DoubleArray


def _transform(padded: FloatArray, window: DoubleArray) -> tuple[FloatArray, _Shape]:
    """Return the power spectra of all frames (t, 1025), and their shape.

    Transformed in double precision, as in librosa: in single, rounding would fill the empty bins
    above a codec's low-pass, and contrast and flatness would measure that. A few frames at a time,
    with all that is measured in them, fit into the processor's cache.
    """
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP_LENGTH]
    power = np.empty((len(frames), N_FFT // 2 + 1), dtype=np.float32)
    shapes = []
    for start in range(0, len(frames), _BLOCK):
        block = slice(start, start + _BLOCK)
        transform = scipy.fft.rfft(frames[block] * window, axis=1, overwrite_x=True)
        power[block] = np.square(transform.real) + np.square(transform.imag)
        shapes.append(_shape(power[block]))
    return power, _Shape(*(np.concatenate(parts) for parts in zip(*shapes, strict=True)))


def _shape(power: FloatArray) -> _Shape:
    magnitude = np.sqrt(power)
    centroid, bandwidth = _centroid_and_bandwidth(magnitude)
    peak, valley = _peak_and_valley(magnitude)
    return _Shape(centroid, bandwidth, _rolloff(magnitude), _flatness(power), peak, valley)


def _mel(power: FloatArray) -> FloatArray:
    """Return mel power (t, 128) of power spectra (t, 1025)."""
    mel_filters = filters().mel
    mel = np.zeros((len(power), N_MELS), dtype=np.float32)
    for low, high, first, last in _mel_bands():
        mel[:, first:last] += power[:, low:high] @ mel_filters[low:high, first:last]
    return mel


def _decibels(power: NDArray[np.floating]) -> FloatArray:
    decibels = 10 * np.log10(np.maximum(power, _AMIN))
    floored: FloatArray = np.maximum(decibels, decibels.max() - _TOP_DB)
    return floored


def _nonzero(norm: FloatArray) -> FloatArray:
    """Return norms with 1 for 0: librosa leaves such a frame as it is."""
    return np.where(norm < np.finfo(norm.dtype).tiny, np.ones_like(norm), norm)


def _delta(x: FloatArray) -> FloatArray:
    """Return slopes of lines through nine frames (t, n); at the ends, the first and last nine."""
    reach = _DELTA_WIDTH // 2
    inner = len(x) - 2 * reach
    slope = np.zeros((inner, x.shape[1]), dtype=x.dtype)
    for i in range(1, reach + 1):
        slope += i * (x[reach + i : reach + i + inner] - x[reach - i : reach - i + inner])
    slope /= 2 * sum(i * i for i in range(1, reach + 1))
    padded: FloatArray = np.pad(slope, ((reach, reach), (0, 0)), mode="edge")
    return padded


def _onset_strength(mel_db: FloatArray) -> FloatArray:
    rise = np.maximum(0, np.diff(mel_db, axis=0)).mean(axis=1)
    # One frame for the lag, two because a centred frame contains an onset before its own time.
    shift = 1 + N_FFT // (2 * HOP_LENGTH)
    strength: FloatArray = np.pad(rise, (shift, 0))[: len(mel_db)]
    return strength


def _rms(padded: FloatArray, t: int) -> FloatArray:
    hops = padded[: padded.size // HOP_LENGTH * HOP_LENGTH].reshape(-1, HOP_LENGTH)
    energy = np.einsum("th,th->t", hops, hops)
    rms: FloatArray = np.sqrt(_over_frames(energy, t) / N_FFT, dtype=np.float32)
    return rms


def _over_frames(per_hop: NDArray[Number], t: int) -> NDArray[Number]:
    """Return sums over the hops of each frame."""
    hops = np.lib.stride_tricks.sliding_window_view(per_hop, N_FFT // HOP_LENGTH)[:t]
    total: NDArray[Number] = hops.sum(axis=1)
    return total


def _zero_crossing_rate(y: FloatArray, t: int) -> FloatArray:
    # Samples this small count as 0, and 0 counts as positive. Frames overlap by whole hops.
    negative = y < -_AMIN
    changes = np.zeros((t + N_FFT // HOP_LENGTH - 1, HOP_LENGTH), dtype=np.uint8)
    changes.ravel()[N_FFT // 2 + 1 : N_FFT // 2 + y.size] = negative[1:] != negative[:-1]
    count = _over_frames(changes.sum(axis=1, dtype=np.int32), t) - changes[:t, 0]
    rate: FloatArray = (count / N_FFT).astype(np.float32)
    return rate


def _centroid_and_bandwidth(magnitude: FloatArray) -> tuple[FloatArray, FloatArray]:
    # In double precision: the variance is a small difference of large sums.
    bins = np.arange(magnitude.shape[1]) * (SAMPLE_RATE / N_FFT)
    sums = magnitude.astype(np.float64) @ np.column_stack([np.ones_like(bins), bins, bins**2])
    total = np.where(sums[:, 0] < np.finfo(np.float32).tiny, 1.0, sums[:, 0])
    centroid, square = sums[:, 1] / total, sums[:, 2] / total
    bandwidth = np.sqrt(np.maximum(0, square - centroid**2))
    return centroid.astype(np.float32), bandwidth.astype(np.float32)


def _peak_and_valley(magnitude: FloatArray) -> tuple[DoubleArray, DoubleArray]:
    """Return the means of the loudest and of the softest bins in each of seven bands (t, 7)."""
    peak = np.empty((len(magnitude), len(_contrast_bands())))
    valley = np.empty_like(peak)
    for column, (low, high, k) in enumerate(_contrast_bands()):
        band = np.sort(magnitude[:, low:high], axis=1)
        valley[:, column] = band[:, :k].mean(axis=1)
        peak[:, column] = band[:, -k:].mean(axis=1)
    return peak, valley


def _rolloff(magnitude: FloatArray) -> FloatArray:
    total = np.cumsum(magnitude, axis=1)
    reached = np.argmax(total >= np.float32(0.85) * total[:, -1:], axis=1)
    rolloff: FloatArray = (reached * (SAMPLE_RATE / N_FFT)).astype(np.float32)
    return rolloff


def _flatness(power: FloatArray) -> FloatArray:
    floored = np.maximum(power, np.float32(_AMIN))
    flatness: FloatArray = np.exp(np.log(floored).mean(axis=1)) / floored.mean(axis=1)
    return flatness
