"""Cards show sound at its true time, frequency and level, and describe it in words."""

from __future__ import annotations

import dataclasses
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from musrec.model import SAMPLE_RATE, Profile, Term, Trait
from musrec.pictures import card, contributions, draw
from musrec.pictures.draw import LOOKS, MARGIN, WIDTH, Colour, LookName
from tests.support.drawn import (
    CALM,
    LOUD,
    brightness,
    hear,
    picked,
    pixels,
    song,
    tone,
    tune,
)

DARK = LOOKS["dark"]


def runs(flags: np.ndarray) -> list[float]:
    """Return the middle of each stretch where `flags` holds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return [(start + end - 1) / 2 for start, end in edges.reshape(-1, 2)]


def near(image: np.ndarray, colour: Colour, tolerance: int = 10) -> np.ndarray:
    within: np.ndarray = np.abs(image - np.array(colour)).max(axis=-1) <= tolerance
    return within


UPPER = slice(68, 218)
LOWER = slice(276, 426)
"""Rows of the strip of the song given, and of the song picked."""
ACROSS = slice(MARGIN, WIDTH - MARGIN)


def row_of(hertz: float) -> float:
    """Return the row of the upper strip on which a frequency is drawn."""
    return 68 + 150 * (1 - draw.height_of(hertz, 128, 0, SAMPLE_RATE / 2))


@pytest.mark.parametrize("hertz", [500, 1000, 4000])
def test_a_tone_is_drawn_at_the_height_of_its_frequency(hertz: int) -> None:
    image = pixels(card(song(), hear(tone(hertz)), CALM, picked(song()), None))
    light = brightness(image[UPPER, ACROSS]).mean(axis=1)
    assert abs(68 + np.argmax(light) - row_of(hertz)) <= 2


def test_two_tones_lie_at_two_heights() -> None:
    y = tone(500) + tone(4000)
    image = pixels(card(song(), hear(y), CALM, picked(song()), None))
    light = brightness(image[UPPER, ACROSS]).mean(axis=1)
    for row in (row_of(500), row_of(4000)):
        around = light[round(row) - 68 - 8 : round(row) - 68 + 9]
        assert abs(np.argmax(around) - 8) <= 2


def test_a_click_at_ten_seconds_is_drawn_at_a_third_of_thirty() -> None:
    y = np.zeros(30 * SAMPLE_RATE, dtype=np.float32)
    y[10 * SAMPLE_RATE] = 1.0
    image = pixels(card(song(), hear(y), CALM, picked(song()), None))
    light = brightness(image[UPPER, ACROSS]).mean(axis=0)
    assert abs(np.argmax(light) - (WIDTH - 2 * MARGIN) / 3) <= 2


def test_a_quieter_copy_is_drawn_darker_and_the_words_say_by_how_much() -> None:
    loud, quiet = hear(tune()), hear(tune() / 10)
    picture = card(song(), loud, CALM, picked(song("Same, but soft")), quiet)
    image = pixels(picture)
    above, below = image[UPPER, ACROSS], image[LOWER, ACROSS]
    assert brightness(below).mean() < 0.5 * brightness(above).mean()
    assert re.search(r"the other song is about 20 dB louder", picture.alt)


def test_a_shorter_clip_keeps_the_time_scale_of_the_longer() -> None:
    image = pixels(card(song(), hear(tune(15)), CALM, picked(song()), hear(tune(30))))
    empty = near(image[UPPER, ACROSS], DARK.panel, 0).mean(axis=0)
    half = (WIDTH - 2 * MARGIN) // 2
    assert empty[: half - 2].max() < 0.5
    assert empty[half + 2 :].min() == 1


def test_without_a_beat_no_tempo_is_given() -> None:
    picture = card(song(), hear(tune()), CALM, picked(song()), hear(tune(), (0.5, 1.0)))
    assert "60 BPM" not in picture.alt
    assert "120 BPM" in picture.alt


def test_a_song_never_heard_is_shown_by_its_profile() -> None:
    picture = card(song("Mine"), hear(tune()), CALM, picked(song("Theirs")), None)
    assert "Mel spectrogram of Mine" in picture.alt
    assert "Mel spectrogram of Theirs" not in picture.alt
    assert "Sound profile of Theirs on scales of 0 to 100: intense 100, bright 80" in picture.alt


def test_two_songs_never_heard_are_compared_by_the_same_bars() -> None:
    picture = card(song("Mine"), None, CALM, picked(song("Theirs")), None)
    assert "Mine on scales of 0 to 100: intense 10, acoustic 90, bright 20." in picture.alt
    assert "Theirs on scales of 0 to 100: intense 100, acoustic 30, bright 80." in picture.alt
    assert "heard here" not in picture.alt


def test_bars_of_a_profile_are_as_long_as_the_song_is_clear_and_point_its_way() -> None:
    ours = Profile(percentiles={"brightness": 0.0, "intensity": 75.0})
    theirs = Profile(percentiles={"brightness": 100.0, "intensity": 25.0})
    pick = picked(song(), profile=theirs, traits=())
    strip = near(pixels(card(song(), None, ours, pick, None))[UPPER, ACROSS], DARK.query)
    half = (WIDTH - 2 * MARGIN) // 2
    dark, intense = (
        np.flatnonzero(part.sum(axis=1) > 20) for part in (strip[:, :half], strip[:, half:])
    )
    assert np.ptp(dark) == pytest.approx(2 * np.ptp(intense), abs=6)
    assert intense.max() <= dark.min() + 5


def test_the_first_three_traits_are_drawn_where_both_songs_stand() -> None:
    pick = picked(song())
    picture = card(song(), hear(tune()), CALM, pick, None)
    assert "Both share: jazz, electronic, tempo" in picture.alt
    assert "key" not in picture.alt
    rows = pixels(picture)[436:, 220:]
    query, found = (near(rows[:50], colour) for colour in (DARK.query, DARK.pick))
    places = [float(np.mean(np.argwhere(dots)[:, 1])) for dots in (query, found)]
    scale = np.flatnonzero(near(rows[25], DARK.line))
    span = (scale.min(), scale.max())
    shares = [(place - span[0]) / (span[1] - span[0]) for place in places]
    assert shares == pytest.approx([0.6, 0.2], abs=0.02)


def test_without_traits_none_are_drawn_and_the_card_is_shorter() -> None:
    bare = card(song(), hear(tune()), CALM, picked(song(), traits=()), None)
    assert "share" not in bare.alt
    assert bare.height < card(song(), hear(tune()), CALM, picked(song()), None).height


def test_a_shared_word_below_the_middle_is_drawn_from_its_own_end() -> None:
    ours, theirs = (Profile(percentiles={"intensity": place}) for place in (10.0, 20.0))
    pick = picked(song(), profile=theirs, traits=(Trait("descriptor", "intensity", 0.1),))
    picture = card(song(), hear(tune()), ours, pick, None)
    assert "Both share: calm." in picture.alt
    rows = pixels(picture)[436:, 220:]
    query, found = (near(rows, colour) for colour in (DARK.query, DARK.pick))
    assert np.argwhere(found)[:, 1].mean() < np.argwhere(query)[:, 1].mean()
    assert np.argwhere(found)[:, 1].min() > rows.shape[1] / 2


@pytest.mark.parametrize("nothing", [None, Profile()])
def test_a_card_is_drawn_even_if_nothing_is_known(nothing: Profile | None) -> None:
    pick = picked(song("Theirs"), profile=Profile())
    picture = card(song("Mine"), None, nothing, pick, None)
    assert picture.alt.startswith("Mine by Miles Davis beside Theirs by Miles Davis")
    assert "profile" not in picture.alt
    assert "nan" not in picture.alt


def test_a_descriptor_known_of_one_song_alone_is_not_compared() -> None:
    ours = Profile(percentiles={"brightness": float("nan"), "mood": 40.0})
    theirs = Profile(percentiles={"brightness": 10.0, "mood": 60.0})
    alt = card(song(), None, ours, picked(song(), profile=theirs), None).alt
    assert "bright" not in alt
    assert "nan" not in alt
    assert "happy 40" in alt
    assert "happy 60" in alt


@pytest.mark.parametrize("title", ["𒀀𒁀𒀀", "  ", "\U0010fffd"])
def test_a_title_that_no_font_has_is_named_by_its_artist(title: str) -> None:
    unknown, plain = (
        card(None, None, None, picked(song(name), closeness=None), hear(tune())).png
        for name in (title, "a song by Miles Davis")
    )
    assert unknown == plain
    assert draw.named(song(title, "𒀀")) == "untitled here"


@pytest.mark.parametrize("look", ["dark", "light"])
def test_cards_are_small_even_for_noise_and_as_wide_as_promised(look: LookName) -> None:
    rng = np.random.default_rng(0)
    noise = hear(rng.uniform(-1, 1, 30 * SAMPLE_RATE).astype(np.float32))
    picture = card(song(), noise, CALM, picked(song()), noise, look=look)
    image = pixels(picture)
    assert image.shape == (picture.height, picture.width, 3)
    assert picture.width == WIDTH
    assert len(picture.png) < 500_000
    assert tuple(image[2, 2]) == LOOKS[look].background


def test_silence_and_two_seconds_are_drawn() -> None:
    silence = hear(np.zeros(2 * SAMPLE_RATE, dtype=np.float32))
    picture = card(song(), silence, None, picked(song()), silence)
    assert "0:02 long" in picture.alt
    assert "equally loud" in picture.alt


def test_alt_text_names_both_songs_and_is_short_enough_for_a_chat() -> None:
    analysis = hear(tone(1000))
    picture = card(song("Alpha"), analysis, CALM, picked(song("Omega")), analysis)
    assert "Alpha by Miles Davis" in picture.alt
    assert "Omega by Miles Davis" in picture.alt
    assert "Omega by Miles Davis, very close in sound." in picture.alt
    assert "strongest around 1.0 kHz" in picture.alt
    long = song("la " * 2000, "na " * 2000)
    terms = tuple(Term(f"term {n}", 0.1, "because " * 50) for n in range(20))
    for endless in (
        card(long, None, CALM, picked(long), None),
        card(long, analysis, CALM, picked(long), analysis),
        contributions(picked(long, terms)),
    ):
        assert 0 < len(endless.alt) <= 1024


def test_bars_of_a_score_are_as_long_as_their_terms_and_point_their_way() -> None:
    image = pixels(contributions(picked(song())))
    gain, loss = near(image, DARK.gain), near(image, DARK.loss)
    rows = runs(gain.sum(axis=1) > 20)
    assert len(rows) == 2
    lengths = [gain[round(row)].sum() for row in rows]
    taken = loss.sum(axis=1).max()
    assert lengths[0] == pytest.approx(3 * lengths[1], rel=0.05)
    assert taken == pytest.approx(lengths[0] / 2, rel=0.05)
    zero = np.flatnonzero(gain[round(rows[0])]).min()
    assert np.flatnonzero(loss.any(axis=0)).max() <= zero


def test_contributions_name_every_term_and_its_share() -> None:
    picture = contributions(picked(song()))
    for part in ("sound 55% (sounds like 3 songs", "members 18%", "popularity −27%"):
        assert part in picture.alt


@pytest.mark.parametrize("terms", [(), (Term("sound", 0.0),), (Term("taste", -0.2),)])
def test_odd_scores_are_drawn_too(terms: tuple[Term, ...]) -> None:
    picture = contributions(picked(song(), terms))
    assert pixels(picture).shape[1] == WIDTH


def test_real_music_fills_its_card(music: Path) -> None:
    heard = []
    for name in ("los-rombos--fantasma.flac", "setuniman--sweet-waltz.ogg"):
        y, rate = soundfile.read(music / name, dtype="float32", always_2d=True)
        y = soxr.resample(y.mean(axis=1), rate, SAMPLE_RATE)[: 30 * SAMPLE_RATE]
        heard.append(hear(y))
    pick = dataclasses.replace(picked(song("Sweet Waltz", "Setuniman")), profile=LOUD)
    picture = card(song("Fantasma", "LOS ROMBOS"), heard[0], CALM, pick, heard[1])
    image = pixels(picture)
    for area in (image[UPPER, ACROSS], image[LOWER, ACROSS]):
        assert len(np.unique(area.reshape(-1, 3), axis=0)) > 60
    assert len(picture.png) < 400_000


def test_cards_drawn_in_several_threads_at_once_are_all_the_same() -> None:
    heard = hear(tune())

    def drawn(_: int) -> bytes:
        return card(song("Ελλάδα 夜 🔥"), heard, CALM, picked(song("مرحبا")), None).png

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(drawn, range(8)))) == 1


def test_a_song_picked_for_many_is_shown_alone() -> None:
    pick = picked(song("Blue"), closeness=None)
    for analysis, said in (
        (hear(tune()), "Mel spectrogram of Blue"),
        (None, "Sound profile of Blue"),
    ):
        alt = card(None, None, None, pick, analysis).alt
        assert alt.startswith("Blue by Miles Davis. ")
        assert said in alt
        assert "beside" not in alt
    assert "bright 80" in alt
