from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from musrec.evaluate import ranking
from musrec.model import NotFound


def plays(m: int = 30, n: int = 60, seed: int = 0) -> csr_matrix:
    rng = np.random.default_rng(seed)
    return csr_matrix(np.where(rng.random((m, n)) < 0.3, rng.integers(1, 900, (m, n)), 0.0))


def test_a_split_of_a_member_does_not_depend_on_the_others() -> None:
    data, users = plays(), np.arange(100, 130)
    whole = ranking.split(data, users, 3)
    part = ranking.split(data[5:9], users[5:9], 3)
    for row, held in enumerate(whole.held):
        own = set(data[row].indices)
        assert len(held) == round(0.2 * len(own))
        assert set(held) | set(whole.train[row].indices) == own
        assert not set(held) & set(whole.train[row].indices)
    assert all(np.array_equal(a, b) for a, b in zip(part.held, whole.held[5:9], strict=True))
    assert not np.array_equal(ranking.split(data, users, 4).held[0], whole.held[0])


def test_larger_samples_contain_the_smaller_ones() -> None:
    assert set(ranking.sample(100, 10, 1)) < set(ranking.sample(100, 50, 1))


def test_ndcg_has_its_textbook_values() -> None:
    train = csr_matrix(([1.0], ([0], [0])), shape=(3, 20))
    scores = np.tile(np.arange(20, 0, -1.0), (3, 1)).astype(np.float32)
    held = (np.array([1, 2]), np.array([2]), np.array([], int))
    first, second, third = ranking.ndcg(scores, train, held)
    assert first == pytest.approx(1.0), "the training artist is skipped"
    assert second == pytest.approx(1 / np.log2(4))
    assert np.isnan(third)


def test_likes_lie_between_0_and_1_and_keep_the_order() -> None:
    data = plays()
    likes = ranking.likes(data)
    assert 0 < likes.data.min() < likes.data.max() == pytest.approx(1.0)
    row, original = likes[0].toarray()[0], data[0].toarray()[0]
    assert np.array_equal(np.argsort(row, kind="stable"), np.argsort(original, kind="stable"))


def test_tags_given_to_held_out_artists_can_be_left_out() -> None:
    tagged = np.array([[7, 0, 1], [7, 1, 1], [8, 0, 1]])
    listening = ranking.Listening(np.array([7, 8]), ("a", "b"), plays(2, 2), tagged)
    out = ranking.assigned(listening, np.array([0, 1]), (np.array([0]), np.array([1])))
    assert out.tolist() == [True, False, False]


def test_a_folder_in_another_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"No table artists.tsv.gz"):
        ranking.Listening.load(tmp_path)
    with gzip.open(tmp_path / "artists.tsv.gz", "wt") as file:
        file.write("id\tname\n")
    with pytest.raises(NotFound, match=r"No table artists.tsv.gz"):
        ranking.Listening.load(tmp_path)


def test_the_real_tables_load_completely(shared_data: Path) -> None:
    listening = ranking.Listening.load(shared_data / "lastfm")
    assert listening.plays.shape == (1325, 17632)
    assert listening.plays.nnz == 65_004
    assert "Radiohead" in listening.artists
