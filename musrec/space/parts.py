"""Rhythm and harmony: the parts of the likeness of two songs beside their vectors.

To the cosine of the vectors, each part adds its weight times the cosine of its facet: nothing where
it is not known of both songs. ``musrec train parts`` chooses the weights.
"""

from __future__ import annotations

import json
import math
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from musrec.model import FloatArray, Place

FILE = "parts.json"
NAMES = ("rhythm", "harmony")


@cache
def weights() -> dict[str, float]:
    """Return the weight of each part that came with the package, 0 or above."""
    text = files("musrec.space").joinpath(FILE).read_text("utf-8")
    found: dict[str, float] = json.loads(text)["weights"]
    return found


def of(facets: Mapping[str, FloatArray], counting: Mapping[str, float] | None = None) -> FloatArray:
    """Return the parts of songs, (n, p): their inner products are what the parts add.

    Parameters
    ----------
    facets : mapping of str to FloatArray, shape (n, d_facet)
        As in `Place`; NaN in rows of songs whose rhythm or harmony is not known.
    counting : mapping of str to float, optional
        Weights to use instead of those that came with the package.
    """
    counting = weights() if counting is None else counting
    scaled = [_unit(facets[name]) * np.float32(math.sqrt(counting[name])) for name in NAMES]
    return np.concatenate(scaled, axis=1)


def of_place(place: Place) -> FloatArray | None:
    """Return the parts (p,) of one song; None for a place without facets."""
    if any(name not in place.facets for name in NAMES):
        return None
    (own,) = of({name: place.facets[name][None] for name in NAMES})
    return np.asarray(own)


def _unit(rows: FloatArray) -> FloatArray:
    """Return rows of length 1; zeros for rows that are not known."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    known = np.isfinite(length) & (length > 0)
    scaled: FloatArray = np.where(known, rows / np.where(known, length, 1), 0).astype(np.float32)
    return scaled
