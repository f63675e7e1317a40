"""Columns of whole catalogues, beside what counting one by one says."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from musrec.columns import among, most_frequent


def test_what_is_most_frequent_is_what_counting_says() -> None:
    rng = np.random.default_rng(2)
    for n in (0, 1, 500):
        of, among = rng.integers(8, size=(2, n))
        values, rows = most_frequent(of, among)
        assert values.tolist() == sorted(set(of.tolist()))
        for value, row in zip(values.tolist(), rows.tolist(), strict=True):
            counts = Counter(among[of == value].tolist())
            first = counts.most_common(1)[0][0]  # of several, the one met first
            assert row == np.flatnonzero((of == value) & (among == first))[0]


@pytest.mark.parametrize("few", [0, 1, 3, 4, 200])
def test_what_is_among_a_few_is_what_looking_for_each_says(few: int) -> None:
    rng = np.random.default_rng(3)
    values = rng.integers(2**64, size=2_000, dtype=np.uint64)
    values[::7] = values[0]
    values[1::7] = values[1] & np.uint64(0xFFFF)  # the same ending, another number
    wanted = [*values[:few].tolist(), 12_345][: few or None] if few else []
    assert among(values, wanted).tolist() == [value in wanted for value in values.tolist()]
