"""Songs placed and described together stand where they stand alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from musrec import space
from musrec.model import Analysis, Harmony, Profile, Rhythm, SoundKind


def songs() -> list[Analysis]:
    """Return starter songs, some with a pulse, a key or an embedding, one without music."""
    rng = np.random.default_rng(0)
    found = list(space.starter().analyses)
    found[1] = replace(found[1], rhythm=Rhythm(120.0, 0.9, 60.0, 0.7, ()))
    found[2] = replace(found[2], harmony=Harmony("A", "minor", 0.8, 0.0))
    found[3] = replace(found[3], embedding=rng.normal(size=200).astype(np.float32))
    found[4] = replace(found[4], kind=SoundKind.SPEECH)
    found[5] = replace(found[5], tag_mean=None)
    found[6] = replace(
        found[6], tag_mean=None, statistics=np.full_like(found[6].statistics, np.nan)
    )
    return found


@pytest.mark.parametrize("name", ["full", "statistics"])
def test_many_songs_stand_where_each_stands_alone(name: str) -> None:
    whole = space.Space.load("full" if name == "full" else "statistics")
    known = [song for song in songs() if name != "full" or song.tag_mean is not None]
    together = whole.places(known)
    for row, song in enumerate(known):
        alone = whole.place(song)
        np.testing.assert_allclose(together.vectors[row], alone.vector, atol=1e-5)
        for facet, values in alone.facets.items():
            np.testing.assert_allclose(together.facets[facet][row], values, atol=1e-5)
        if alone.fine is not None:
            assert together.fine is not None
            np.testing.assert_allclose(together.fine[row], alone.fine, atol=1e-5)


def test_no_song_has_no_place_but_columns() -> None:
    whole = space.Space.load("full")
    nothing, shape = whole.places([]), whole.empty_place()
    assert nothing.vectors.shape == (0, whole.dimensions)
    assert {name: rows.shape for name, rows in nothing.facets.items()} == {
        name: (0, len(values)) for name, values in shape.facets.items()
    }


def test_many_songs_are_described_as_each_is_alone() -> None:
    known = songs()
    for song, together in zip(known, space.profiles(known), strict=True):
        alone = space.profile(song)
        assert list(together.genres) == list(alone.genres)
        assert list(together.genres.values()) == pytest.approx(list(alone.genres.values()))
        assert (together.tags, together.percentiles) == (alone.tags, alone.percentiles)
        assert (together.tempo, together.key) == (alone.tempo, alone.key)
    assert space.profile(known[4]) == Profile()
    assert space.profile(known[6]).genres == {}
