"""The word for how close two songs sound: what it claims, and where nothing is claimed."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from musrec import space as spaces
from musrec.catalogue import engine
from musrec.model import PITCH_CLASSES, Analysis, Closeness, Harmony, Pick, Rhythm, Track
from musrec.recommend import Recommender, Request, Seed, closeness
from musrec.recommend.closeness import Thresholds
from musrec.recommend.recommender import NOTHING_CLOSE
from musrec.space import inputs
from musrec.space.place import N_EMBEDDING
from tests.support.town import NOW, Town, town

ORDER = (Closeness.STRETCH, Closeness.CLOSE, Closeness.VERY_CLOSE)
WORDS = Thresholds(close=0.5, very_close=0.8)


def calibrated(place: Town) -> Recommender:
    return Recommender(place.catalogue, place.feedback, place.similarities, thresholds=WORDS)


@pytest.mark.parametrize("space", get_args(inputs.Name))
def test_the_more_alike_the_closer_the_word(space: inputs.Name) -> None:
    words = [closeness.shipped(space).word(likeness) for likeness in np.linspace(-1, 1, 201)]
    places = list(map(ORDER.index, words))
    assert places == sorted(places)
    assert set(words) == set(ORDER)


def test_within_one_answer_no_pick_sounds_more_alike_and_is_called_less_close() -> None:
    place = town()
    seen = set()
    for row in range(12):
        seed = place.seed(row)
        picks = calibrated(place).recommend(Request("m1", (seed,), 10, 1.0, now=NOW)).picks
        alike = place.similarities(seed.place)
        by_sound = sorted(picks, key=lambda pick: alike[int(pick.track.id[1:])])
        places = [ORDER.index(pick.closeness) for pick in by_sound if pick.closeness]
        assert len(places) == len(picks)
        assert places == sorted(places)
        seen |= set(places)
    assert seen == {0, 1, 2}


def in_detail(songs: list[tuple[Track, Analysis]]) -> list[tuple[Track, Analysis]]:
    """Give songs what only audio tells: a tempo, a key and an embedding, three in four of them."""
    rng = np.random.default_rng(7)
    return [
        (
            track,
            replace(
                analysis,
                rhythm=Rhythm(float(rng.uniform(60, 180)), 1.0, None, 0.7, ()),
                harmony=Harmony(str(rng.choice(PITCH_CLASSES)), "minor", 0.9, 0.0),
                embedding=rng.exponential(size=N_EMBEDDING).astype(np.float32),
            )
            if row % 4
            else analysis,
        )
        for row, (track, analysis) in enumerate(songs)
    ]


@pytest.mark.parametrize("heard", [False, True], ids=["from tables", "heard"])
def test_words_and_order_by_sound_agree_for_starter_songs(heard: bool) -> None:
    songs = spaces.starter().named()
    songs = in_detail(songs) if heard else songs
    where = engine.space_of()
    blocks = engine.open_blocks(None, where, None, ())
    engine.take_in(blocks, where, songs, {track.id: 0 for track, _ in songs}, {})
    engine.settle(blocks, where)
    built = engine.view(where, blocks)
    recommender = engine.recommender(built, (), ())
    seen: set[Closeness | None] = set()
    for row, (track, analysis) in enumerate(songs[::4]):
        song = built.heard(track, analysis)
        request = Request(
            seeds=(Seed(song.place, song.track, song.profile),),
            count=10,
            adventurous=(0.0, 0.5)[row % 2],
            now=NOW,
        )
        picks = sorted(recommender.recommend(request).picks, key=sound, reverse=True)
        assert len(picks) == 10
        for nearer, farther in itertools.pairwise(picks):
            if sound(nearer) > sound(farther):
                assert nearer.closeness
                assert farther.closeness
                assert ORDER.index(nearer.closeness) >= ORDER.index(farther.closeness), track.title
        seen |= {pick.closeness for pick in picks}
    assert seen == set(ORDER)


def sound(pick: Pick) -> float:
    """Return what its sound adds to the score of a pick."""
    return sum(term.value for term in pick.terms if term.name == "sound")


def test_without_one_song_asked_about_nothing_is_claimed() -> None:
    place = town()
    recommender = calibrated(place)
    for request in (
        Request("newcomer", now=NOW),
        Request("m1", now=NOW),
        Request("m1", (place.seed(0), place.seed(6)), now=NOW),
    ):
        assert {pick.closeness for pick in recommender.recommend(request).picks} == {None}
    uncalibrated = place.recommender().recommend(Request("m1", (place.seed(0),), now=NOW))
    assert {pick.closeness for pick in uncalibrated.picks} == {None}


def test_an_answer_with_nothing_close_says_so() -> None:
    place = town()
    seed = place.seed(0)
    strange = Thresholds(close=2.0, very_close=3.0)
    songs, alike = place.catalogue, place.similarities
    answer = Recommender(songs, (), alike, thresholds=strange).recommend(Request(seeds=(seed,)))
    assert {pick.closeness for pick in answer.picks} == {Closeness.STRETCH}
    assert NOTHING_CLOSE in answer.notes
    assert NOTHING_CLOSE not in calibrated(place).recommend(Request(seeds=(seed,))).notes
