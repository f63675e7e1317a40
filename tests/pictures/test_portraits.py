"""Taste, map, comparison and gallery show the numbers they are given."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from musrec.catalogue.model import Difference, GalleryRow
from musrec.members.model import Portrait
from musrec.model import Closeness
from musrec.pictures import draw, spectrograms
from musrec.pictures.comparisons import compare, gallery
from musrec.pictures.draw import LOOKS, WIDTH, Box, Colour, LookName
from musrec.pictures.portraits import _spread, catalogue_map, taste
from musrec.pictures.sheet import song as sheet
from tests.support.drawn import brightness, hear, pixels, song, spectrogram, tone, tune

DARK = LOOKS["dark"]


def near(image: np.ndarray, colour: Colour, tolerance: int = 6) -> np.ndarray:
    within: np.ndarray = np.abs(image - np.array(colour)).max(axis=-1) <= tolerance
    return within


def test_the_dots_of_a_taste_stand_at_their_places_on_the_side_that_it_leans_to() -> None:
    def places(value: float) -> tuple[float, float]:
        portrait = Portrait("Ada", 3, {"intensity": value}, {"intensity": 50.0})
        rows = pixels(taste(portrait))[70:118]
        return (
            float(np.argwhere(near(rows, DARK.query))[:, 1].mean()),
            float(np.argwhere(near(rows, DARK.pick))[:, 1].mean()),
        )

    (low, usual), (middle, _), (high, _) = (places(value) for value in (50.001, 75.0, 100.0))
    assert middle == pytest.approx((low + high) / 2, abs=1)
    assert usual == pytest.approx(low, abs=1)
    assert high - low > 0.25 * WIDTH
    assert places(0.0) == pytest.approx((high, usual), abs=1)
    assert places(25.0) == pytest.approx((middle, usual), abs=1)


def test_a_taste_is_described_in_the_alternative_text() -> None:
    portrait = Portrait(
        name="Ada",
        songs=12,
        member={"brightness": 70.0, "mood": 20.0},
        server={"brightness": 50.0, "mood": 55.0},
        genres={"jazz": 0.75, "rock": 0.25},
        artists=("Miles Davis", "John Coltrane"),
        changed="This month: more jazz.",
        likes="sad jazz",
    )
    picture = taste(portrait)
    for words in (
        "learned from 12 songs: into sad jazz.",
        "bright 70 (50)",
        "sad 80 (45)",
        "jazz 75%, rock 25%",
        "Top artists: Miles Davis; John Coltrane.",
        "more jazz",
    ):
        assert words in picture.alt


@pytest.mark.parametrize("look", ["dark", "light"])
def test_a_newcomer_and_an_odd_name_get_a_picture_too(look: LookName) -> None:
    assert "0 songs" in taste(Portrait("", 0, {}, {}), look=look).alt
    odd = Portrait("@everyone\n🔥" * 100, 1, {"mood": 1.0}, {"mood": 2.0}, {"": 1.0}, artists=("",))
    assert len(taste(odd, look=look).alt) <= 1024


def test_on_the_map_neighbours_stay_neighbours_and_yours_are_marked() -> None:
    points = np.array([[0, 0], [0, 1], [10, 0], [10, 1], [10, 5]], dtype=np.float32)
    clusters = np.array([0, 0, 1, 1, 1])
    mine = np.array([False, False, False, False, True])
    picture = catalogue_map(points, clusters, ["calm", "wild"], mine)
    image = pixels(picture)
    first = np.argwhere(near(image, DARK.series[0], 60) & ~near(image, DARK.text, 60))
    second = np.argwhere(near(image, DARK.series[1], 60))
    assert first[:, 1].max() < second[:, 1].min()
    ring = np.argwhere(near(image[:140], DARK.text, 20))
    assert len(ring) > 20
    assert ring[:, 1].min() > 0.8 * WIDTH
    assert "wild (3, 1 yours); calm (2, 0 yours)" in picture.alt


@pytest.mark.parametrize("count", [1, 3, 14, 40])
def test_on_a_map_of_few_songs_no_name_hides_a_song(count: int) -> None:
    rng = np.random.default_rng(count)
    points = rng.normal(size=(count, 2)).astype(np.float32)
    clusters = np.arange(count) % 3
    names = ["slow piano classical", "loud & fast metal", "club beats"][: min(count, 3)]
    image = pixels(catalogue_map(points, clusters, names, np.arange(count) % 5 == 0))
    area = Box(12, 12, WIDTH - 12, WIDTH - 12)
    plate = np.array(DARK.background)
    for x, y in np.rint(_spread(points, area)).astype(int):
        around = image[y - 3 : y + 4, x - 3 : x + 4].reshape(-1, 3)
        assert (np.abs(around - plate).max(axis=1) > 8).all(), (x, y)


@pytest.mark.parametrize("count", [0, 1, 20_000])
def test_maps_of_any_size_are_drawn(count: int) -> None:
    rng = np.random.default_rng(0)
    points = rng.standard_t(2, size=(count, 2)).astype(np.float32)
    clusters = rng.integers(0, 8, count)
    names = [f"a rather long name of cluster {n}" for n in range(8)]
    picture = catalogue_map(points, clusters, names, rng.random(count) < 0.01)
    assert f"{count:,} song" in picture.alt
    assert len(picture.png) < 1_000_000


@pytest.mark.parametrize("hertz", [500, 1000, 4000])
def test_the_zero_crossings_of_a_tone_lie_on_it(hertz: int) -> None:
    analysis = hear(tone(hertz))
    assert analysis.spectrogram is not None
    found = spectrograms.crossings(analysis.spectrogram)
    assert np.median(found) == pytest.approx(hertz, rel=0.05)
    picture = sheet(song("Tone"), analysis)
    assert picture is not None
    assert f"a tone of at most {draw.hertz(float(np.median(found)))}" in picture.alt
    assert sheet(song("Tone"), dataclasses.replace(analysis, spectrogram=None)) is None


def test_a_comparison_draws_both_on_one_scale_and_says_the_verdict() -> None:
    loud, quiet = hear(tune()), hear(tune() / 10)
    picture = compare(song("Low"), loud, song("High"), quiet, (), Closeness.STRETCH)
    image = pixels(picture)
    above, below = image[68:218], image[276:426]
    assert brightness(below).mean() < 0.5 * brightness(above).mean()
    assert "High by Miles Davis, a stretch by sound." in picture.alt
    assert "Low: A major, 0:30 long" in picture.alt
    unsaid = compare(song("Low"), loud, song("High"), quiet)
    assert "by sound" not in unsaid.alt
    plate = near(image[:66], DARK.text).sum() - near(pixels(unsaid)[:66], DARK.text).sum()
    assert plate > 2000


def test_a_comparison_shows_the_two_measures_most_alike_and_the_one_farthest_apart() -> None:
    features = [Difference(f"feature {n}", f"{n}.0", f"{2 * n}.0", n / 10) for n in range(30)]
    alt = compare(song("A"), hear(tune()), song("B"), hear(tune()), features[::-1]).alt
    alike, apart = alt.split("Most alike: ")[1].split("Farthest apart: ")
    assert alike == "feature 0 0.0 and 0.0; feature 1 1.0 and 2.0. "
    assert apart == "feature 29 29.0 and 58.0."
    for count in (0, 1, 2, 3):
        few = compare(song("A"), hear(tune()), song("B"), hear(tune()), features[:count]).alt
        assert sum(few.count(f"feature {n} ") for n in range(3)) == count


def test_a_song_never_heard_is_compared_by_what_is_known_about_it() -> None:
    unheard = dataclasses.replace(hear(tune()), spectrogram=None)
    alt = compare(song("A"), unheard, song("B"), hear(tune())).alt
    assert "A was never heard here" in alt
    assert "B was never heard here" not in alt
    assert len(compare(song("A"), unheard, song("B"), unheard).png) > 1000


def test_a_gallery_has_one_scale_and_names_its_songs() -> None:
    loud, quiet = spectrogram(tune()), spectrogram(tune() / 10)
    rows = [
        GalleryRow("high energy", ((song("Bang"), loud, "energy 95"),)),
        GalleryRow("low energy", ((song("Hush"), quiet, "energy 5"),)),
        GalleryRow("no energy", ()),
    ]
    picture = gallery("Folk, high against low", rows)
    image = pixels(picture)
    above, below = image[128:212, 40:380], image[350:434, 40:380]
    assert brightness(below).mean() < 0.5 * brightness(above).mean()
    assert "high energy: Bang by Miles Davis (energy 95)." in picture.alt
    assert "no energy: none." in picture.alt
    assert "Nothing heard yet" in gallery("Empty", []).alt
