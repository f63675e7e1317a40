"""No artist is on two sides of a split, and what cannot be tested is left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musrec.lab import splits
from musrec.lab.extraction import Measured
from musrec.lab.model import Clip
from musrec.model import MusrecError


def clip(number: int, label: str, artist: str, part: str = "") -> Clip:
    return Clip(str(number), Path(f"{label}-{number}.wav"), label, artist, "", part)


def test_no_artist_of_the_cuts_is_on_two_sides(cuts: Measured) -> None:
    folds = splits.by_artist(cuts.clips)
    assert len(folds) >= 2
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(len(cuts)))
    for fold in folds:
        assert splits.shared_artists(cuts.clips, fold) == set()
        parts = [set(part.tolist()) for part in (fold.train, fold.valid, fold.test)]
        assert sum(map(len, parts)) == len(set.union(*parts)) == len(cuts)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["", *"uvwxyz"])), max_size=60),
    st.integers(0, 3),
)
def test_artists_are_apart_whatever_the_data(made: list[tuple[str, str]], seed: int) -> None:
    listed = [clip(i, label, artist) for i, (label, artist) in enumerate(made)]
    try:
        rows, faults = splits.usable(listed)
    except MusrecError:
        return
    assert len(rows) + len(faults) == len(listed)
    kept = [listed[row] for row in rows]
    for fold in splits.by_artist(kept, seed):
        assert splits.shared_artists(kept, fold) == set()


def test_random_folds_do_share_artists(cuts: Measured) -> None:
    assert any(splits.shared_artists(cuts.clips, fold) for fold in splits.random(cuts.clips))


def test_a_stated_split_loses_the_test_clips_of_artists_in_training() -> None:
    listed = [
        clip(0, "a", "Ann", "train"),
        clip(1, "b", "Ben", "train"),
        clip(2, "a", "Cy", "valid"),
        clip(3, "a", "Ann", "test"),
        clip(4, "b", "Dot", "test"),
    ]
    found = splits.official(listed)
    assert found is not None
    split, faults = found
    assert split.test.tolist() == [4]
    assert [(f.what, f.reason) for f in faults] == [("3", "Ann is in training too: not tested on")]


def test_a_stated_split_whose_artists_are_all_on_both_sides_is_refused() -> None:
    listed = [
        clip(i, label, artist, part)
        for i, (label, artist, part) in enumerate(
            [
                ("a", "Ann", "train"),
                ("b", "Ben", "train"),
                ("a", "Ann", "test"),
                ("b", "Ben", "test"),
            ]
        )
    ]
    with pytest.raises(MusrecError, match="Every artist of the test part"):
        splits.chosen(listed, None)


def test_a_genre_with_one_artist_is_left_out_and_one_genre_is_refused() -> None:
    listed = [
        clip(i, label, artist)
        for i, (label, artist) in enumerate(
            [("a", "u"), ("a", "v"), ("b", "w"), ("b", "x"), ("c", "y"), ("c", "y")]
        )
    ]
    rows, faults = splits.usable(listed)
    assert rows.tolist() == [0, 1, 2, 3]
    assert {fault.what for fault in faults} == {"4", "5"}
    with pytest.raises(MusrecError, match="Two labels"):
        splits.usable(listed[:2])


def test_an_unknown_split_is_refused(cuts: Measured) -> None:
    with pytest.raises(MusrecError, match="no split"):
        splits.chosen(cuts.clips, "by-mood")
