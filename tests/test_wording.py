"""What is heard is worded in one way."""

from __future__ import annotations

import pytest

from musrec import wording
from musrec.model import Harmony, SoundKind


def test_a_tempo_is_in_whole_beats_and_a_key_has_its_mode() -> None:
    assert wording.tempo(89.6) == "90\u00a0BPM"
    assert wording.key(Harmony("E", "minor", 0.9, -3.0)) == "E\u00a0minor"


@pytest.mark.parametrize("kind", [kind for kind in SoundKind if kind is not SoundKind.MUSIC])
def test_whatever_is_no_music_is_called_what_it_is(kind: SoundKind) -> None:
    assert wording.no_music(kind).startswith("I hear no music in this: ")
