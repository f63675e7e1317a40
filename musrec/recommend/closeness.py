"""Words for how close two songs sound: thresholds on the cosine of their vectors.

``musrec train closeness`` fits the chance that two songs share an artist or a genre to this cosine,
and puts the thresholds where the chance is `VERY_CLOSE` and `CLOSE`; ``musrec evaluate closeness``
measures what the words are worth on pairs that the fit never saw. The cosine decides, not the
similarity that `musrec.space.Index` corrects for hubs: that is relative to a catalogue, near 1 for
the nearest song even where nothing is close, and tells related pairs apart hardly better.

An answer's order by sound follows that similarity, though, which also hears the fine embedding,
rhythm and harmony. So that words and order never contradict each other, a pick gets the word for
the least cosine among itself and all picks of the answer with a larger similarity: this can only
claim less.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from musrec.model import Closeness

FILE = "closeness.json"

VERY_CLOSE = 0.8
"""Chance of a common artist or genre from which two songs are called very close. Decided."""

CLOSE = 0.5
"""Chance from which they are called close; below, it is a stretch. Decided."""


class Thresholds(NamedTuple):
    """The least cosine, in one space, of songs that are close, and that are very close."""

    close: float
    very_close: float

    def word(self, likeness: float) -> Closeness:
        """Return the word for the cosine of two vectors."""
        if likeness >= self.very_close:
            return Closeness.VERY_CLOSE
        return Closeness.CLOSE if likeness >= self.close else Closeness.STRETCH


@cache
def shipped(space: str) -> Thresholds:
    """Return the thresholds of a space that came with the package."""
    text = files("musrec.recommend").joinpath(FILE).read_text("utf-8")
    return Thresholds(**json.loads(text)["spaces"][space])
