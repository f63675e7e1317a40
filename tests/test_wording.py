"""What is heard is worded in one way."""

from __future__ import annotations

import pytest

from musrec import wording
from musrec.model import Harmony, SoundKind


def test_a_tempo_is_in_whole_beats_and_a_key_has_its_mode() -> None:
    assert wording.tempo(89.6) == "90 BPM"
    assert wording.key(Harmony("E", "minor", 0.9, -3.0)) == "E minor"


@pytest.mark.parametrize("kind", [kind for kind in SoundKind if kind is not SoundKind.MUSIC])
def test_sounds_other_than_music_are_called_by_their_kind(kind: SoundKind) -> None:
    assert wording.no_music(kind).startswith("I hear no music in this: ")
