"""A song without one property: everything else about it stays, and its place is the true one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from musrec import space
from musrec.audio import descriptors
from musrec.audio.tagger import TAGS
from musrec.model import Analysis, Catalogue, Harmony, Rhythm
from musrec.space import inputs, place
from musrec.space.without import Without


def analyses() -> list[Analysis]:
    """Starter songs, with tempi and keys of our own."""
    out = []
    for row, song in enumerate(space.starter().analyses[::5]):
        rhythm = Rhythm(70.0 + row, 1.0, None, 0.5, ())
        harmony = Harmony(("C", "E", "G", "A")[row % 4], ("major", "minor")[row % 2], 1.0, 0.0)
        out.append(replace(song, rhythm=rhythm, harmony=harmony))
    return out


@pytest.fixture(scope="module")
def songs() -> tuple[list[Analysis], Catalogue, Without]:
    learned, heard = space.Space.load("full"), analyses()
    places = [learned.place(each) for each in heard]
    catalogue = Catalogue(
        tuple(track for track, _ in zip(space.starter().tracks[::5], heard, strict=True)),
        tuple(map(space.profile, heard)),
        np.stack([each.vector for each in places]),
        {name: np.stack([each.facets[name] for each in places]) for name in place.FACETS},
        np.stack([each.fine for each in places if each.fine is not None]),
    )
    index = space.Index(
        catalogue.vectors, fine=catalogue.fine, parts=space.parts.of(catalogue.facets)
    )
    return heard, catalogue, Without(learned, catalogue, index)


def test_a_replaced_tag_gives_the_vector_of_a_song_with_that_tag_mean(
    songs: tuple[list[Analysis], Catalogue, Without],
) -> None:
    heard, catalogue, without = songs
    tags = np.stack([each.tag_mean for each in heard if each.tag_mean is not None])
    medians = np.median(tags, axis=0)
    for row, tag in ((3, "jazz"), (40, "rock"), (60, "Mellow")):
        changed = tags[row].copy()
        changed[TAGS.index(tag)] = medians[TAGS.index(tag)]
        expected = space.Space.load("full").place(replace(heard[row], tag_mean=changed)).vector
        found = without.replaced(row, [("tag", tag)])
        np.testing.assert_allclose(found.vectors[0], expected, atol=2e-4)
        for name in ("timbre", "rhythm", "harmony"):
            np.testing.assert_array_equal(found.facets[name][0], catalogue.facets[name][row])


def test_tempo_and_key_are_replaced_alone_and_lower_the_likeness_to_the_same(
    songs: tuple[list[Analysis], Catalogue, Without],
) -> None:
    heard, catalogue, without = songs
    learned = space.Space.load("full")
    for row in (2, 70):
        query = learned.place(heard[row])
        found = without.replaced(row, [("tempo", ""), ("key", ""), ("descriptor", "loudness")])
        own = without.alike(query, without.replaced_together(row, [[]]))[0]
        tempo, key, loudness = without.alike(query, found)
        assert tempo < own
        assert key < own
        assert loudness == own  # loudness has no part in any place
        np.testing.assert_array_equal(found.vectors, np.tile(catalogue.vectors[row], (3, 1)))
        assert (found.facets["rhythm"][1:] == catalogue.facets["rhythm"][row]).all()


@pytest.mark.parametrize("name", ["brightness", "noisiness", "intensity", "acoustic", "mood"])
def test_a_descriptor_is_replaced_in_the_inputs_that_it_is_computed_from(
    songs: tuple[list[Analysis], Catalogue, Without], name: str
) -> None:
    _, catalogue, without = songs
    found = without.replaced(5, [("descriptor", name)])
    changed = found.facets["timbre"][0] != catalogue.facets["timbre"][5]
    statistics = {inputs.STATISTICS[column] for column in np.flatnonzero(changed)}
    tags = np.abs(found.facets["tags"][0] - catalogue.facets["tags"][5]) > 1e-4
    assert statistics <= set(descriptors.statistics_of(name))
    assert bool(statistics) != bool(tags.any())
