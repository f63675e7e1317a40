"""Sounds that are no music, and music that was damaged, go through the whole of hearing."""

from __future__ import annotations

import io
import wave
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from musrec.audio.decode import decode
from musrec.audio.listen import listen
from musrec.model import SAMPLE_RATE, Analysis, SoundKind
from tests.audio.test_listen import numbers
from tests.support import sounds

Samples = NDArray[np.floating]

SONG = "setuniman--sweet-waltz.ogg"


def wav(y: Samples, rate: int = SAMPLE_RATE) -> bytes:
    """Samples, shape (n,) or (n, channels), as a 16-bit file."""
    channels = y.shape[1] if y.ndim > 1 else 1
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(y, -1, 1) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def hear(y: Samples, rate: int = SAMPLE_RATE) -> Analysis:
    analysis = listen(wav(y, rate), digest="").analysis
    assert np.isfinite(numbers(analysis)).all()
    return analysis


@cache
def samples(music: Path) -> Samples:
    return decode((music / SONG).read_bytes(), seconds=20).y


@cache
def undamaged(music: Path) -> Analysis:
    return hear(samples(music))


def same_pulse(heard: Analysis, whole: Analysis) -> bool:
    """Whether a tempo of one is a tempo of the other, which may be named as the alternative."""
    assert heard.rhythm is not None
    assert whole.rhythm is not None
    return any(
        ours == pytest.approx(theirs, rel=0.02)
        for ours in (heard.rhythm.tempo, heard.rhythm.alternative)
        for theirs in (whole.rhythm.tempo, whole.rhythm.alternative)
        if ours and theirs
    )


@pytest.mark.parametrize(
    ("sound", "kind"),
    [
        (sounds.sine(1000, 8.0), SoundKind.TONES),
        (sounds.applause(8.0), SoundKind.NOISE),
        (sounds.rain(8.0), SoundKind.NOISE),
        (sounds.engine(8.0), SoundKind.NOISE),
    ],
    ids=["1 kHz", "applause", "rain", "engine"],
)
def test_what_is_no_music_has_no_tempo_and_no_key(sound: Samples, kind: SoundKind) -> None:
    analysis = hear(sound)
    assert analysis.kind is kind
    assert analysis.harmony is None
    assert analysis.rhythm is not None
    assert analysis.rhythm.tempo == 0.0
    assert analysis.loudness is not None


def test_a_second_and_a_half_is_described_as_far_as_it_can_be(music: Path) -> None:
    whole = samples(music)
    analysis = hear(whole[: round(1.6 * SAMPLE_RATE)])
    assert analysis.kind is SoundKind.MUSIC
    assert analysis.seconds == pytest.approx(1.6, abs=0.01)
    assert analysis.rhythm is not None
    assert analysis.rhythm.tempo == 0.0
    assert "tempo" not in analysis.descriptors
    assert {"brightness", "loudness"} <= set(analysis.descriptors)
    assert analysis.spectrogram is not None


@pytest.mark.parametrize("loud", [0, 1])
def test_music_in_one_of_two_channels_is_heard_as_in_both(music: Path, loud: int) -> None:
    whole = samples(music)
    sides = np.zeros((whole.size, 2))
    sides[:, loud] = whole
    heard, before = hear(sides), undamaged(music)
    assert heard.kind is SoundKind.MUSIC
    assert heard.rhythm == before.rhythm
    assert heard.harmony == before.harmony
    assert heard.loudness == pytest.approx(before.loudness, abs=0.1)


def test_192_khz_changes_nothing(music: Path) -> None:
    heard = hear(soxr.resample(samples(music), SAMPLE_RATE, 192_000), 192_000)
    before = undamaged(music)
    assert heard.kind is SoundKind.MUSIC
    assert heard.rhythm is not None
    assert before.rhythm is not None
    assert heard.rhythm.tempo == pytest.approx(before.rhythm.tempo, rel=0.002)
    assert heard.loudness == pytest.approx(before.loudness, abs=0.1)
    assert heard.descriptors["brightness"] == pytest.approx(
        before.descriptors["brightness"], rel=0.02
    )


def test_a_telephone_keeps_the_pulse(music: Path) -> None:
    narrow = soxr.resample(samples(music), SAMPLE_RATE, 8_000)
    band = butter(4, (300, 3400), "bandpass", fs=8_000, output="sos")
    heard = hear(sosfilt(band, narrow), 8_000)
    assert heard.kind is SoundKind.MUSIC
    assert same_pulse(heard, undamaged(music))


def test_clipping_by_20_db_keeps_the_pulse(music: Path) -> None:
    whole = samples(music)
    heard = hear(np.clip(10 * whole / np.abs(whole).max(), -1, 1))
    before = undamaged(music)
    assert heard.kind is SoundKind.MUSIC
    assert same_pulse(heard, before)
    assert heard.loudness is not None
    assert before.loudness is not None
    assert heard.loudness > before.loudness + 10
