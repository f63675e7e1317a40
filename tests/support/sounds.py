"""Synthetic sounds, whose tempo, key and kind are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musrec.model import SAMPLE_RATE

Samples = NDArray[np.float32]


def silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * SAMPLE_RATE), dtype=np.float32)


def sine(frequency: float, seconds: float) -> Samples:
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.3 * np.sin(2 * np.pi * frequency * t)).astype(np.float32)


def _levelled(y: np.ndarray) -> Samples:
    """Scale to a peak of 0.3."""
    samples: Samples = (0.3 * y / np.abs(y).max()).astype(np.float32)
    return samples


def noise(seconds: float, colour: float = 0.0, seed: int = 0) -> Samples:
    """Noise whose power falls as frequency to the power of `colour`: 0 white, 1 pink, 2 brown."""
    n = int(seconds * SAMPLE_RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(n))
    frequency = np.maximum(np.fft.rfftfreq(n, 1 / SAMPLE_RATE), 20.0)
    return _levelled(np.fft.irfft(spectrum / frequency ** (colour / 2), n))


def clicks(tempo: float, seconds: float, *, first: float = 0.3, stray: float = 0.0) -> Samples:
    """A short noise burst on every beat, or beside it by a deviation of `stray` seconds."""
    y = silence(seconds)
    rng = np.random.default_rng(3)
    burst = noise(0.03) * np.linspace(1, 0, int(0.03 * SAMPLE_RATE), dtype=np.float32)
    for beat in np.arange(first, seconds - 0.2, 60 / tempo):
        start = max(0, round((beat + rng.normal(0, stray)) * SAMPLE_RATE))
        y[start : start + burst.size] += burst
    return y


def note(midi: float, seconds: float) -> Samples:
    """A plucked note with six harmonics; A4 is 69."""
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    frequency = 440 * 2 ** ((midi - 69) / 12)
    wave = sum(np.sin(2 * np.pi * frequency * k * t) / k**1.3 for k in range(1, 7))
    envelope = np.minimum(1, t / 0.005) * np.exp(-t / 0.8) * np.minimum(1, (seconds - t) / 0.02)
    samples: Samples = (0.15 * wave * envelope).astype(np.float32)
    return samples


Chord = tuple[int, tuple[int, ...]]

MAJOR, MINOR = (0, 4, 7), (0, 3, 7)
MAJOR_SONG: tuple[Chord, ...] = ((0, MAJOR), (7, MAJOR), (9, MINOR), (5, MAJOR))  # I V vi IV
MINOR_SONG: tuple[Chord, ...] = ((0, MINOR), (5, MINOR), (7, MAJOR), (0, MINOR))  # i iv V i


def song(chords: tuple[Chord, ...], tonic: float, seconds: float) -> Samples:
    """Bass and repeated chords, one every 1.5 s; `tonic` in semitones above C."""
    length = 1.5
    bars = []
    for bar in range(int(np.ceil(seconds / length))):
        root, intervals = chords[bar % len(chords)]
        voices = [36 + tonic + root, *(60 + tonic + (root + step) % 12 for step in intervals)]
        bars.append(np.sum([note(voice, length) for voice in voices], axis=0))
    return np.concatenate(bars)[: int(seconds * SAMPLE_RATE)].astype(np.float32)


def babble(seconds: float, seed: int = 0) -> Samples:
    """Like speech: syllables of gliding pitch with formants, hisses between them, and pauses."""
    rng = np.random.default_rng(seed)
    n = int(seconds * SAMPLE_RATE)
    y = np.zeros(n + 2 * SAMPLE_RATE)
    at = 0
    phrase = 0
    while at < n:
        length = int(rng.uniform(0.12, 0.28) * SAMPLE_RATE)
        t = np.arange(length) / SAMPLE_RATE
        pitch = rng.uniform(95, 150) * (1 + rng.uniform(-0.8, 0.8) * t)
        phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
        first, second = rng.uniform(300, 800), rng.uniform(900, 2200)
        wave = np.zeros(length)
        for k in range(1, 30):
            frequency = k * 120.0
            gain = 1 / (1 + ((frequency - first) / 120) ** 2)
            gain += 0.5 / (1 + ((frequency - second) / 180) ** 2) + 0.01
            wave += gain * np.sin(k * phase)
        y[at : at + length] += wave * np.hanning(length)
        at += length
        if rng.random() < 0.4:
            breath = rng.standard_normal(int(rng.uniform(0.05, 0.12) * SAMPLE_RATE))
            hiss = np.diff(breath, prepend=0)
            y[at : at + hiss.size] += 0.6 * hiss * np.hanning(hiss.size)
            at += hiss.size
        phrase += 1
        at += int(rng.uniform(0.0, 0.06) * SAMPLE_RATE)
        if phrase % int(rng.integers(5, 9)) == 0:
            at += int(rng.uniform(0.25, 0.6) * SAMPLE_RATE)
    return _levelled(y[:n])


def applause(seconds: float, rate: float = 60.0) -> Samples:
    """Claps at random times, `rate` per second."""
    rng = np.random.default_rng(5)
    n = int(seconds * SAMPLE_RATE)
    y = np.zeros(n + SAMPLE_RATE)
    for start in rng.integers(0, n, int(rate * seconds)):
        length = int(rng.integers(300, 900))
        decay = np.exp(-np.arange(length) / rng.uniform(60, 200))
        y[start : start + length] += rng.uniform(0.2, 1) * rng.standard_normal(length) * decay
    samples: Samples = (0.3 * y[:n] / np.abs(y).max()).astype(np.float32)
    return samples


def drone(seconds: float) -> Samples:
    """Seven detuned pairs of partials, each swelling and fading at its own pace."""
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    y = np.zeros_like(t)
    for number, midi in enumerate((36, 43, 48, 52, 55, 60, 67)):
        swell = 0.5 + 0.5 * np.sin(2 * np.pi * (0.05 + 0.03 * number) * t + number)
        for cents in (-7, 5):
            y += swell * np.sin(2 * np.pi * 440 * 2 ** ((midi + cents / 100 - 69) / 12) * t)
    return _levelled(y)


def melody(seconds: float) -> Samples:
    """One voice with vibrato and no overtones, moving over a scale."""
    rng = np.random.default_rng(11)
    notes: list[np.ndarray] = []
    while sum(note.size for note in notes) < seconds * SAMPLE_RATE:
        length = float(rng.choice([0.25, 0.5, 1.0]))
        t = np.arange(int(length * SAMPLE_RATE)) / SAMPLE_RATE
        frequency = 440 * 2 ** (rng.choice([-5, -3, -1, 0, 2, 4, 5, 7]) / 12)
        wave = np.sin(2 * np.pi * frequency * t + 1.5 * np.sin(2 * np.pi * 5 * t))
        notes.append(0.3 * wave * np.minimum(1, t / 0.03) * np.minimum(1, (length - t) / 0.03))
    return np.concatenate(notes)[: int(seconds * SAMPLE_RATE)].astype(np.float32)


def rain(seconds: float, rate: float = 150.0) -> Samples:
    """Hiss, and drops at random times, `rate` per second."""
    rng = np.random.default_rng(7)
    y = noise(seconds, 0.7)
    t = np.arange(220)
    drop = np.exp(-t / 40) * np.sin(2 * np.pi * 3000 * t / SAMPLE_RATE)
    for start in rng.integers(0, y.size - t.size, int(rate * seconds)):
        y[start : start + t.size] += (drop * rng.uniform(0.02, 0.2)).astype(np.float32)
    return _levelled(y)


def engine(seconds: float) -> Samples:
    """Harmonics of an idling motor, near 28 Hz and never quite steady, in pink noise."""
    rng = np.random.default_rng(8)
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    knots = np.linspace(0, seconds, int(seconds) + 1)
    phase = 2 * np.pi * np.cumsum(28 + np.interp(t, knots, rng.normal(0, 1.5, knots.size)))
    harmonics = [
        np.sin(k * phase / SAMPLE_RATE + rng.uniform(0, 2 * np.pi)) / k**0.7 for k in range(1, 40)
    ]
    return _levelled(_levelled(np.sum(harmonics, axis=0)) + noise(seconds, 1.0))
