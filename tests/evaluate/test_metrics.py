"""Metrics on rankings small enough to compute by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import skew

from musrec.evaluate import metrics

FAR = np.array(
    [
        [0.0, 1.0, 2.0, 3.0],
        [1.0, 0.0, 4.0, 5.0],
        [2.0, 4.0, 0.0, 6.0],
        [3.0, 5.0, 6.0, 0.0],
    ]
)


def test_neighbours_are_never_the_clip_itself_or_of_its_group() -> None:
    assert metrics.nearest(FAR, 2).tolist() == [[1, 2], [0, 2], [0, 1], [0, 1]]
    groups = np.array(["a", "a", "b", "b"])
    assert metrics.nearest(FAR, 3, groups).tolist() == [
        [2, 3, -1],
        [2, 3, -1],
        [0, 1, -1],
        [0, 1, -1],
    ]
    queries = metrics.nearest(FAR[:2], 1, groups, np.array(["b", "c"]))
    assert queries.tolist() == [[0], [1]]


def test_precision_counts_missing_neighbours_as_wrong() -> None:
    labels = np.array(["x", "x", "y", "x"])
    near = np.array([[1, 2], [0, 3], [-1, -1], [0, -1]])
    assert metrics.precision_at_k(near, labels).tolist() == [0.5, 1.0, 0.0, 0.5]


def test_hubs_and_antihubs() -> None:
    near = np.array([[1, 2], [0, 2], [0, 1], [0, 1]])
    counts = metrics.occurrences(near, 4)
    assert counts.tolist() == [3, 3, 2, 0]
    assert metrics.antihubs(counts) == 0.25
    assert metrics.hubness_skew(counts) == pytest.approx(skew(counts))
    assert metrics.hubness_skew([2, 2, 2]) == 0.0


def test_the_rank_of_the_nearest_relevant_clip() -> None:
    far = np.array([[1.0, 2.0, 3.0, np.inf], [1.0, 1.0, 1.0, 5.0], [1.0, 2.0, 3.0, 4.0]])
    relevant = np.array([[0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]], dtype=bool)
    rank = metrics.reciprocal_rank(far, relevant)
    assert rank[:2].tolist() == pytest.approx([1 / 2, 1 / 3])  # ties count as the worst
    assert np.isnan(rank[2])


@settings(max_examples=20, deadline=None)
@given(relevant=st.integers(1, 5), others=st.integers(0, 20))
def test_chance_is_what_shuffling_gives(relevant: int, others: int) -> None:
    rng = np.random.default_rng(0)
    flags = np.zeros((4000, relevant + others), dtype=bool)
    flags[:, :relevant] = True
    drawn = metrics.reciprocal_rank(
        rng.permuted(np.tile(np.arange(relevant + others, dtype=float), (4000, 1)), axis=1), flags
    )
    expected = metrics.expected_reciprocal_rank(relevant, others)
    assert expected == pytest.approx(drawn.mean(), abs=4 * drawn.std() / 60 + 1e-9)


def test_calibration_error_by_hand() -> None:
    # Ten answers at 0.85 of which eight are right, ten at 0.45 of which nine are right.
    top = np.repeat([0.85, 0.45], 10)
    right = np.r_[np.arange(10) < 8, np.arange(10) < 9]
    assert metrics.calibration_error(top, right) == pytest.approx((0.05 + 0.45) / 2)
    assert metrics.calibration_error(np.ones(4), np.ones(4)) == 0


def test_intervals_contain_the_mean_and_are_wider_over_groups() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 10)
    values = (rng.random(40) < 0.5).astype(float)[groups]
    low, high = metrics.bootstrap(values)
    wide_low, wide_high = metrics.bootstrap(values, groups)
    assert low < values.mean() < high
    assert wide_high - wide_low > 2 * (high - low)
    assert metrics.bootstrap(values, seed=1) == metrics.bootstrap(values, seed=1)
    assert all(np.isnan(metrics.bootstrap([np.nan])))


@pytest.mark.parametrize(
    "call",
    [
        lambda: metrics.accuracy([1, 2], [1]),
        lambda: metrics.accuracy([], []),
        lambda: metrics.nearest(np.full((2, 2), np.nan), 1),
        lambda: metrics.nearest(np.zeros((2, 3)), 1),
        lambda: metrics.reciprocal_rank(np.zeros((2, 3)), np.zeros((3, 2), dtype=bool)),
        lambda: metrics.calibration_error(np.array([1.2]), [True]),
        lambda: metrics.expected_reciprocal_rank(0, 3),
    ],
)
def test_wrong_input_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"needed|lie in"):
        call()
