"""Clips without music are called what they are, and music is never called anything else."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from musrec.audio import features, kind, rhythm
from musrec.audio.decode import decode
from musrec.audio.tagger import TAGS
from musrec.model import SAMPLE_RATE, SoundKind
from tests.support import sounds

SENTENCES = """Welcome back to the show. Today we are going to talk about how to build a small
greenhouse from old windows. First of all you need some wood, a saw, and a lot of patience. I
started mine last spring, and to be honest it took me three weekends and a good deal of tea."""


def hear(y: NDArray[np.float32], tag_mean: NDArray[np.float32] | None = None) -> SoundKind:
    sound = features.spectra(y)
    pulse = rhythm.pulse(rhythm.onsets(sound.mel), sr=SAMPLE_RATE, hop_length=features.HOP_LENGTH)
    return kind.classify(sound, rhythm=pulse, tag_mean=tag_mean)


def test_silence() -> None:
    assert hear(sounds.silence(5.0)) == SoundKind.SILENCE
    assert hear(sounds.noise(5.0) * np.float32(1e-3)) == SoundKind.SILENCE


@pytest.mark.parametrize("colour", [-1, 0, 1, 2])
def test_noise_of_every_colour(colour: int) -> None:
    assert hear(sounds.noise(10.0, colour)) == SoundKind.NOISE


def test_applause() -> None:
    assert hear(sounds.applause(10.0)) == SoundKind.NOISE


@pytest.mark.parametrize("frequencies", [(440,), (60, 120, 180, 240), (262, 330, 392)])
def test_held_tones(frequencies: tuple[int, ...]) -> None:
    y = np.sum([sounds.sine(frequency, 8.0) for frequency in frequencies], axis=0)
    hiss = sounds.noise(8.0) * np.float32(0.01)
    assert hear((y / len(frequencies) + hiss).astype(np.float32)) == SoundKind.TONES


def test_a_sweep_is_a_tone() -> None:
    t = np.arange(8 * SAMPLE_RATE) / SAMPLE_RATE
    assert hear((0.3 * np.sin(2 * np.pi * (60 + 150 * t) * t)).astype(np.float32)) == "tones"


@pytest.mark.parametrize("seed", range(3))
def test_syllables_and_pauses_are_speech(seed: int) -> None:
    assert hear(sounds.babble(15.0, seed)) == SoundKind.SPEECH


@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is not installed")
@pytest.mark.parametrize("voice", ["en-us", "en-gb+f3", "en-us+m7", "en+whisper"])
def test_a_voice_is_speech(voice: str, tmp_path: Path) -> None:
    spoken = tmp_path / "spoken.wav"
    command = ["espeak-ng", "-v", voice, "-w", str(spoken), SENTENCES]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    assert hear(decode(spoken.read_bytes()).y) == SoundKind.SPEECH


def test_played_sounds_are_music() -> None:
    assert hear(sounds.song(sounds.MAJOR_SONG, 0, 10.0)) == SoundKind.MUSIC
    assert hear(sounds.clicks(120, 10.0)) == SoundKind.MUSIC, "a drum alone is music"
    assert hear(sounds.drone(10.0)) == SoundKind.MUSIC, "so is a chord that slowly moves"
    assert hear(sounds.melody(10.0)) == SoundKind.MUSIC, "and a single flute"


def test_real_music_is_music(shared_data: Path) -> None:
    """60 excerpts, each whole, and every five seconds of a quarter of them."""
    files = sorted((shared_data / "gtzan" / "audio").iterdir())[::3]
    files += [file for file in sorted((shared_data / "music").iterdir()) if file.suffix != ".csv"]
    kinds: Counter[SoundKind] = Counter()
    for number, file in enumerate(files):
        y = decode(file.read_bytes()).y
        pieces = [y]
        if number % 4 == 0:
            length = 5 * SAMPLE_RATE
            pieces += [y[i : i + length] for i in range(0, y.size - length, length)]
        kinds.update(hear(piece) for piece in pieces)
    assert kinds.total() > 100
    assert set(kinds) == {SoundKind.MUSIC}


def test_a_sure_tag_makes_a_sound_music() -> None:
    harsh = sounds.noise(10.0, 1)
    tag_mean = np.full(len(TAGS), 0.02, dtype=np.float32)
    assert hear(harsh, tag_mean) == SoundKind.NOISE
    tag_mean[TAGS.index("electronic")] = 0.6
    assert hear(harsh, tag_mean) == SoundKind.NOISE, "the tagger calls plain noise that, too"
    tag_mean[TAGS.index("metal")] = 0.6
    assert hear(harsh, tag_mean) == SoundKind.MUSIC
