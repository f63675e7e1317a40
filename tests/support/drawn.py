"""Synthetic sound, songs and profiles for pictures, and ways to read the pictures."""

from __future__ import annotations

import functools
import io

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from musrec.audio import features
from musrec.model import (
    SAMPLE_RATE,
    Analysis,
    Closeness,
    Explanation,
    Harmony,
    Pick,
    Picture,
    Profile,
    Rhythm,
    SoundKind,
    Spectrogram,
    Term,
    Track,
    Trait,
)


def pixels(picture: Picture) -> np.ndarray:
    """Decode a picture: shape (height, width, 3), signed, so that they can be subtracted."""
    return np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGB")).astype(int)


def brightness(rgb: ArrayLike) -> np.ndarray:
    """Return the relative luminance (WCAG 2.2) of colours 0 to 255, shape (..., 3)."""
    share = np.asarray(rgb) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    luminance: np.ndarray = linear @ np.array([0.2126, 0.7152, 0.0722])
    return luminance


def tone(hertz: float, seconds: float = 30.0, level: float = 0.5) -> np.ndarray:
    """Return a sine."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (level * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def tune(seconds: float = 30.0, root: float = 220.0) -> np.ndarray:
    """Return plucked notes of a scale at 120 per minute: pitch, rhythm and a spectrum."""
    steps = np.array([0, 4, 7, 12, 7, 4, 2, 5, 9, 14, 9, 5])
    step = SAMPLE_RATE // 2
    time = np.arange(step) / SAMPLE_RATE
    notes = [
        sum(
            np.sin(2 * np.pi * root * 2 ** (steps[beat % 12] / 12) * overtone * time) / overtone
            for overtone in range(1, 9)
        )
        * np.exp(-5 * time)
        for beat in range(int(seconds * 2))
    ]
    return (0.25 * np.concatenate(notes)).astype(np.float32)


def hear(y: np.ndarray, beats: tuple[float, ...] = ()) -> Analysis:
    """Return as much of a clip's analysis as pictures need."""
    return _hear(y.astype(np.float32).tobytes(), beats)


def spectrogram(y: np.ndarray) -> Spectrogram:
    """Return the spectrogram of a clip."""
    found = hear(y).spectrogram
    assert found is not None
    return found


@functools.lru_cache(maxsize=32)
def _hear(samples: bytes, beats: tuple[float, ...]) -> Analysis:
    y = np.frombuffer(samples, dtype=np.float32)
    spectra = features.spectra(y)
    return Analysis(
        version=1,
        digest="0" * 64,
        seconds=y.size / SAMPLE_RATE,
        kind=SoundKind.MUSIC,
        statistics=features.statistics(spectra),
        rhythm=Rhythm(120.0 if beats else 0.0, 0.9, None, 1.0, beats),
        harmony=Harmony("A", "major", 0.9, 0.0),
        spectrogram=features.spectrogram(spectra),
    )


def song(title: str = "Blue in Green", *artists: str) -> Track:
    return Track(id="aaaaaaaaaa", title=title, artists=artists or ("Miles Davis",))


CALM = Profile(
    tags={"jazz": 0.6, "Mellow": 0.3, "sad": 0.1},
    percentiles={"brightness": 20.0, "intensity": 10.0, "acoustic": 90.0, "mood": 0.0},
    tempo=60.0,
    key="D minor",
)
LOUD = Profile(
    tags={"jazz": 0.2, "metal": 0.7, "happy": 0.2},
    percentiles={"brightness": 80.0, "intensity": 100.0, "acoustic": 30.0, "tempo": 70.0},
    tempo=180.0,
    key="E minor",
)
TERMS = (
    Term("sound", 0.60, "sounds like 3 songs you liked"),
    Term("members", 0.20, "6 members with your taste"),
    Term("popularity", -0.30, "very well known"),
)
TRAITS = (
    Trait("tag", "jazz", 0.2),
    Trait("descriptor", "acoustic", 0.1),
    Trait("tempo", "", 0.05),
    Trait("key", "", 0.01),
)


def picked(
    track: Track,
    terms: tuple[Term, ...] = TERMS,
    profile: Profile = LOUD,
    closeness: Closeness | None = Closeness.VERY_CLOSE,
    traits: tuple[Trait, ...] = TRAITS,
) -> Pick:
    score = sum(term.value for term in terms)
    return Pick(
        track, score, closeness, terms, Explanation("It sounds alike.", traits=traits), profile
    )
