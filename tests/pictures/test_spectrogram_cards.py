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

from musrec.model import SAMPLE_RATE, Profile, Term
from musrec.pictures import card, contributions
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
HALF = WIDTH // 2


def runs(flags: np.ndarray) -> list[float]:
    """Return the middle of each stretch where `flags` holds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return [(start + end - 1) / 2 for start, end in edges.reshape(-1, 2)]


def near(image: np.ndarray, colour: Colour, tolerance: int = 10) -> np.ndarray:
    within: np.ndarray = np.abs(image - np.array(colour)).max(axis=-1) <= tolerance
    return within


def panel(image: np.ndarray) -> tuple[int, list[float], list[float]]:
    """Find the left spectrogram by its axes: (left edge, rows of Hz ticks, columns of times)."""
    ticks = near(image, DARK.line)
    upright = ticks[168:478]
    column = next(x for x in range(MARGIN, HALF) if 5 <= len(runs(upright[:, x])) <= 8)
    rows = [168 + y for y in runs(upright[:, column])]
    below = next(y for y in range(520, 640) if len(runs(ticks[y, :HALF])) in (3, 4))
    return column + 6, rows, runs(ticks[below, :HALF])


def test_a_tone_of_1_khz_is_drawn_at_the_row_labelled_1k() -> None:
    image = pixels(card(song(), hear(tone(1000)), CALM, picked(song()), None))
    left, rows, _ = panel(image)
    light = brightness(image[168:478, left : left + 300]).mean(axis=1)
    of_1k = rows[-3]  # from below: 250, 500, 1k
    assert abs(168 + np.argmax(light) - of_1k) <= 2


def test_tones_two_octaves_apart_lie_at_their_own_labels() -> None:
    y = tone(500) + tone(4000)
    image = pixels(card(song(), hear(y), CALM, picked(song()), None))
    left, rows, _ = panel(image)
    light = brightness(image[168:478, left : left + 300]).mean(axis=1)
    for row in (rows[-2], rows[-5]):
        around = light[round(row) - 168 - 12 : round(row) - 168 + 13]
        assert abs(np.argmax(around) - 12) <= 2


def test_a_click_at_ten_seconds_is_drawn_at_the_column_labelled_0_10() -> None:
    y = np.zeros(30 * SAMPLE_RATE, dtype=np.float32)
    y[10 * SAMPLE_RATE] = 1.0
    image = pixels(card(song(), hear(y), CALM, picked(song()), None))
    left, _, times = panel(image)
    light = brightness(image[168:478, left:536]).mean(axis=0)
    assert abs(left + np.argmax(light) - times[1]) <= 2


def test_beats_are_drawn_under_their_time() -> None:
    image = pixels(card(song(), hear(tune(), (0.0, 10.0, 20.0)), CALM, picked(song()), None))
    left, _, times = panel(image)
    drawn = runs(near(image[494, left:536], DARK.query))
    assert [left + x for x in drawn] == pytest.approx(times[:3], abs=2)


def test_a_quieter_copy_is_drawn_darker_and_the_words_say_by_how_much() -> None:
    loud, quiet = hear(tune()), hear(tune() / 10)
    picture = card(song(), loud, CALM, picked(song("Same, but soft")), quiet)
    image = pixels(picture)
    left, right = image[168:478, 100:530], image[168:478, 570:1000]
    assert brightness(right).mean() < 0.5 * brightness(left).mean()
    assert re.search(r"the other song is about 20 dB louder", picture.alt)


def test_a_shorter_clip_keeps_the_time_scale_of_the_longer() -> None:
    image = pixels(card(song(), hear(tune(15)), CALM, picked(song()), hear(tune(30))))
    empty = near(image[168:478, 96:536], DARK.panel, 0).mean(axis=0)
    assert empty[:218].max() < 0.5
    assert empty[222:].min() == 1


def test_without_a_beat_no_tempo_is_given() -> None:
    picture = card(song(), hear(tune()), CALM, picked(song()), hear(tune(), (0.5, 1.0)))
    assert "60 BPM" not in picture.alt
    assert "120 BPM" in picture.alt


def test_a_song_never_heard_is_shown_by_its_profile_and_the_card_says_so() -> None:
    picture = card(song("Mine"), hear(tune()), CALM, picked(song("Theirs")), None)
    assert "Only one of the two was heard here" in picture.alt
    assert "intense rather than calm: 10 against 100" in picture.alt
    assert "Mel spectrogram of Mine" in picture.alt
    assert "Mel spectrogram of Theirs" not in picture.alt


def test_profile_dots_stand_where_their_percentiles_are() -> None:
    ours = Profile(percentiles={"brightness": 25.0, "intensity": 50.0})
    theirs = Profile(percentiles={"brightness": 75.0, "intensity": 100.0})
    image = pixels(card(song(), None, ours, picked(song(), profile=theirs), None))
    body = image[220:600]
    query = [np.argwhere(near(half, DARK.query)) for half in (body[:70], body[70:])]
    pick = [np.argwhere(near(half, DARK.pick)) for half in (body[:70], body[70:])]
    x = [float(np.mean(spots[:, 1])) for spots in (*query, *pick)]
    quarter, half, three_quarters, whole = x
    assert half - quarter == pytest.approx(three_quarters - half, abs=2)
    assert whole - three_quarters == pytest.approx(three_quarters - half, abs=2)


@pytest.mark.parametrize("nothing", [None, Profile()])
def test_a_card_is_drawn_even_if_nothing_is_known(nothing: Profile | None) -> None:
    pick = picked(song(), profile=Profile())
    picture = card(song(), None, nothing, pick, None)
    assert "no sound profile is known" in picture.alt


def test_a_descriptor_known_of_one_song_is_drawn_for_that_song() -> None:
    ours = Profile(percentiles={"brightness": float("nan"), "mood": 40.0})
    theirs = Profile(percentiles={"brightness": 10.0, "mood": 60.0})
    picture = card(song(), None, ours, picked(song(), profile=theirs), None)
    assert "bright rather than dark: not known against 10" in picture.alt
    dots = [near(pixels(picture)[220:600], colour) for colour in (DARK.query, DARK.pick)]
    assert [len(runs(dot.max(axis=1))) for dot in dots] == [1, 2]
    assert "nan" not in picture.alt
    assert "happy rather than sad: 40 against 60" in picture.alt


@pytest.mark.parametrize("look", ["dark", "light"])
def test_cards_are_small_even_for_noise_and_as_wide_as_promised(look: LookName) -> None:
    rng = np.random.default_rng(0)
    noise = hear(rng.uniform(-1, 1, 30 * SAMPLE_RATE).astype(np.float32))
    picture = card(song(), noise, CALM, picked(song()), noise, look=look)
    image = pixels(picture)
    assert image.shape == (picture.height, picture.width, 3)
    assert picture.width == 1100
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


def test_contributions_name_every_term_and_the_sum() -> None:
    picture = contributions(picked(song()))
    assert "score +0.50" in picture.alt
    for part in ("sound +0.60 (sounds like 3 songs", "members +0.20", "popularity −0.30"):
        assert part in picture.alt


@pytest.mark.parametrize("terms", [(), (Term("sound", 0.0),), (Term("taste", -0.2),)])
def test_odd_scores_are_drawn_too(terms: tuple[Term, ...]) -> None:
    picture = contributions(picked(song(), terms))
    assert pixels(picture).shape[1] == 1100


def test_real_music_fills_its_card(music: Path) -> None:
    heard = []
    for name in ("los-rombos--fantasma.flac", "setuniman--sweet-waltz.ogg"):
        y, rate = soundfile.read(music / name, dtype="float32", always_2d=True)
        y = soxr.resample(y.mean(axis=1), rate, SAMPLE_RATE)[: 30 * SAMPLE_RATE]
        heard.append(hear(y))
    pick = dataclasses.replace(picked(song("Sweet Waltz", "Setuniman")), profile=LOUD)
    picture = card(song("Fantasma", "LOS ROMBOS"), heard[0], CALM, pick, heard[1])
    image = pixels(picture)
    for area in (image[168:478, 100:530], image[168:478, 570:1000]):
        assert len(np.unique(area.reshape(-1, 3), axis=0)) > 60
    assert len(picture.png) < 400_000


def test_cards_drawn_in_several_threads_at_once_are_all_the_same() -> None:
    heard = hear(tune())

    def draw(_: int) -> bytes:
        return card(song("Ελλάδα 夜 🔥"), heard, CALM, picked(song("مرحبا")), None).png

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(draw, range(8)))) == 1


def test_a_song_picked_for_many_is_shown_alone() -> None:
    pick = picked(song("Blue"), closeness=None)
    for analysis, said in ((hear(tune()), "Mel spectrogram of Blue"), (None, "It was not heard")):
        alt = card(None, None, None, pick, analysis).alt
        assert alt.startswith("Blue by Miles Davis. ")
        assert said in alt
        assert "beside" not in alt
        assert "against" not in alt
        assert "not known" not in alt
    assert "bright rather than dark: 80;" in alt
