"""All viewers can tell the colours apart and read the text; axes are where they say."""

from __future__ import annotations

import itertools

import librosa
import numpy as np
import pytest

from musrec.pictures import draw
from tests.support.drawn import brightness, pixels

# Severity 1.0 of Machado, Oliveira and Fernandes (2009), on linear RGB.
SEEN_BY = {
    "normal vision": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def lab(colour: draw.Colour, eyes: str) -> np.ndarray:
    """Return the CIE L*a*b* (D65) of a colour as some eyes see it."""
    share = np.asarray(colour) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    seen = np.clip(SEEN_BY[eyes] @ linear, 0, 1)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    x, y, z = np.cbrt(np.maximum(to_xyz @ seen / [0.9505, 1.0, 1.089], 0.008856))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one: draw.Colour, other: draw.Colour) -> float:
    """Return the contrast ratio of WCAG 2.2."""
    light, dark = sorted((float(brightness(colour)) for colour in (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


LOOKS = pytest.mark.parametrize("look", draw.LOOKS.values(), ids=draw.LOOKS)
EYES = pytest.mark.parametrize("eyes", SEEN_BY)


@LOOKS
@EYES
def test_the_two_songs_and_gain_and_loss_differ_for_all_eyes(look: draw.Look, eyes: str) -> None:
    for one, other in ((look.query, look.pick), (look.gain, look.loss)):
        assert np.linalg.norm(lab(one, eyes) - lab(other, eyes)) > 40


@LOOKS
@EYES
def test_any_two_colours_of_a_series_can_be_told_apart(look: draw.Look, eyes: str) -> None:
    for one, other in itertools.combinations(look.series, 2):
        assert np.linalg.norm(lab(one, eyes) - lab(other, eyes)) > 8


@LOOKS
def test_text_has_the_contrast_that_wcag_asks_for(look: draw.Look) -> None:
    for ground in (look.background, look.panel):
        assert contrast(look.text, ground) >= 7
        assert contrast(look.muted, ground) >= 4.5
        for mark in (look.query, look.pick, look.gain, look.loss):
            assert contrast(mark, ground) >= 4.5


def test_no_text_is_smaller_than_11_pixels_on_a_phone() -> None:
    shown = 270  # pixels across, in a message 400 wide
    assert draw.READABLE * shown / draw.WIDTH >= 11
    canvas = draw.Canvas(100, "dark")
    assert canvas.text((0, 50), "legible", draw.READABLE) > 0
    with pytest.raises(ValueError, match="too small for a phone"):
        canvas.text((0, 50), "illegible", draw.READABLE - 1)
    highest = 350  # pixels that Discord gives a picture
    assert draw.READABLE * highest / draw.TALLEST >= 11
    with pytest.raises(ValueError, match="too tall"):
        draw.Canvas(draw.TALLEST + 1, "dark")


def test_magma_gets_lighter_with_every_step() -> None:
    lightness = np.array([lab(colour, "normal vision")[0] for colour in draw.MAGMA])
    assert (np.diff(lightness) > -0.05).all()
    assert lightness[-1] - lightness[0] > 85
    assert tuple(draw.MAGMA[0]) == (0, 0, 4)
    assert tuple(draw.MAGMA[255]) == (252, 253, 191)


def test_mel_scale_is_librosas() -> None:
    hertz = np.array([0, 100, 999, 1000, 1001, 4000, 11025])
    np.testing.assert_allclose(draw.mel(hertz), librosa.hz_to_mel(hertz), rtol=1e-5)


@pytest.mark.parametrize("row", [0, 40, 127])
def test_a_filters_peak_is_drawn_in_the_middle_of_its_row(row: int) -> None:
    peak = librosa.mel_frequencies(n_mels=130, fmin=0, fmax=11025)[row + 1]
    assert draw.height_of(peak, 128, 0, 11025) == pytest.approx((row + 0.5) / 128, abs=1e-4)


def test_clock_and_its_ticks() -> None:
    assert [draw.clock(time) for time in (0, 9.6, 60, 605, 3600)] == [
        *("0:00", "0:10", "1:00", "10:05", "60:00")
    ]
    assert draw.clock_ticks(30) == [0, 10, 20, 30]
    assert draw.clock_ticks(2) == [0, 1, 2]
    assert draw.clock_ticks(0.4) == [0]
    assert all(1 <= len(draw.clock_ticks(seconds)) <= 5 for seconds in range(20_000))


def test_encoding_changes_no_colour_visibly() -> None:
    canvas = draw.Canvas(300, "dark")
    canvas.heat(
        draw.Box(0, 0, 600, 300),
        np.random.default_rng(0).integers(0, 256, (90, 90), dtype=np.uint8),
        draw.MAGMA,
    )
    canvas.text((640, 100), "Text with soft edges", 36)
    canvas.dot((800, 200), 40, canvas.look.pick)
    before = np.asarray(canvas.image).astype(int)
    picture = canvas.finish("")
    error = np.abs(pixels(picture) - before)
    assert np.percentile(error, 99) <= 8
    assert error[before.max(axis=2) == max(canvas.look.background)].max() == 0
