"""A list for several members suits each of them, and says which songs divide them."""

from dataclasses import replace

import numpy as np
import pytest

from musrec.model import Catalogue, Profile, Track
from musrec.recommend import group
from tests.support.town import Town, town


def profile_of(place: Town, *kinds: int, count: int = 4) -> np.ndarray:
    """A member who likes the first songs of each of some kinds."""
    rows = [row for kind in kinds for row in np.flatnonzero(place.kinds == kind)[:count]]
    return group.user_profile(place.catalogue.vectors[rows])


def suits(place: Town, *profiles: np.ndarray) -> np.ndarray:
    return group.suitability(place.catalogue, profiles)


def test_a_profile_is_the_weighted_mean_of_what_is_liked_whatever_its_length() -> None:
    vectors = np.array([[2, 0], [0, 5]], np.float32)
    assert group.user_profile(vectors).tolist() == [0.5, 0.5]
    assert group.user_profile(vectors, np.array([3, 1], np.float32)).tolist() == [0.75, 0.25]
    assert group.user_profile(vectors[:0]).tolist() == [0, 0]


def test_percentiles_count_ties_half() -> None:
    among = np.array([1, 2, 2, 3], np.float32)
    assert group.percentiles(np.array([0, 2, 9], np.float32), among).tolist() == [0, 0.5, 1]
    assert group.percentiles(among, among).mean() == 0.5
    assert group.percentiles(among, among[:0]).tolist() == [0.5] * 4


def test_a_taste_with_two_centres_keeps_both(small_town: Town) -> None:
    (places,) = suits(small_town, profile_of(small_town, 0, 3))
    loved = [places[small_town.kinds == kind].mean() for kind in (0, 3)]
    others = [places[small_town.kinds == kind].mean() for kind in (1, 2, 4, 5)]
    assert min(loved) > 0.7
    assert min(loved) > max(others)


def test_the_member_suited_least_decides_and_the_mean_breaks_ties() -> None:
    places = np.array([[0.9, 0.5, 0.5, 0.1], [0.2, 0.5, 0.9, 0.8]])
    assert np.argsort(-group.least_misery(places)).tolist() == [2, 1, 0, 3]
    assert int(np.argmax(group.disagreement(places))) in (0, 3)
    # No mean, however high, lifts a song above one with a higher minimum.
    n = 200_000
    close = np.array([[1 / n, 2 / n], [1.0, 2 / n]])
    assert int(np.argmax(group.least_misery(close))) == 1


def test_songs_that_suit_all_members_come_before_songs_that_divide_them(
    small_town: Town,
) -> None:
    places = suits(small_town, profile_of(small_town, 0, 1), profile_of(small_town, 0, 2))
    picks = group.recommend(small_town.catalogue, places, count=10, divisive=2)
    assert [pick.divisive for pick in picks] == [False] * 8 + [True] * 2
    assert all(small_town.kinds[pick.row] == 0 for pick in picks[:8])
    assert all(small_town.kinds[pick.row] in (1, 2) for pick in picks[8:])
    assert all(np.ptp(pick.suits) > 0.5 for pick in picks[8:])
    for pick in picks:
        assert pick.suits.tolist() == places[:, pick.row].tolist()


def test_no_list_holds_two_songs_of_an_artist_or_any_version_of_a_known_song(
    small_town: Town,
) -> None:
    places = suits(small_town, profile_of(small_town, 4), profile_of(small_town, 4, 5))
    first = group.recommend(small_town.catalogue, places, count=5)
    tracks = list(small_town.catalogue.tracks)
    best = tracks[first[0].row]
    version = next(pick.row for pick in first[1:])
    tracks[version] = replace(best, id="live", title=f"{best.title} (Live)")
    changed = replace(small_town.catalogue, tracks=tuple(tracks))
    picks = group.recommend(changed, places, count=30, divisive=5, known=frozenset([best.id]))
    chosen = [changed.tracks[pick.row] for pick in picks]
    assert len(picks) == 30
    assert not {best.id, "live"} & {track.id for track in chosen}
    assert len({track.artist for track in chosen}) == 30


def test_songs_by_unknown_artists_may_stand_together() -> None:
    tracks = tuple(Track(str(n), "") for n in range(6))
    catalogue = Catalogue(tracks, (Profile(),) * 6, np.eye(6, dtype=np.float32), {})
    places = group.suitability(catalogue, [group.user_profile(catalogue.vectors[:1])])
    assert len(group.recommend(catalogue, places, count=4)) == 4


@pytest.mark.parametrize("n", [0, 1, 4])
def test_too_few_songs_give_a_short_list(n: int) -> None:
    place = town(max(n, 1), members=0)
    few = Catalogue(
        place.catalogue.tracks[:n], place.catalogue.profiles[:n], place.catalogue.vectors[:n], {}
    )
    places = group.suitability(few, [np.ones(16, np.float32)] * 2)
    assert places.shape == (2, n)
    picks = group.recommend(few, places, count=5, divisive=1)
    assert len(picks) == len({track.artist for track in few.tracks})
