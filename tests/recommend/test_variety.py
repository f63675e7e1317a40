import numpy as np
import pytest

from musrec.model import Catalogue, Constraints, Profile, Track
from musrec.recommend.variety import allowed, pick_varied


def test_a_near_duplicate_waits_behind_something_else() -> None:
    vectors = np.array([[1, 0], [0.99, 0.14], [0, 1]], np.float32)
    scores = np.array([3.0, 2.9, 2.5], np.float32)
    plain, none, _ = pick_varied(
        scores, vectors, ["a", "b", "c"], ["1", "2", "3"], count=3, variety=0, per_artist=1
    )
    varied, penalties, unlike = pick_varied(
        scores, vectors, ["a", "b", "c"], ["1", "2", "3"], count=3, variety=2, per_artist=1
    )
    assert plain == [0, 1, 2]
    assert not any(none)
    assert varied == [0, 2, 1]
    assert penalties[2] == pytest.approx(-1.13, abs=0.01)
    assert unlike == [-1, -1, 0]


def test_artists_and_recordings_are_capped() -> None:
    vectors = np.eye(5, dtype=np.float32)
    scores = np.arange(5, 0, -1).astype(np.float32)
    artists, songs = ["x", "x", "y", "y", ""], ["1", "2", "3", "3", "4"]
    one, _, _ = pick_varied(scores, vectors, artists, songs, count=5, variety=0, per_artist=1)
    any_, _, _ = pick_varied(scores, vectors, artists, songs, count=5, variety=0, per_artist=None)
    assert one == [0, 2, 4]
    assert any_ == [0, 1, 2, 4]


def catalogue() -> Catalogue:
    profiles = (
        Profile(
            *({"Mellow": 0.8}, {"mood": 20.0}, {"jazz": 0.9}, 90.0, "A\u00a0minor"),
            instruments={"piano": 0.9},
            voice="instrumental",
        ),
        Profile(
            *({"Mellow": 0.1}, {"mood": 90.0}, {"rock": 0.7}, 140.0, "C\u00a0major"),
            instruments={"piano": 0.6, "female voice": 0.5},
            voice="sung",
        ),
        Profile({}, {}, {}, None, None),
    )
    tracks = (Track("a", "A"), Track("b", "B"), Track("c", "C", genre="Progressive Rock"))
    return Catalogue(tracks, profiles, np.eye(3, dtype=np.float32), {})


@pytest.mark.parametrize(
    ("constraints", "kept"),
    [
        (Constraints(), "abc"),
        (Constraints(only_genres=frozenset({"rock"})), "bc"),
        (Constraints(no_genres=frozenset({"rock"})), "a"),
        (Constraints(only_moods=frozenset({"mellow"})), "a"),
        (Constraints(no_moods=frozenset({"mellow"})), "bc"),
        (Constraints(only_moods=frozenset({"happy"})), "b"),
        (Constraints(only_moods=frozenset({"sad", "happy"})), "ab"),
        (Constraints(tempo=(80, 100)), "a"),
        (Constraints(keys=frozenset({"c major"})), "b"),
        (Constraints(keys=frozenset({"a", "c"})), "ab"),
        (Constraints(only_instruments=frozenset({"piano"})), "ab"),
        (Constraints(only_instruments=frozenset({"piano", "female voice"})), "b"),
        (Constraints(no_instruments=frozenset({"female voice"})), "ac"),
        (Constraints(voice="instrumental"), "a"),
        (Constraints(voice="sung"), "b"),
    ],
)
def test_constraints_keep_what_was_asked_for(constraints: Constraints, kept: str) -> None:
    mask, reasons = allowed(catalogue(), constraints)
    assert "".join(np.array(["a", "b", "c"])[mask]) == kept
    assert not reasons


def test_what_is_missed_by_some_songs_alone_is_said_in_the_plural() -> None:
    wanted = Constraints(only_instruments=frozenset({"piano"}), keys=frozenset({"d minor"}))
    assert allowed(catalogue(), wanted)[1] == ["none of the 3 songs I know is in d minor"]
    both = Constraints(
        only_instruments=frozenset({"piano"}), only_genres=frozenset({"progressive"})
    )
    assert allowed(catalogue(), both)[1] == [
        "2 of the 3 songs I know have a piano that I can hear, but none of those meets the rest"
    ]


def test_constraints_that_no_song_meets_are_named_and_not_relaxed() -> None:
    mask, reasons = allowed(
        catalogue(), Constraints(only_genres=frozenset({"rock"}), tempo=(80, 100))
    )
    assert not mask.any()
    assert "between 80 and 100\u00a0BPM" in reasons[0]
    mask, reasons = allowed(catalogue(), Constraints(only_genres=frozenset({"polka"})))
    assert not mask.any()
    assert reasons == ["none of the 3 songs I know is polka"]
