"""Every scorer of likes passes the same tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from musrec.recommend.collaborative import (
    AlternatingLeastSquares,
    Ease,
    ItemNeighbours,
    UserNeighbours,
)

Scorer = AlternatingLeastSquares | Ease | ItemNeighbours | UserNeighbours
Fit = Callable[[csr_matrix], Scorer]


def _als(likes: csr_matrix) -> Scorer:
    pytest.importorskip("implicit", reason="implicit, of the extra 'dev', is not installed")
    return AlternatingLeastSquares.fit(likes, factors=2, penalty=0.05)


SCORERS: dict[str, Fit] = {
    "ease": lambda likes: Ease.fit(likes, penalty=2.0, per_like=0),
    "ease with content": lambda likes: Ease.fit(
        likes, np.eye(likes.shape[1], 3, dtype=np.float32), penalty=2.0, per_like=0, share=0.1
    ),
    "item neighbours": lambda likes: ItemNeighbours.fit(likes, shrinkage=0.0),
    "user neighbours": lambda likes: UserNeighbours.fit(likes, shrinkage=0.0),
    "als": _als,
}


@pytest.fixture(params=SCORERS)
def fit(request: pytest.FixtureRequest) -> Fit:
    return SCORERS[request.param]


def checkerboard(members: int, tracks: int) -> tuple[csr_matrix, list[tuple[int, int]]]:
    """Even members like even tracks, odd ones odd tracks; one like of each member is hidden."""
    full = (np.add.outer(np.arange(members), np.arange(tracks)) % 2 == 0).astype(np.float32)
    hidden = [(u, (u + 2 * (u // 2)) % tracks) for u in range(members)]
    seen = full.copy()
    for u, i in hidden:
        assert full[u, i]
        seen[u, i] = 0
    return csr_matrix(seen), hidden


@pytest.mark.parametrize("shape", [(10, 30), (30, 10)])
def test_hidden_like_of_a_checkerboard_comes_first(fit: Fit, shape: tuple[int, int]) -> None:
    likes, hidden = checkerboard(*shape)
    scores = fit(likes).scores(likes)
    scores[likes.toarray() > 0] = -np.inf
    assert scores.argmax(axis=1).tolist() == [i for _, i in hidden]


def test_a_newcomer_is_folded_in_without_a_fit(fit: Fit) -> None:
    likes, _ = checkerboard(12, 12)
    newcomer = csr_matrix(np.eye(1, 12, 4, dtype=np.float32))
    scores = fit(likes).scores(newcomer)[0]
    even, odd = scores[[0, 2, 6, 8, 10]], scores[1::2]
    assert even.mean() > odd.max() + 0.01


def test_empty_profiles_are_scored_without_error(fit: Fit) -> None:
    likes, _ = checkerboard(6, 6)
    scores = fit(likes).scores(csr_matrix((2, 6), dtype=np.float32))
    assert scores.shape == (2, 6)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("members", "tracks", "dimensions"), [(8, 30, 4), (40, 12, 4), (8, 12, 4), (20, 20, 0)]
)
def test_ease_is_the_textbook_solution_on_either_side(
    members: int, tracks: int, dimensions: int
) -> None:
    rng = np.random.default_rng(1)
    likes = csr_matrix((rng.random((members, tracks)) < 0.3).astype(np.float32))
    content = rng.normal(size=(tracks, dimensions)).astype(np.float32)
    stacked = np.vstack([likes.toarray(), 2 * content.T])
    penalty = np.diag(5 + 3 * (likes > 0).toarray().sum(axis=0))
    precision = np.linalg.inv(stacked.T @ stacked + penalty)
    weights = -precision / np.diag(precision)
    np.fill_diagonal(weights, 0)

    model = Ease.fit(likes, content, penalty=5, per_like=3, share=2)

    np.testing.assert_allclose(model.scores(likes), likes @ weights, atol=1e-4)
    by_members, by_content = model.parts(likes)
    np.testing.assert_allclose(by_members + by_content, likes @ weights, atol=1e-4)
    for tracks_, rows in ((np.array([0, 3, 7]), np.array([3, 5])), (np.array([3]), np.arange(9))):
        by_both = model.gains(tracks_, rows, (1, 1))
        np.testing.assert_allclose(by_both, weights[np.ix_(tracks_, rows)], atol=1e-4)
        single = csr_matrix(np.eye(tracks, dtype=np.float32)[tracks_])
        expected = 0.2 * model.parts(single)[0] + 0.7 * model.parts(single)[1]
        weighted = model.gains(tracks_, rows, (0.2, 0.7))
        np.testing.assert_allclose(weighted, expected[:, rows], atol=1e-4)
    if not dimensions:
        assert not by_content.any()


@pytest.mark.parametrize("kind", [Ease, ItemNeighbours])
def test_a_forgotten_member_adds_nothing_any_more(kind: type[Ease | ItemNeighbours]) -> None:
    likes = csr_matrix(np.array([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 1]], np.float32))
    left = kind.fit(likes).without(np.array([1]))
    assert left.likes[1].nnz == 0
    assert left.by_track[2].indices.tolist() == [2]


def test_ease_without_members_scores_zero() -> None:
    model = Ease.fit(csr_matrix((0, 5), dtype=np.float32), np.zeros((5, 0), np.float32))
    assert not model.scores(csr_matrix(np.ones((1, 5), np.float32))).any()


def test_a_track_newer_than_the_fit_is_scored_by_its_sound() -> None:
    rng = np.random.default_rng(4)
    centres = np.eye(2, 6, dtype=np.float32)
    content = np.repeat(centres, 10, axis=0) + 0.1 * rng.normal(size=(20, 6)).astype(np.float32)
    likes = csr_matrix((rng.random((12, 20)) < np.repeat([0.5, 0.1], 10)).astype(np.float32))
    newcomer = csr_matrix(np.eye(1, 20, 3, dtype=np.float32))
    model = Ease.fit(likes, content)
    grown = np.vstack([content, centres])
    members, learned, nearness, _ = model.signals(newcomer, grown, centres[:1])
    np.testing.assert_allclose(
        np.hstack([members[:, :20], learned[:, :20]]), np.hstack(model.parts(newcomer)), atol=1e-5
    )
    assert np.isnan(members[0, 20:]).all()
    assert learned[0, 20] > learned[0, 21]
    np.testing.assert_allclose(nearness[0], grown @ centres[0], atol=1e-5)
