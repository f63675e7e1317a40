"""Fits as bytes: read by a process with other songs in another order, and never half understood."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy

from musrec.model import Catalogue
from musrec.recommend import kept
from musrec.recommend.collaborative import Ease, ItemNeighbours
from musrec.recommend.recommender import Recommender
from musrec.recommend.scoring import Fitted, Songs
from tests.support.town import Town, town

SIDES = {"members": 40, "tracks": 400}
"""Members of a town of 300 songs for which EASE is solved on that side."""


@pytest.fixture(scope="module", params=SIDES)
def place(request: pytest.FixtureRequest) -> Town:
    made = town(members=SIDES[request.param])
    model = made.recommender()._fitted.model
    assert isinstance(model, Ease)
    assert model.by_members == (request.param == "members")
    return made


def packed(recommender: Recommender) -> bytes:
    data = recommender.packed()
    assert data is not None
    return data


def ordered(catalogue: Catalogue, rows: list[int]) -> Catalogue:
    return replace(
        catalogue,
        tracks=[catalogue.tracks[row] for row in rows],
        profiles=[catalogue.profiles[row] for row in rows],
        vectors=catalogue.vectors[rows],
        facets={name: values[rows] for name, values in catalogue.facets.items()},
    )


def test_a_fit_is_read_as_it_was_made(place: Town) -> None:
    maker, reader = place.recommender(), place.recommender(())
    reader.learn(place.feedback)
    assert reader.adopt(packed(maker), departures=0, unfitted=3)
    assert (reader.fitted_here, reader.unfitted) == (False, 3)
    one, other = maker._fitted, reader._fitted
    assert one.members == other.members
    np.testing.assert_array_equal(one.counts, other.counts)
    assert (one.model.likes != other.model.likes).nnz == 0
    for name in ("inverse", "content", "scale", "weight", "lift"):
        np.testing.assert_array_equal(getattr(one.model, name), getattr(other.model, name))


def test_songs_may_stand_in_another_order_and_be_others(place: Town) -> None:
    """A song is gone, one is new in the middle: the others score as the reader's own fit says."""
    n = len(place.catalogue)
    first = ordered(place.catalogue, [row for row in range(n) if row != 7])
    maker = Recommender(first, place.feedback, place.similarities)
    rows = [int(row) for row in np.random.default_rng(1).permutation(n) if row != 11]
    second = ordered(place.catalogue, rows)
    own = Recommender(second, place.feedback, place.similarities)
    new = rows.index(7)
    assert 0 < new < n - 2
    members = {event.member for event in place.feedback}
    found = kept.unpack(packed(maker), Songs.of(second, place.similarities), members)
    profile = np.zeros((1, len(rows)), np.float32)
    profile[0, [rows.index(row) for row in (30, 31, 77)]] = 1
    liked = scipy.sparse.csr_matrix(profile)
    wanted, got = (model.scores(liked)[0] for model in (own._fitted.model, found.model))
    assert np.isfinite(got).all()
    known = np.arange(len(rows)) != new
    assert np.corrcoef(wanted[known], got[known])[0, 1] > 0.999
    assert np.abs(wanted - got)[known].max() < 0.03 * np.abs(wanted).max()
    assert found.counts[new] == 0


def test_likes_of_members_who_are_not_known_are_left_out(place: Town) -> None:
    maker = place.recommender()
    songs = Songs.of(place.catalogue, place.similarities)
    members = {event.member for event in place.feedback}
    found = kept.unpack(packed(maker), songs, members - {"m1"})
    wanted = maker._fitted.without(["m1"])
    assert "m1" not in found.members
    assert found.active == wanted.active == maker._fitted.active - 1
    assert (found.model.likes != wanted.model.likes).nnz == 0
    data = packed(maker)
    assert not [member for member in members if member.encode() in data and len(member) > 3]


def test_a_fit_is_not_taken_over_from_before_a_member_left(place: Town) -> None:
    maker, reader = place.recommender(), place.recommender()
    reader.forget_member("m2")
    assert not reader.adopt(packed(maker), departures=0, unfitted=0)
    assert reader.fitted_here
    assert reader.adopt(packed(maker), departures=1, unfitted=0)
    assert "m2" not in reader._fitted.members


def test_what_is_damaged_or_of_other_songs_is_refused(place: Town) -> None:
    recommender = place.recommender()
    data = packed(recommender)
    songs = Songs.of(place.catalogue, place.similarities)
    members = [event.member for event in place.feedback]
    rng = np.random.default_rng(0)
    damaged = [b"", b"PK", data[:-30], data[: len(data) // 2], data + data, b"\0" * 500]
    for at in rng.integers(len(data), size=60):
        changed = bytearray(data)
        changed[at : at + 8] = rng.bytes(8)
        damaged.append(bytes(changed))
    wide = replace(place.catalogue, vectors=np.hstack([place.catalogue.vectors] * 2))
    for one in damaged:
        try:
            found = kept.unpack(one, songs, members)
        except kept.Unreadable:
            continue
        # A byte of an archive that says nothing, such as a date.
        assert (found.model.likes != recommender._fitted.model.likes).nnz == 0
    with pytest.raises(kept.Unreadable):
        kept.unpack(data[: len(data) // 2], songs, members)
    if SIDES["members"] == len(set(members)):
        with pytest.raises(kept.Unreadable):
            kept.unpack(data, Songs.of(wide, lambda _: np.zeros(len(wide), np.float32)), members)
    assert not recommender.adopt(b"something else", departures=0, unfitted=0)
    again = Recommender(place.catalogue, place.feedback, place.similarities, fit=b"something else")
    assert again.fitted_here
    assert again._fitted.active == recommender._fitted.active


def test_nothing_is_handed_on_of_no_likes_or_of_neighbours(small_town: Town) -> None:
    assert small_town.recommender(()).packed() is None
    recommender = small_town.recommender()
    assert recommender.hands_on
    fitted = recommender._fitted
    neighbours = Fitted.with_model(fitted.members, ItemNeighbours.fit(fitted.model.likes))
    songs = Songs.of(small_town.catalogue, small_town.similarities)
    assert kept.pack(neighbours, songs) is None
    assert not kept.is_small_enough(neighbours)
