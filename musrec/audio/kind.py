"""Music or not: silence, test tones, noise and speech are told apart from music.

A few measurements, and rules that a sound must meet in full to be called anything but music. Tones
never change, or glide one way. Noise has no partials, which shows in the flatness of narrow bands:
the power of noise in neighbouring bins is exponentially distributed, whatever its colour. Speech
pauses and changes with every syllable (the low-energy frames of E. Scheirer and M. Slaney,
"Construction and evaluation of a robust multifeature speech/music discriminator", ICASSP 1997) and
does not hold a pitch; music flows or holds its pitch, or has a pulse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musrec.audio.features import HOP_LENGTH
from musrec.audio.tagger import TAGS
from musrec.model import SAMPLE_RATE, Rhythm, SoundKind, Voice

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.audio.features import Spectra
    from musrec.model import FloatArray

_SILENT = 1e-3
"""RMS of the loudest frame: -60 dB of full scale."""

_PULSE = 0.02
"""Steadiness from which a sound is taken to be played music; readers stay below it."""

_TAGGED = 0.35
"""Probability that no tag outside `_CONFUSED` reaches without music."""

_CONFUSED = {
    SoundKind.SPEECH: {"Hip-Hop", "electronic", "experimental", "folk"},
    SoundKind.NOISE: {
        *("electronic", "ambient", "experimental", "dance", "House", "electro", "electronica"),
    },
    SoundKind.TONES: {"ambient", "electronic", "experimental", "instrumental"},
}
"""Tags that the tagger, which knows only music, gives to each of them."""

_SHORTEST = 1.0
"""Seconds of sound above a tenth of the level of the loud parts; with less, only silence is told
from music."""


_SPOKEN, _MUSICAL = 0.25, 0.2
"""Share of a clip from which speech makes it speech, and below which it has no music in it."""


def classify(
    spectra: Spectra,
    *,
    rhythm: Rhythm,
    tag_mean: FloatArray | None = None,
    voice: Voice | None = None,
) -> SoundKind:
    """Return what a clip holds.

    Parameters
    ----------
    spectra : Spectra
    rhythm : Rhythm
        Of the same clip.
    tag_mean : FloatArray or None, shape (50,)
        Tags in the order of `musrec.audio.tagger.TAGS`; a tag that is sure enough makes it music,
        whatever the other measurements say.
    voice : Voice or None
        If known, it alone decides what is speech.

    Returns
    -------
    SoundKind
        `MUSIC` when in doubt.
    """
    if float(spectra.rms.max()) < _SILENT:
        return SoundKind.SILENCE
    loud = spectra.rms > 0.1 * np.quantile(spectra.rms, 0.95)
    if loud.sum() * HOP_LENGTH < _SHORTEST * SAMPLE_RATE:
        return SoundKind.MUSIC
    kind = _by_sound(_measure(spectra, loud), rhythm)
    if voice is not None:
        if spoken(voice):
            return SoundKind.SPEECH
        if kind is SoundKind.SPEECH:
            return SoundKind.MUSIC
    if kind is not SoundKind.MUSIC and tag_mean is not None and _tagged(tag_mean, kind):
        return SoundKind.MUSIC
    return kind


def spoken(voice: Voice) -> bool:
    """Whether a clip is speech without music."""
    return voice.speech > max(_SPOKEN, voice.singing) and voice.music < _MUSICAL


class _Measurements(NamedTuple):
    glide: float
    """Octaves that a lone partial rises or falls without ever turning; else 0."""
    sameness: float
    """Cosine of a loud frame's spectrum and the mean spectrum, 10th percentile."""
    flatness: float
    """Geometric over arithmetic mean of the power in bands of 16 bins, median; 0.6 for noise."""
    loud_flatness: float
    """The same, with loud bands counting more."""
    hold: float
    """Cosine of two spectra 0.1 s apart, median."""
    pauses: float
    """Share of frames below half the mean level of the second around them."""


def _by_sound(heard: _Measurements, rhythm: Rhythm) -> SoundKind:
    if heard.sameness > 0.995 or heard.glide > 1.0:
        return SoundKind.TONES
    if rhythm.steadiness >= _PULSE:
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
        glide=_glide(spectra.power.T[loud]),
        sameness=float(np.quantile(mean @ magnitude[:, loud], 0.1)),
        flatness=float(np.median(flatness.mean(axis=0))),
        loud_flatness=float(np.median((flatness * weight).sum(axis=0) / weight.sum(axis=0))),
        hold=float(np.median(pairs[both])) if both.any() else 0.0,
        pauses=float(np.mean(level < 0.5 * around)),
    )


def _glide(power: FloatArray) -> float:
    """Return the octaves from first to last peak if one peak is all there is and never turns."""
    peak = power[:, 1:-1].argmax(axis=1) + 1
    frames = np.arange(peak.size)
    alone = sum(power[frames, peak + step] for step in (-1, 0, 1))
    alone = alone / np.maximum(power.sum(axis=1), 1e-12)
    steps = np.diff(peak)
    turns = min(np.mean(steps < 0), np.mean(steps > 0)) if steps.size else 1.0
    if np.quantile(alone, 0.1) < 0.9 or turns > 0.01:
        return 0.0
    return float(abs(np.log2(peak[-1] / peak[0])))


def _tagged(tag_mean: FloatArray, kind: SoundKind) -> bool:
    return any(
        probability > _TAGGED and tag not in _CONFUSED[kind]
        for tag, probability in zip(TAGS, tag_mean.tolist(), strict=True)
    )
