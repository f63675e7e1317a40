"""Completing the name of a song."""

from __future__ import annotations

import numpy as np
import pytest

from musrec.catalogue import search
from musrec.model import Catalogue, Profile, Track

TRACKS = tuple(
    Track(title, title, (artist,))
    for title, artist in (
        ("Moonlight Shadow", "Mike Oldfield"),
        ("Blue Moon", "The Marcels"),
        ("Moon", "Kid Francescoli"),
        ("Boogie Nights", "Heatwave"),
        ("Honeymoon", "Lana Del Rey"),
        ("Harvest Moon", "Neil Young"),
    )
)


def suggested(typed: str, limit: int = 25) -> list[str]:
    catalogue = Catalogue(
        TRACKS, (Profile(),) * len(TRACKS), np.zeros((len(TRACKS), 2), np.float32), {}
    )
    found = search.suggest(catalogue, search.names(TRACKS), typed, limit)
    return [track.title for track in found]


def test_starts_of_names_come_before_starts_of_words_before_slips() -> None:
    found = suggested("moon")
    assert found[:4] == ["Moon", "Moonlight Shadow", "Blue Moon", "Harvest Moon"]
    assert suggested("moon", 3) == found[:3]


@pytest.mark.parametrize("typed", ["boogie nigths", "Bogie Nights", "heatwave boogie", "HEATW"])
def test_slips_artists_and_either_order_are_understood(typed: str) -> None:
    assert suggested(typed)[0] == "Boogie Nights"


def test_what_is_like_no_name_completes_to_nothing() -> None:
    assert suggested("zxqjw") == []
