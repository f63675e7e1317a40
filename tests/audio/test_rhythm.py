"""Tempo, octave, beats and steadiness of sounds with a known pulse, and of music."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from musrec.audio import features, rhythm
from musrec.audio.decode import decode
from musrec.model import SAMPLE_RATE, Rhythm
from tests.support import sounds


def pulse(y: NDArray[np.float32]) -> Rhythm:
    return rhythm.pulse(
        rhythm.onsets(features.spectra(y).mel), sr=SAMPLE_RATE, hop_length=features.HOP_LENGTH
    )


@pytest.mark.parametrize("tempo", [60, 75, 93.5, 120, 147, 180, 200])
def test_a_metronome_is_followed_beat_by_beat(tempo: float) -> None:
    heard = pulse(sounds.clicks(tempo, 20.0))

    octaves = {"tempo": heard.tempo, "alternative": heard.alternative}
    assert any(value == pytest.approx(tempo, rel=0.01) for value in octaves.values())
    assert min(abs(np.log2(heard.tempo / tempo) - k) for k in (-1, 0, 1)) < 0.01
    assert heard.steadiness > 0.9
    gap = 60 / tempo
    distance = (np.array(heard.beats) - 0.3) / min(gap, 60 / heard.tempo)
    assert np.median(np.abs(distance - np.rint(distance))) < 0.1


@pytest.mark.parametrize("tempo", [84, 100, 120, 140])
def test_the_octave_is_right_where_people_would_tap(tempo: float) -> None:
    heard = pulse(sounds.clicks(tempo, 20.0))

    assert heard.tempo == pytest.approx(tempo, rel=0.01)
    assert heard.confidence > 0.6


def test_doubt_about_the_octave_lowers_the_confidence() -> None:
    plain = pulse(sounds.clicks(100, 20.0))
    fast = pulse(sounds.clicks(220, 20.0))

    assert fast.confidence < plain.confidence - 0.2
    assert plain.alternative is None
    assert fast.alternative is not None
    assert sorted((fast.tempo, fast.alternative)) == pytest.approx([110, 220], rel=0.01)


def test_faster_playing_is_a_faster_tempo(music: Path) -> None:
    """Onsets of real songs, stretched in time: the tempo follows up to its octave."""
    followed = []
    for name in ("setuniman--sweet-waltz.ogg", "johan-brodd-jobromedia--template.m4a"):
        onset = rhythm.onsets(features.spectra(decode((music / name).read_bytes()).y).mel)
        before = rhythm.pulse(onset, sr=SAMPLE_RATE, hop_length=512).tempo
        for speed in (0.85, 0.95, 1.1, 1.2):
            after = rhythm.pulse(onset, sr=SAMPLE_RATE * speed, hop_length=512).tempo
            followed.append(np.log2(after / (before * speed)))
    distance = np.array(followed)
    assert np.abs(distance - np.rint(distance)).max() < 0.02


@pytest.mark.parametrize("seconds", [3.5, 8.0, 30.0])
@pytest.mark.parametrize("colour", [0, 1, 2])
def test_noise_has_no_pulse(seconds: float, colour: int) -> None:
    assert pulse(sounds.noise(seconds, colour, seed=7)).confidence < 0.1


def test_silence_a_tone_and_a_snippet_have_no_pulse_at_all() -> None:
    for y in (sounds.silence(10.0), sounds.sine(440, 10.0), sounds.clicks(120, 2.0)):
        assert pulse(y) == rhythm.NO_PULSE


def test_uneven_beats_are_less_steady() -> None:
    machine = pulse(sounds.clicks(110, 30.0))
    human = pulse(sounds.clicks(110, 30.0, stray=0.02))

    assert machine.steadiness > 0.9
    assert 0.1 < human.steadiness < machine.steadiness - 0.2


def test_the_level_does_not_matter(music: Path) -> None:
    y = decode((music / "alexander-ehlers--warped.ogg").read_bytes()).y
    loud, quiet = pulse(y), pulse(y * np.float32(0.1))
    assert quiet.tempo == pytest.approx(loud.tempo, rel=0.005)
