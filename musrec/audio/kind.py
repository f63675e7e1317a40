"""Music or not: silence, test tones, noise and speech told apart from music.

A few measurements, each chosen for what makes a sound not music, and rules that a sound must pass
whole: where one of them is in doubt, it is music. Tones never change, or glide one way. Noise has
no partials, which is seen in the flatness of narrow bands: the power of noise in neighbouring bins
is exponentially distributed, whatever its colour. Speech pauses and changes with every syllable
(the low-energy frames of E. Scheirer and M. Slaney, "Construction and evaluation of a robust
multifeature speech/music discriminator", ICASSP 1997) and holds no pitch; music does one or the
other, or has a pulse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musrec.audio.features import HOP_LENGTH
from musrec.model import SAMPLE_RATE, Rhythm, SoundKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.audio.features import Spectra
    from musrec.model import FloatArray

_SILENT = 1e-3
"""RMS of the loudest frame: -60 dB of full scale."""

_PULSE = 0.1
"""Confidence in the tempo from which on a sound is taken for played."""

_TAGGED = 0.35
"""Probability of a tag, other than those of `_CONFUSED`, that only music gets."""

_CONFUSED = {
    SoundKind.SPEECH: {"Hip-Hop", "electronic", "experimental", "folk"},
    SoundKind.NOISE: {
        *("electronic", "ambient", "experimental", "dance", "House", "electro", "electronica"),
    },
    SoundKind.TONES: {"ambient", "electronic", "experimental", "instrumental"},
}
"""What the tagger, which knows nothing but music, calls each of them."""

_SHORTEST = 1.0
"""Seconds of sound, at a tenth of the level of its loud parts or more; of less, only silence is
told."""


def classify(spectra: Spectra, *, rhythm: Rhythm, tag_mean: FloatArray | None = None) -> SoundKind:
    """Say what a clip holds.

    Parameters
    ----------
    spectra : Spectra
    rhythm : Rhythm
        Of the same clip.
    tag_mean : FloatArray or None, shape (50,)
        Tags in the order of `musrec.audio.tagger.TAGS`; where a tag is sure enough of music, it
        has the last word.

    Returns
    -------
    SoundKind
        `MUSIC` where in doubt.
    """
    if float(spectra.rms.max()) < _SILENT:
        return SoundKind.SILENCE
    loud = spectra.rms > 0.1 * np.quantile(spectra.rms, 0.95)
    if loud.sum() * HOP_LENGTH < _SHORTEST * SAMPLE_RATE:
        return SoundKind.MUSIC
    kind = _by_sound(_measure(spectra, loud), rhythm)
    if kind is not SoundKind.MUSIC and tag_mean is not None and _tagged(tag_mean, kind):
        return SoundKind.MUSIC
    return kind


class _Measurements(NamedTuple):
    glide: float
    """How far a lone partial rises or falls, without ever turning, in octaves; else 0."""
    sameness: float
    """Cosine of a loud frame's spectrum with the mean spectrum, at the 10th percentile."""
    flatness: float
    """Geometric over arithmetic mean of the power in bands of 16 bins: 0.6 for noise."""
    loud_flatness: float
    """The same, loud bands counting more."""
    hold: float
    """Cosine of two spectra 0.1 s apart, median."""
    pauses: float
    """Share of frames with less than half the level of the second around them."""


def _by_sound(heard: _Measurements, rhythm: Rhythm) -> SoundKind:
    if heard.sameness > 0.995 or heard.glide > 1.0:
        return SoundKind.TONES
    if rhythm.confidence >= _PULSE:
        return SoundKind.MUSIC
    if heard.hold < 0.64 and heard.pauses > 0.135 and heard.flatness > 0.4:
        return SoundKind.SPEECH
    if heard.flatness > 0.57 and heard.loud_flatness > 0.54:
        return SoundKind.NOISE
    return SoundKind.MUSIC


def _measure(spectra: Spectra, loud: NDArray[np.bool_]) -> _Measurements:
    level = spectra.rms
    power = spectra.power[5:640, :]
    magnitude = np.sqrt(power)
    magnitude /= np.maximum(np.linalg.norm(magnitude, axis=0), 1e-9)
    mean = magnitude[:, loud].mean(axis=1)
    mean /= np.linalg.norm(mean)
    lag = round(0.1 * SAMPLE_RATE / HOP_LENGTH)
    pairs = np.einsum("ft,ft->t", magnitude[:, lag:], magnitude[:, :-lag])
    both = loud[lag:] & loud[:-lag]
    bands = power[3:579, loud][:, ::4].reshape(36, 16, -1) + 1e-12
    arithmetic = bands.mean(axis=1)
    flatness = np.exp(np.log(bands).mean(axis=1)) / arithmetic
    weight = np.sqrt(arithmetic)
    width = round(SAMPLE_RATE / HOP_LENGTH)
    around = np.convolve(level, np.ones(width) / width, mode="same")
    return _Measurements(
        glide=_glide(spectra.power[:, loud]),
        sameness=float(np.quantile(mean @ magnitude[:, loud], 0.1)),
        flatness=float(np.median(flatness.mean(axis=0))),
        loud_flatness=float(np.median((flatness * weight).sum(axis=0) / weight.sum(axis=0))),
        hold=float(np.median(pairs[both])) if both.any() else 0.0,
        pauses=float(np.mean(level < 0.5 * around)),
    )


def _glide(power: FloatArray) -> float:
    """Octaves between the first and the last peak, where one peak is all and never turns."""
    peak = power[1:-1].argmax(axis=0) + 1
    columns = np.arange(peak.size)
    alone = sum(power[peak + step, columns] for step in (-1, 0, 1))
    alone = alone / np.maximum(power.sum(axis=0), 1e-12)
    steps = np.diff(peak)
    turns = min(np.mean(steps < 0), np.mean(steps > 0)) if steps.size else 1.0
    if np.quantile(alone, 0.1) < 0.9 or turns > 0.01:
        return 0.0
    return float(abs(np.log2(peak[-1] / peak[0])))


def _tagged(tag_mean: FloatArray, kind: SoundKind) -> bool:
    from musrec.audio.tagger import TAGS

    return any(
        probability > _TAGGED and tag not in _CONFUSED[kind]
        for tag, probability in zip(TAGS, tag_mean.tolist(), strict=True)
    )
