"""Two songs side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from musrec import space
from musrec.catalogue.comparison import compare as compared
from musrec.catalogue.comparison import key_steps
from musrec.catalogue.model import Comparison
from musrec.model import Catalogue, Closeness, Heard
from musrec.recommend import Recommender, Request, Seed, closeness
from musrec.service import Service
from musrec.space.place import N_EMBEDDING
from tests.support.starter import heard, songs

pytestmark = pytest.mark.asyncio(loop_scope="module")


def compare(service: Service, ours: Heard, theirs: Heard) -> Comparison:
    catalogue = service.catalogue.songs
    return compared(service.catalogue.space, catalogue, ours, theirs)


async def test_reasons_of_a_similarity_add_up_to_it(service: Service) -> None:
    one, other = songs(service, "metal", 2)
    far = songs(service, "classical", 1)[0]
    pair = (heard(service, one), heard(service, other))
    near = compare(service, *pair)
    apart = compare(service, pair[0], heard(service, far))
    assert near.alike > apart.alike
    assert (near.closeness, apart.closeness) == (Closeness.VERY_CLOSE, Closeness.STRETCH)
    for found in (near, apart):
        # Exact but for what every vector of the space has in common, and for float32.
        offset = found.alike - sum(part for _, part in found.because)
        assert abs(offset) < 0.1
    metal = dict(near.because)
    assert metal[max(metal, key=lambda name: metal[name])] > 0.1
    steps = {difference.name: difference.apart for difference in apart.differences}
    assert steps["intensity"] > 2
    assert len({difference.name for difference in near.differences}) == len(near.differences)


async def test_a_song_is_no_different_from_itself(service: Service) -> None:
    song = heard(service, songs(service, "disco", 1)[0])
    found = compare(service, song, song)
    assert found.alike == pytest.approx(1, abs=1e-5)
    assert {difference.apart for difference in found.differences} == {0}
    assert all(feature.ours == feature.theirs for feature in found.features)


async def test_a_comparison_and_a_recommendation_say_the_same_words() -> None:
    """Half of the songs have a fine embedding; what is compared may be in the catalogue or not."""
    learned, starter = space.Space.load("full"), space.starter()
    rng = np.random.default_rng(0)
    known = []
    for row, (track, analysis) in enumerate(zip(starter.tracks, starter.analyses, strict=True)):
        embedding = rng.normal(size=N_EMBEDDING).astype(np.float32) if row % 2 else None
        now = replace(analysis, embedding=embedding)
        known.append(Heard(track, now, space.profile(now), learned.place(now)))
    asked, stranger, *inside = known[1], known[0], *known[2:]
    fine = [song.place.fine for song in inside if song.place.fine is not None]
    catalogue = Catalogue(
        tuple(song.track for song in inside),
        tuple(song.profile for song in inside),
        np.stack([song.place.vector for song in inside]),
        {
            name: np.stack([song.place.facets[name] for song in inside])
            for name in asked.place.facets
        },
        np.stack(fine),
    )
    index = space.Index(catalogue.vectors, fine=catalogue.fine)
    seed = Seed(asked.place, asked.track, asked.profile)
    words = closeness.shipped(learned.name)
    recommender = Recommender(catalogue, (), index.alike, thresholds=words)
    picks = recommender.recommend(Request(seeds=(seed,), count=8)).picks
    by_id = {song.track.id: song for song in known}
    comparisons = [compared(learned, catalogue, asked, by_id[pick.track.id]) for pick in picks]
    assert [found.closeness for found in comparisons] == [pick.closeness for pick in picks]
    for pick, found in zip(picks, comparisons, strict=True):
        assert abs(found.alike - sum(part for _, part in found.because)) < 0.1
        copy = replace(by_id[pick.track.id], track=stranger.track)
        assert compared(learned, catalogue, asked, copy).closeness is pick.closeness
    same = compared(learned, catalogue, asked, asked)
    assert (round(same.alike, 4), same.closeness) == (1, Closeness.VERY_CLOSE)


@pytest.mark.parametrize(
    ("one", "other", "steps"),
    [
        ("C\u00a0major", "A\u00a0minor", 0),
        ("C major", "G major", 1),
        ("F major", "G major", 2),
        ("C major", "F# major", 6),
        ("A minor", "E minor", 1),
        ("D# minor", "F# major", 0),
    ],
)
async def test_keys_are_as_far_apart_as_on_the_circle_of_fifths(
    one: str, other: str, steps: int
) -> None:
    assert key_steps(one, other) == key_steps(other, one) == steps
