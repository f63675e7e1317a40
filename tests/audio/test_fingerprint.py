"""A recording is recognised re-encoded, shifted and softer, and no other is taken for it."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from musrec.audio import decode, features, fingerprint
from tests.support import sounds
from tests.support.coding import encode, samples

if TYPE_CHECKING:
    from musrec.audio.fingerprint import Words

COPIES = {
    "shifted, softer mp3": lambda y: encode(0.5 * y[22_050:], "libmp3lame", 96_000),
    "opus of 48 kbit/s": lambda y: encode(y, "libopus", 48_000, rate=48_000),
    "mp3 of 64 kbit/s": lambda y: encode(y, "libmp3lame", 64_000),
    "12 dB softer": lambda y: encode(0.25 * y, "libopus", 96_000, rate=48_000),
    "3 s earlier": lambda y: encode(y[132_300:], "libmp3lame", 128_000),
    "3 s later": lambda y: encode(np.pad(y, (132_300, 0)), "libmp3lame", 128_000),
    "the first 20 s": lambda y: encode(y[:882_000], "libmp3lame", 96_000),
    "5 s earlier, 12 dB softer aac": lambda y: encode(0.25 * y[220_500:], "aac", 96_000),
    "resampled": lambda y: encode(y, "libmp3lame", 48_000, rate=16_000),
}


def words(data: bytes) -> Words:
    y = decode.decode(data, seconds=30.0, limit=30.0).y
    return fingerprint.words(features.spectrogram(features.spectra(y)))


@pytest.fixture(scope="module")
def songs(music: Path) -> dict[str, Words]:
    """A dozen songs: one artist's several among them."""
    files = [file for file in sorted(music.iterdir()) if file.suffix != ".csv"]
    return {file.name: words(file.read_bytes()) for file in files[::3]}


@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_is_looked_up_and_recognised(
    copy: str, songs: dict[str, Words], music: Path
) -> None:
    name = sorted(songs)[list(COPIES).index(copy)]
    heard = words(COPIES[copy](samples(music / name)))
    marks = set(fingerprint.landmarks(heard))
    shared = {other: len(marks & {*fingerprint.landmarks(songs[other])}) for other in songs}
    assert max(shared, key=shared.__getitem__) == name
    alike = {other: fingerprint.alike(heard, songs[other]) for other in songs}
    assert [other for other in songs if alike[other] >= fingerprint.SAME] == [name]


def test_no_song_is_taken_for_another(songs: dict[str, Words]) -> None:
    alike = [fingerprint.alike(songs[one], songs[two]) for one, two in combinations(songs, 2)]
    assert len(alike) > 50
    assert max(alike) < 0.62  # far from `SAME`


def test_uniform_and_short_sounds_are_no_recording() -> None:
    for y in (sounds.silence(30), sounds.sine(440, 30), sounds.song(sounds.MAJOR_SONG, 0, 5)):
        heard = fingerprint.words(features.spectrogram(features.spectra(y)))
        assert fingerprint.alike(heard, heard) == 0
        assert fingerprint.landmarks(heard) == []
