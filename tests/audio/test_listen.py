"""Everything that is heard in one clip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from musrec.audio import listen as listening
from musrec.audio.features import STATISTIC_NAMES
from musrec.audio.listen import listen
from musrec.demo import wav
from musrec.model import ANALYSER_VERSION, SAMPLE_RATE, NotAudio, SoundKind

RNG = np.random.default_rng(7)


def numbers(value: Any) -> list[float]:
    """Every number in an analysis, however deep."""
    if value is None or isinstance(value, str):
        return []
    if isinstance(value, np.ndarray):
        return value.ravel().tolist()
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, tuple):
        return [x for each in value for x in numbers(each)]
    if isinstance(value, (int, float)):
        return [value]
    return [x for field in fields(value) for x in numbers(getattr(value, field.name))]


@pytest.fixture
def deaf_to_tags(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A machine on which the tagger was never installed."""
    monkeypatch.setenv("MUSREC_CACHE", str(tmp_path))
    listening._tagger.cache_clear()
    yield
    listening._tagger.cache_clear()


def test_a_song_is_heard_whole(music: Path) -> None:
    data = (music / "johan-brodd-jobromedia--template.m4a").read_bytes()
    analysis = listen(data, digest="abc", seconds=20).analysis
    assert analysis.version == ANALYSER_VERSION
    assert analysis.digest == "abc"
    assert analysis.seconds == pytest.approx(20, abs=0.01)
    assert analysis.kind is SoundKind.MUSIC
    assert analysis.statistics.shape == (len(STATISTIC_NAMES),)
    assert analysis.rhythm is not None
    assert analysis.harmony is not None
    assert analysis.loudness is not None
    assert analysis.spectrogram is not None
    assert 30 <= analysis.rhythm.tempo <= 300
    assert analysis.harmony.mode in ("major", "minor")
    assert -40 < analysis.loudness < 0
    assert {"brightness", "punch", "tempo", "loudness"} <= set(analysis.descriptors)
    assert analysis.spectrogram.mel.shape == (128, 640)
    assert np.isfinite(numbers(analysis)).all()


def test_everything_else_is_heard_without_the_tagger(music: Path, deaf_to_tags: None) -> None:
    data = (music / "yuanan-j-a-r--miedo.wav").read_bytes()
    analysis = listen(data, digest="", seconds=10).analysis
    assert analysis.tag_mean is analysis.tag_std is analysis.taggram is analysis.embedding is None
    assert analysis.kind is SoundKind.MUSIC
    assert analysis.harmony is not None
    assert np.isfinite(numbers(analysis)).all()


@pytest.mark.parametrize(
    ("y", "kind"),
    [
        (np.zeros(5 * SAMPLE_RATE), SoundKind.SILENCE),
        (RNG.normal(0, 0.2, 5 * SAMPLE_RATE), SoundKind.NOISE),
        (0.5 * np.sin(np.arange(5 * SAMPLE_RATE) * 0.1), SoundKind.TONES),
    ],
)
def test_clips_without_music_are_called_by_their_kind(
    y: np.ndarray, kind: SoundKind, deaf_to_tags: None
) -> None:
    analysis = listen(wav(y), digest="").analysis
    assert analysis.kind is kind
    assert np.isfinite(numbers(analysis)).all()


@pytest.mark.parametrize("seconds", [1.0, 2.0])
def test_short_clips_are_heard_without_a_tempo(music: Path, seconds: float) -> None:
    data = (music / "yuanan-j-a-r--miedo.wav").read_bytes()
    analysis = listen(data, digest="", seconds=seconds).analysis
    assert analysis.seconds == pytest.approx(seconds)
    assert analysis.rhythm is not None
    assert analysis.rhythm.tempo == 0
    assert np.isfinite(numbers(analysis)).all()


def test_a_clip_with_one_click_in_it_is_finite(deaf_to_tags: None) -> None:
    y = np.zeros(4 * SAMPLE_RATE, np.float32)
    y[SAMPLE_RATE] = 1
    assert np.isfinite(numbers(listen(wav(y), digest="").analysis)).all()


def test_bytes_that_are_not_audio_are_refused() -> None:
    with pytest.raises(NotAudio, match="text"):
        listen(b"la la la, la la la la", digest="")


def test_preparing_loads_what_hearing_needs() -> None:
    import subprocess
    import sys

    program = """
import sys, struct
from musrec.audio import listen
listen.prepare()
loaded = set(sys.modules)
body = bytes(4 * 22050)
wav = b"RIFF" + struct.pack("<I", 36 + len(body)) + b"WAVEfmt " + struct.pack(
    "<IHHIIHH", 16, 1, 1, 22050, 44100, 2, 16) + b"data" + struct.pack("<I", len(body)) + body
listen.listen(wav, digest="")
print(sorted(set(sys.modules) - loaded))
print(sorted({"librosa", "numba", "scipy.signal", "scipy.stats", "sklearn"} & set(sys.modules)))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    late, heavy = run.stdout.decode().split("\n")[:2]
    assert late == "[]"
    assert heavy == "[]"
