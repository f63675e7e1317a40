"""What is heard is worded in one way."""

from __future__ import annotations

import pytest

from musrec import wording
from musrec.model import Harmony, SoundKind


def test_a_tempo_is_in_whole_beats_and_a_key_has_its_mode() -> None:
    assert wording.tempo(89.6) == "90\u00a0BPM"
    assert wording.key(Harmony("E", "minor", 0.9, -3.0)) == "E\u00a0minor"
    assert wording.tempo(89.6) == "90\u00a0BPM"
    assert wording.tempo(89.6, 179.2) == "90 or 179\u00a0BPM"


def test_another_services_numbers_are_said_in_the_same_words() -> None:
    values = {"energy": 0.81, "tempo": 122.7, "key": 2.0, "mode": 0.0, "liveness": 0.1}
    assert wording.features(values) == ("123\u00a0BPM", "D\u00a0minor", "energy\u00a081%")
    assert wording.features({"tempo": 0.0, "key": -1.0, "mode": 1.0}) == ()
    assert wording.features({"key": 2.5, "valence": 0.4}) == ("happy\u00a040%",)


@pytest.mark.parametrize("kind", [kind for kind in SoundKind if kind is not SoundKind.MUSIC])
def test_sounds_other_than_music_are_called_by_their_kind(kind: SoundKind) -> None:
    assert wording.no_music(kind).startswith("I hear no music in this: ")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], ""),
        (["piano"], "piano"),
        (["male voice"], "a male voice"),
        (["female voice", "drums"], "drums and a female voice"),
        (["drums", "guitar", "male voice"], "drums, guitar and a male voice"),
    ],
)
def test_instruments_in_a_sentence(names: list[str], said: str) -> None:
    assert wording.instruments(names) == said


@pytest.mark.parametrize(
    ("marks", "said"),
    [
        ([], ""),
        (["very dark"], "very dark"),
        (["very dark", "very calm", "steady"], "very dark and calm, with a steady beat"),
        (["fast", "very dark", "very calm"], "very dark and calm; also fast"),
        (["very vocal", "even"], "strong vocals and an even volume"),
        (["bright", "noisy", "intense"], "bright, noisy and intense"),
    ],
)
def test_a_sound_in_a_sentence(marks: list[str], said: str) -> None:
    assert wording.sound(marks) == said
