"""Wishes in words: read whole, or not at all."""

from __future__ import annotations

import pytest

from musrec.catalogue import wish
from musrec.model import Constraints, NotFound

GENRES = frozenset(("jazz", "metal", "hip hop", "r&b"))
MOODS = frozenset(("calm", "very calm", "loud", "instrumental"))
INSTRUMENTS = frozenset(("piano", "drums", "female voice"))
SAID = {
    "calm jazz": Constraints(only_genres=frozenset(("jazz",)), only_moods=frozenset(("calm",))),
    "Hip Hop, NOT loud": Constraints(
        only_genres=frozenset(("hip hop",)), no_moods=frozenset(("loud",))
    ),
    "some very calm music with female vocals": Constraints(
        only_moods=frozenset(("very calm",)), only_instruments=frozenset(("female voice",))
    ),
    "jazz with piano, no drums": Constraints(
        only_genres=frozenset(("jazz",)),
        only_instruments=frozenset(("piano",)),
        no_instruments=frozenset(("drums",)),
    ),
    "calm instrumental": Constraints(only_moods=frozenset(("calm",)), voice="instrumental"),
    "jazz without vocals": Constraints(only_genres=frozenset(("jazz",)), voice="instrumental"),
    "metal with singing": Constraints(only_genres=frozenset(("metal",)), voice="sung"),
    "not instrumental": Constraints(no_moods=frozenset(("instrumental",))),
    "r&b without metal at 90-110 bpm": Constraints(
        only_genres=frozenset(("r&b",)), no_genres=frozenset(("metal",)), tempo=(90, 110)
    ),
    "100–120 BPM": Constraints(tempo=(100, 120)),
}


@pytest.mark.parametrize("text", SAID)
def test_a_wish_is_read(text: str) -> None:
    assert wish.read(text, GENRES, MOODS, INSTRUMENTS) == SAID[text]


@pytest.mark.parametrize(
    "text", ["", "not", "All That Jazz", "jazzy", "120", "some song", "https://x.example/jazz"]
)
def test_what_has_any_other_word_is_no_wish(text: str) -> None:
    assert wish.read(text, GENRES, MOODS) is None


def test_a_tempo_that_is_none_gets_a_sentence() -> None:
    with pytest.raises(NotFound, match="is no tempo"):
        wish.read("jazz 120-90 bpm", GENRES, MOODS)
