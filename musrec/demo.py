"""Short tunes that the package composes itself, for a machine without music.

They are made of plucked tones and drums, and differ in what is heard: tempo, key, brightness,
percussion. Their titles say what they are.
"""

from __future__ import annotations

import io
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musrec.catalogue.files import Found, walk

if TYPE_CHECKING:
    from musrec.model import FloatArray

RATE = 22_050


@dataclass(frozen=True, slots=True)
class Tune:
    """How one tune is made.

    Attributes
    ----------
    title, artist : str
    bpm : float
        Beats per minute.
    chords : tuple of tuple of int
        MIDI notes of each bar.
    metre : int
        Beats per bar.
    partials : int
        Number of partials of each note: the more, the brighter.
    decay : float
        Seconds until a note has faded to 1/e.
    drums : float
        Level, 0 (none) to 1.
    """

    title: str
    artist: str
    bpm: float
    chords: tuple[tuple[int, ...], ...]
    metre: int = 4
    partials: int = 4
    decay: float = 0.5
    drums: float = 0.0

    @property
    def file(self) -> str:
        """Its file name, from which artist and title are read."""
        return f"{self.artist} - {self.title}.wav"


_MAJOR = ((60, 64, 67), (65, 69, 72), (67, 71, 74), (60, 64, 67))
_MINOR = ((57, 60, 64), (53, 57, 60), (55, 59, 62), (52, 55, 59))

TUNES = (
    Tune("Composed waltz in C", "Sine Sisters", 96, _MAJOR, metre=3, decay=0.6),
    Tune("Composed slow waltz in C", "The Envelopes", 84, _MAJOR, metre=3, decay=0.9, partials=3),
    Tune("Composed march in A minor", "Trio Sawtooth", 112, _MINOR, partials=8, drums=0.5),
    Tune(
        "Composed dance in A minor",
        "Sine Sisters",
        126,
        _MINOR,
        partials=14,
        decay=0.2,
        drums=1.0,
    ),
    Tune(
        "Composed fast dance in C", "Trio Sawtooth", 132, _MAJOR, partials=14, decay=0.2, drums=1.0
    ),
    Tune("Composed lullaby in A minor", "The Envelopes", 66, _MINOR, partials=2, decay=1.2),
)


def compose(tune: Tune, seconds: float = 16.0) -> FloatArray:
    """Return a tune as mono samples at `RATE`, shape (n,), -0.8 to 0.8; always the same."""
    random = np.random.default_rng(sum(map(ord, tune.title)))
    y = np.zeros(round((seconds + 2) * RATE), np.float32)
    beat = 60 / tune.bpm
    for number in range(int(seconds / beat)):
        bar, place = divmod(number, tune.metre)
        chord = tune.chords[bar % len(tune.chords)]
        start = round(number * beat * RATE)
        notes = (chord[0] - 12,) if place == 0 else (chord[place % len(chord)] + 12, *chord[1:])
        for note in notes:
            _mix(y, start, _pluck(note, tune))
        if tune.drums:
            _mix(y, start, tune.drums * _drum(place % 2 == 1, random))
    y = y[: round(seconds * RATE)]
    return np.asarray(0.8 * y / np.abs(y).max(), np.float32)


def _mix(y: FloatArray, start: int, sound: FloatArray) -> None:
    y[start : start + len(sound)] += sound[: len(y) - start]


def _pluck(note: int, tune: Tune) -> FloatArray:
    t = np.arange(round(2 * tune.decay * RATE)) / RATE
    frequency = 440 * 2 ** ((note - 69) / 12)
    partials = np.arange(1, tune.partials + 1)[:, None]
    tone = np.sin(2 * np.pi * frequency * partials * t) * np.exp(-t * partials**0.5 / tune.decay)
    attack = np.minimum(t / 0.005, 1)
    return np.asarray(0.2 * attack * (tone / partials).sum(0), np.float32)


def _drum(snare: bool, random: np.random.Generator) -> FloatArray:
    t = np.arange(round(0.2 * RATE)) / RATE
    if snare:
        return np.asarray(0.4 * random.normal(size=len(t)) * np.exp(-t / 0.04), np.float32)
    return np.asarray(np.sin(2 * np.pi * 60 * t * np.exp(-t)) * np.exp(-t / 0.08), np.float32)


def wav(y: FloatArray) -> bytes:
    """Return mono samples at `RATE`, shape (n,), -1 to 1, as a 16-bit WAV file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(y, -1, 1) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def has_music(folder: Path) -> bool:
    """Whether a folder is there and holds audio files."""
    return folder.is_dir() and any(isinstance(one, Found) and one.stamp for one in walk([folder]))


def write_tunes(folder: Path) -> None:
    """Write every tune into a folder as ``artist - title.wav``."""
    folder.mkdir(parents=True, exist_ok=True)
    for tune in TUNES:
        (folder / tune.file).write_bytes(wav(compose(tune)))
