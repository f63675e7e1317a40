"""Tastes are drawn and blended, the catalogue is mapped, songs are compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support.running import Run


@pytest.fixture
def data(starter_store: Path) -> Path:
    return starter_store


def test_tastes_are_drawn_and_put_together(answer: Callable[..., Any], tmp_path: Path) -> None:
    taste = answer("taste", "--as", "ann", "--picture", "taste.png")
    assert taste["songs"] == 4
    assert "metal" in taste["likes"]
    assert next(iter(taste["genres"])) == "metal"
    blend = answer("blend", "ben", "--as", "ann", "-n", "5", "--picture", "blend.png")
    assert len(blend["songs"]) == 5
    assert 0 <= blend["alike"] <= 100
    mapped = answer("map", "--as", "ann", "--picture", "map.png")
    assert sum(mapped["groups"].values()) == len(mapped["songs"])
    for picture in (taste, blend, mapped):
        with Image.open(tmp_path / picture["picture"]) as image:
            assert image.width >= 800


def test_two_songs_are_compared(answer: Callable[..., Any], tmp_path: Path) -> None:
    one, other = [t["id"] for t in answer("search", "--genre", "blues", "-n", "2")["tracks"]]
    found = answer("compare", one, other, "--offline")
    assert 0 < found["alike"] < 1
    assert abs(found["alike"] - sum(found["because"].values())) < 0.1
    # As JSON, a picture is written only where one is asked for.
    assert found["picture"] is None
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("taste", "--as", "nobody"), "nothing that nobody likes"),
        (("gallery", "--intensity", "middle"), "no intensity called 'middle'"),
        (("gallery",), "I have heard no song yet"),
    ],
)
def test_what_cannot_be_drawn_has_its_sentence(
    run: Run, arguments: tuple[str, ...], said: str
) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out) == (4, "")
    assert said in ran.err
