"""Key, mode and tuning of songs made of known chords."""

from __future__ import annotations

import numpy as np
import pytest

from musrec import wording
from musrec.audio import harmony
from musrec.model import PITCH_CLASSES, SAMPLE_RATE
from tests.support import sounds


@pytest.mark.parametrize("tonic", range(12))
def test_the_key_moves_with_the_music(tonic: int) -> None:
    major = harmony.key(sounds.song(sounds.MAJOR_SONG, tonic, 12.0), sr=SAMPLE_RATE)
    minor = harmony.key(sounds.song(sounds.MINOR_SONG, tonic, 12.0), sr=SAMPLE_RATE)

    assert major is not None
    assert minor is not None
    assert wording.key(major) == f"{PITCH_CLASSES[tonic]}\u00a0major"
    assert wording.key(minor) == f"{PITCH_CLASSES[tonic]}\u00a0minor"
    assert min(major.confidence, minor.confidence) > 0.2


@pytest.mark.parametrize("cents", [-40, -15, 0, 30])
def test_detuned_instruments_keep_their_key(cents: int) -> None:
    heard = harmony.key(sounds.song(sounds.MAJOR_SONG, 2 + cents / 100, 12.0), sr=SAMPLE_RATE)

    assert heard is not None
    assert wording.key(heard) == "D\u00a0major"
    assert heard.tuning == pytest.approx(cents, abs=4)


def test_sounds_without_a_key_get_none_or_an_unsure_one() -> None:
    assert harmony.key(sounds.silence(5.0), sr=SAMPLE_RATE) is None
    assert harmony.key(sounds.note(60, 0.1), sr=SAMPLE_RATE) is None
    song = harmony.key(sounds.song(sounds.MAJOR_SONG, 0, 12.0), sr=SAMPLE_RATE)
    assert song is not None
    for colour in (0, 1, 2):
        noise = harmony.key(sounds.noise(12.0, colour), sr=SAMPLE_RATE)
        assert noise is None or noise.confidence < 0.1 < song.confidence


def test_the_level_does_not_matter() -> None:
    y = sounds.song(sounds.MINOR_SONG, 9, 9.0)
    assert harmony.key(y, sr=SAMPLE_RATE) == harmony.key(y * np.float32(0.05), sr=SAMPLE_RATE)
