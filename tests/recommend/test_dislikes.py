import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musrec.recommend.taste import DISLIKE_PULL, DISLIKE_SHARE, rocchio_weights, sound_alike

OPINIONS = st.lists(st.floats(0.01, 1), min_size=1, max_size=60)


def ones(n: int) -> np.ndarray:
    return np.ones(n, np.float32)


@given(OPINIONS, OPINIONS)
def test_dislikes_never_outvote_likes(liked: list[float], disliked: list[float]) -> None:
    weights = rocchio_weights(np.array(liked), np.array(disliked))
    up, down = weights[: len(liked)], -weights[len(liked) :]
    assert np.array_equal(up, liked)
    assert (down > 0).all()
    assert down.sum() <= DISLIKE_SHARE * up.sum() + 1e-6
    assert (down <= DISLIKE_PULL * np.array(disliked) + 1e-9).all()


def test_one_dislike_among_many_likes_counts_as_itself() -> None:
    assert rocchio_weights(ones(40), ones(1))[-1] == pytest.approx(-DISLIKE_PULL)
    assert rocchio_weights(ones(3), ones(0)).tolist() == [1, 1, 1]


def test_the_same_sound_counts_in_full_and_a_merely_similar_one_a_little() -> None:
    background = np.random.default_rng(0).uniform(-0.2, 0.2, (500, 1)).astype(np.float32)
    similarities = np.array([[1.0], [0.9], [0.65], [0.3], [-0.5]], np.float32)
    alike = sound_alike(similarities, background)[:, 0]
    assert alike[0] == 1
    assert 0.7 < alike[1] < 0.8
    assert alike[2] == pytest.approx(0.25)
    assert not alike[3:].any()
