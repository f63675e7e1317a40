"""Every kind of picture still looks like its baseline, which was checked by eye.

Baselines are a quarter of the size, which tolerates that another version of Pillow or FreeType
smooths edges differently, and no more. After an intended change, look at the pictures that
``PYTHONPATH=. python tests/pictures/test_baselines.py FOLDER`` writes at full size, and commit the
baselines that it writes as well.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from musrec.catalogue.model import Difference, GalleryRow
from musrec.members.model import Portrait
from musrec.model import Analysis, Closeness, Picture
from musrec.pictures import card, contributions
from musrec.pictures.comparisons import compare, gallery
from musrec.pictures.draw import LookName
from musrec.pictures.portraits import catalogue_map, taste
from musrec.pictures.sheet import song as sheet
from tests.support.drawn import CALM, hear, picked, pixels, song, spectrogram, tune

BASELINES = Path(__file__).parent / "baselines"
SMALLER = 4

ALPHA = song("Séculaire feat. Nÿme", "WASARU")
OMEGA = song("夜に駆ける (live) — a title that is far too long for its place", "방탄소년단", "Кино")
BEATS = tuple(np.arange(0.0, 30.0, 0.5).tolist())
LOW, HIGH = tune(), 0.4 * tune(20, root=587.3)


def low() -> Analysis:
    return hear(LOW, BEATS)


def high() -> Analysis:
    return hear(HIGH)


def portrait() -> Portrait:
    member = {"brightness": 62.0, "noisiness": 30, "intensity": 71, "acoustic": 35, "mood": 90}
    return Portrait(
        name="Ada",
        songs=48,
        member=member,
        server=dict.fromkeys(member, 50.0),
        genres={"rock": 0.5, "jazz": 0.3, "classical": 0.2},
        artists=("WASARU", "방탄소년단", "Miles Davis"),
        signature=(ALPHA, OMEGA),
        changed="This month: more jazz",
        likes="happy rock",
    )


def chart(look: LookName = "dark") -> Picture:
    rng = np.random.default_rng(0)
    clusters = rng.integers(0, 4, 800)
    centres = np.array([[0, 0], [5, 1], [2, 6], [-4, 4]])
    points = (centres[clusters] + rng.normal(size=(800, 2))).astype(np.float32)
    names = ["loud guitars", "slow piano", "club beats", "voices and strings"]
    return catalogue_map(points, clusters, names, np.arange(800) % 60 == 0, look=look)


DIFFERENCES = [
    Difference(f"feature {number}", f"{number}.0", f"{number}.5", number / 10)
    for number in range(12)
]


def song_sheet(look: LookName = "dark") -> Picture:
    drawn = sheet(ALPHA, low(), look=look)
    assert drawn is not None
    return drawn


def rows_of_songs(look: LookName = "dark") -> Picture:
    rows = [
        GalleryRow("high energy", ((ALPHA, spectrogram(LOW), "energy 91"),) * 3),
        GalleryRow("low energy", ((OMEGA, spectrogram(HIGH), "energy 9"),) * 2),
    ]
    return gallery("Folk, high against low energy", rows, look=look)


PICTURES: dict[str, Callable[[], Picture]] = {
    "card-dark": lambda: card(ALPHA, low(), CALM, picked(OMEGA), high()),
    "card-light": lambda: card(ALPHA, low(), CALM, picked(OMEGA), high(), look="light"),
    "card-one-heard": lambda: card(ALPHA, low(), CALM, picked(OMEGA), None),
    "card-none-heard": lambda: card(ALPHA, None, CALM, picked(OMEGA), None),
    "card-alone": lambda: card(None, None, None, picked(OMEGA, closeness=None), high()),
    "contributions": lambda: contributions(picked(ALPHA)),
    "taste": lambda: taste(portrait()),
    "map": chart,
    "compare": lambda: compare(ALPHA, low(), OMEGA, high(), DIFFERENCES, Closeness.STRETCH),
    "song": song_sheet,
    "gallery": rows_of_songs,
    "taste-light": lambda: taste(portrait(), look="light"),
    "map-light": lambda: chart("light"),
    "song-light": lambda: song_sheet("light"),
    "gallery-light": lambda: rows_of_songs("light"),
}


def small(picture: Picture) -> np.ndarray:
    image = Image.fromarray(pixels(picture).astype(np.uint8))
    return np.asarray(image.reduce(SMALLER)).astype(int)


@pytest.mark.parametrize("name", PICTURES)
def test_it_looks_like_its_baseline(name: str) -> None:
    expected = np.asarray(Image.open(BASELINES / f"{name}.png").convert("RGB")).astype(int)
    seen = small(PICTURES[name]())
    assert seen.shape == expected.shape
    error = np.abs(seen - expected).mean(axis=2)
    assert error.mean() < 1.5
    rows, columns = (size // 10 * 10 for size in error.shape)
    blocks = error[:rows, :columns].reshape(rows // 10, 10, columns // 10, 10).mean(axis=(1, 3))
    assert blocks.max() < 16


if __name__ == "__main__":
    BASELINES.mkdir(exist_ok=True)
    for title, draw in PICTURES.items():
        drawn = draw()
        (Path(sys.argv[1]) / f"{title}.png").write_bytes(drawn.png)
        reduced = Image.fromarray(small(drawn).astype(np.uint8))
        reduced.save(BASELINES / f"{title}.png", optimize=True)
