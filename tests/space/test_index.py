"""Neighbours are exact, corrected for hubs, and the same however the index was built."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import norm

from musrec.evaluate import metrics
from musrec.model import Place
from musrec.space import Index
from musrec.space.index import Distance

DISTANCES = ("cosine", "correlation", "euclidean")
SCIPY = {"cosine": "cosine", "correlation": "correlation", "euclidean": "sqeuclidean"}


def songs(n: int, d: int = 12, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) * np.linspace(0.3, 2, d) + 0.5).astype(np.float32)


@pytest.mark.parametrize("distance", DISTANCES)
def test_similarity_is_mutual_proximity_by_its_definition(distance: Distance) -> None:
    rows, query = songs(200), songs(1, seed=1)[0]
    everything = cdist(rows.astype(float), rows.astype(float), SCIPY[distance])
    to_query = cdist(query[None].astype(float), rows.astype(float), SCIPY[distance])[0]
    expected = norm.sf(to_query, to_query.mean(), to_query.std()) * norm.sf(
        to_query, everything.mean(axis=1), everything.std(axis=1)
    )
    similarities = Index(rows, distance).similarities(query)
    assert similarities.dtype == np.float32
    np.testing.assert_allclose(similarities, expected, atol=2e-3)


@pytest.mark.parametrize("distance", DISTANCES)
def test_without_correction_the_order_is_that_of_the_distance(distance: Distance) -> None:
    rows, query = songs(300), songs(1, seed=2)[0]
    expected = np.argsort(cdist(query[None], rows, SCIPY[distance])[0])[:20]
    found, _ = Index(rows, distance, corrected=False).nearest(query, 20)
    np.testing.assert_array_equal(found, expected)


@settings(max_examples=30, deadline=None)
@given(
    first=st.integers(0, 80),
    more=st.integers(0, 80),
    distance=st.sampled_from(DISTANCES),
    seed=st.integers(0, 2**16),
)
def test_growing_an_index_equals_building_it(
    first: int, more: int, distance: Distance, seed: int
) -> None:
    rows = songs(first + more, seed=seed)
    grown = Index(rows[:first], distance).extended(rows[first:])
    built = Index(rows, distance)
    query = songs(1, seed=seed + 1)[0]
    assert len(grown) == first + more
    np.testing.assert_allclose(grown.similarities(query), built.similarities(query), atol=1e-4)
    similarities = grown.similarities(query)
    assert similarities.shape == (first + more,)
    assert ((similarities >= 0) & (similarities <= 1)).all()


def mixed(n: int, seed: int = 0, share: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Vectors, and fine embeddings of a share of them that agree with the vectors in part."""
    rng = np.random.default_rng(seed)
    vectors = songs(n, seed=seed)
    hidden = vectors @ rng.normal(size=(12, 20)) + 4 * rng.normal(size=(n, 20)) + 3
    fine = (hidden / np.linalg.norm(hidden, axis=1, keepdims=True)).astype(np.float32)
    fine[rng.uniform(size=n) >= share] = np.nan
    return vectors, fine


def test_fine_embeddings_are_equated_to_the_scale_of_vectors_by_definition() -> None:
    vectors, fine = mixed(200)
    query, own = songs(1, seed=1)[0], mixed(1, seed=1, share=1)[1][0]
    known = np.isfinite(fine).all(axis=1)
    cosines = 1 - cdist(vectors, np.vstack([vectors, query[None]]), "cosine")
    whole = (cosines + 2 * np.nan_to_num(fine) @ np.nan_to_num([*fine, own]).T) / 3

    def score(song: int, row: int) -> float:
        """How unusual the likeness of the query and a row is to one of the two."""
        mean, deviation = cosines[:, song].mean(), cosines[:, song].std()
        if not known[row]:
            return float((cosines[row, -1] - mean) / deviation)
        alone, both = cosines[known, song], whole[known, song]
        steps = (whole[row, -1] - both.mean()) / both.std()
        return float((alone.mean() + steps * alone.std() - mean) / deviation)

    expected = [norm.cdf(score(-1, row)) * norm.cdf(score(row, row)) for row in range(200)]
    found = Index(vectors, fine=fine).similarities(query, own)
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_vectors_alone_decide_where_either_song_has_no_fine_embedding() -> None:
    vectors, fine = mixed(200)
    plain, index = Index(vectors), Index(vectors, fine=fine)
    known = np.isfinite(fine).all(axis=1)
    heard, unheard = np.flatnonzero(known)[0], np.flatnonzero(~known)[0]
    expected = plain.similarities(vectors[unheard])
    for own in (None, fine[unheard]):
        found = index.similarities(vectors[unheard], own)
        np.testing.assert_allclose(found, expected, atol=1e-6)
    found, expected = (
        index.similarities(vectors[heard], fine[heard]),
        plain.similarities(vectors[heard]),
    )
    np.testing.assert_allclose(found[~known], expected[~known], atol=1e-6)
    assert np.abs(found[known] - expected[known]).max() > 0.2


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9])
def test_songs_with_and_without_fine_embeddings_are_neighbours_equally_often(share: float) -> None:
    vectors, fine = mixed(600, seed=4, share=share)
    index = Index(vectors, fine=fine)
    far = np.stack(
        [1 - index.similarities(v, f).astype(float) for v, f in zip(vectors, fine, strict=True)]
    )
    assert (far.argmin(axis=1) == np.arange(len(vectors))).all(), "each song finds itself first"
    np.fill_diagonal(far, np.inf)
    counts = metrics.occurrences(metrics.nearest(far, 10), len(vectors))
    known = np.isfinite(fine).all(axis=1)
    assert 0.8 < counts[known].mean() / 10 < 1.25
    assert 0.8 < counts[~known].mean() / 10 < 1.25
    assert metrics.hubness_skew(counts) < 1
    assert metrics.antihubs(counts) <= 0.01


@settings(max_examples=20, deadline=None)
@given(
    first=st.integers(0, 80),
    more=st.integers(0, 80),
    share=st.sampled_from([0.0, 0.05, 0.5, 1.0]),
    seed=st.integers(0, 2**16),
)
def test_growing_an_index_of_fine_embeddings_equals_building_it(
    first: int, more: int, share: float, seed: int
) -> None:
    vectors, fine = mixed(first + more, seed=seed, share=share)
    grown = Index(vectors[:first], fine=fine[:first])
    grown = grown.extended(vectors[first:], fine=fine[first:])
    built = Index(vectors, fine=fine)
    query, own = songs(1, seed=seed + 1)[0], mixed(1, seed=seed, share=1)[1][0]
    found = grown.similarities(query, own)
    np.testing.assert_allclose(found, built.similarities(query, own), atol=1e-3)
    assert ((found >= 0) & (found <= 1)).all()


@pytest.mark.parametrize("distance", DISTANCES)
def test_hubs_are_cut_and_orphans_found(distance: Distance) -> None:
    rows = np.random.default_rng(0).normal(size=(600, 60)).astype(np.float32)
    rows += rows.mean(axis=0) + 0.4  # a common direction makes hubs

    def neighbours(corrected: bool) -> np.ndarray:
        index = Index(rows, distance, corrected=corrected)
        far = np.stack([1 - index.similarities(row).astype(float) for row in rows])
        return metrics.occurrences(metrics.nearest(far, 10), len(rows))

    before, after = neighbours(corrected=False), neighbours(corrected=True)
    assert metrics.hubness_skew(after) < 0.7 * metrics.hubness_skew(before)
    assert metrics.antihubs(after) <= metrics.antihubs(before)


def test_a_song_is_most_similar_to_itself_and_duplicates_tie() -> None:
    rows = songs(100)
    rows[7] = rows[3] * 2  # the same direction
    found, similarities = Index(rows).nearest(rows[3], 2)
    assert set(found) == {3, 7}
    assert similarities[0] == pytest.approx(similarities[1], abs=1e-5)
    assert similarities[0] > 0.95


def test_small_and_empty_catalogues_work() -> None:
    query = songs(1, seed=9)[0]
    empty = Index(np.empty((0, 12), dtype=np.float32))
    assert empty.similarities(query).shape == (0,)
    assert empty.nearest(query, 5)[0].shape == (0,)
    one = Index(query[None])
    assert one.similarities(query)[0] == pytest.approx(1, abs=1e-6)
    assert one.nearest(query, 5)[0].tolist() == [0]


def test_wrong_vectors_are_refused() -> None:
    index = Index(songs(40))
    for wrong in (songs(1)[0][:5], np.full(12, np.nan, dtype=np.float32)):
        with pytest.raises(ValueError, match="finite vector"):
            index.similarities(wrong)
    with pytest.raises(ValueError, match="finite vectors"):
        Index(np.full((3, 2), np.inf, dtype=np.float32))
    with pytest.raises(ValueError, match="12 dimensions"):
        index.extended(songs(3, d=5))
    with pytest.raises(ValueError, match="one fine embedding per row"):
        Index(songs(3), fine=mixed(2)[1])
    with pytest.raises(ValueError, match="20 dimensions"):
        Index(songs(40), fine=mixed(40)[1]).similarities(songs(1)[0], songs(1)[0])
    with pytest.raises(ValueError, match="no distance"):
        Index(songs(3), "manhattan")  # type: ignore[arg-type]


def parted(n: int, seed: int = 0) -> np.ndarray:
    """Parts of songs; half of the songs have none."""
    rng = np.random.default_rng(seed)
    parts = 0.3 * rng.normal(size=(n, 5)).astype(np.float32)
    parts[rng.uniform(size=n) < 0.5] = 0
    return parts


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_parts_add_their_inner_product_to_either_likeness(share: float) -> None:
    vectors, fine = mixed(200, share=share)
    parts = parted(200)
    plain = Index(vectors, fine=fine, corrected=False)
    with_parts = Index(vectors, fine=fine, parts=parts, corrected=False)
    for row in range(0, 200, 20):
        # Without correction a similarity is half of 1 + the likeness.
        expected = plain.similarities(vectors[row], fine[row]) + parts @ parts[row] / 2
        found = with_parts.similarities(vectors[row], fine[row], parts[row])
        np.testing.assert_allclose(found, np.clip(expected, 0, 1), atol=1e-5)
        np.testing.assert_allclose(
            with_parts.similarities(vectors[row], fine[row]),
            plain.similarities(vectors[row], fine[row]),
            atol=1e-6,
        )


@settings(max_examples=20, deadline=None)
@given(first=st.integers(1, 80), more=st.integers(0, 80), seed=st.integers(0, 2**16))
def test_songs_outside_are_compared_like_rows(first: int, more: int, seed: int) -> None:
    vectors, fine = mixed(first + more, seed=seed)
    parts = parted(first + more, seed)
    grown = Index(vectors[:first], fine=fine[:first], parts=parts[:first]).extended(
        vectors[first:], fine=fine[first:], parts=parts[first:]
    )
    query = mixed(1, seed=seed + 1, share=1.0)
    place = Place(query[0][0], {}, query[1][0])
    expected = grown.alike(place)
    rows = np.arange(first + more)[::-3]
    found = grown.between(place, vectors[rows], fine[rows], parts[rows])
    np.testing.assert_allclose(found, expected[rows], atol=1e-4)
