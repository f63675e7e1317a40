"""How much each signal counts: a blend of z-scores whose weights follow the evidence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from musrec.model import FloatArray

TERM_OF: Mapping[str, str] = {
    "sound": "sound",
    "members": "members",
    "learned": "taste",
    "nearness": "taste",
    "popularity": "popularity",
}
"""Signal to the term of the score that it is part of.

``sound``: likeness to the song that was asked about. ``members``: what members add to EASE.
``learned``: what content adds to EASE. ``nearness``: content near the member's likes.
``popularity``: damped count of likes.
"""


@dataclass(frozen=True, slots=True)
class Evidence:
    """How much is known: what the weights of a blend follow.

    Attributes
    ----------
    members : int
        Members with at least one like.
    liked : int
        Tracks that this member likes, those asked about included.
    """

    members: int
    liked: int

    def features(self) -> tuple[float, float, float]:
        """Return 1 and the two counts on a logarithmic scale: 1.0 is a thousand."""
        return 1.0, np.log1p(self.members) / np.log(1001), np.log1p(self.liked) / np.log(1001)


@dataclass(frozen=True, slots=True)
class Blend:
    """Weights of signals as functions of the evidence.

    Attributes
    ----------
    coefficients : mapping of signal to three floats
        Against `Evidence.features`; a weight below 0 counts as 0.
    made : str
        How the coefficients came about.
    """

    coefficients: Mapping[str, tuple[float, ...]]
    made: str = ""

    def weights(self, evidence: Evidence) -> dict[str, float]:
        """Return signal to weight, 0 or above.

        Nothing liked leaves nothing to learn from: `members`, `learned` and `nearness` are then 0.
        """
        out = {}
        for signal, coefficients in self.coefficients.items():
            weight = sum(a * b for a, b in zip(coefficients, evidence.features(), strict=True))
            personal = signal in ("members", "learned", "nearness")
            out[signal] = 0.0 if personal and not evidence.liked else max(weight, 0.0)
        return out

    def json(self) -> str:
        """Return the blend as `read` takes it."""
        rounded = {k: [round(v, 4) for v in values] for k, values in self.coefficients.items()}
        return json.dumps({"made": self.made, "coefficients": rounded}, indent=2) + "\n"

    @classmethod
    def read(cls, text: str) -> Blend:
        """Return the blend written by `json`."""
        data = json.loads(text)
        return cls({k: tuple(v) for k, v in data["coefficients"].items()}, data["made"])


@cache
def shipped() -> Blend:
    """Return the blend that came with the package, fitted by ``musrec train blend``."""
    return Blend.read(files("musrec.recommend").joinpath("blend.json").read_text("utf-8"))


ARMS: Mapping[str, Mapping[str, float]] = {
    "balanced": {},
    "by sound": {"sound": 1.6, "nearness": 1.5, "learned": 1.3, "members": 0.5},
    "by members": {"members": 2.0, "nearness": 0.5, "sound": 0.8},
    "off the beaten track": {"popularity": 0.0, "members": 0.8, "sound": 0.8},
}
"""Blends to try when a member is adventurous: factors on the fitted weights."""


def tilted(weights: Mapping[str, float], arm: str, adventurous: float) -> dict[str, float]:
    """Return weights moved towards an arm: not at all at 0, wholly at 1."""
    return {
        signal: weight * ARMS[arm].get(signal, 1.0) ** adventurous
        if ARMS[arm].get(signal, 1.0) > 0
        else weight * (1 - adventurous)
        for signal, weight in weights.items()
    }


def sample_arm(rng: np.random.Generator, outcomes: Mapping[str, tuple[float, float]]) -> str:
    """Return the arm to use now, by Thompson sampling.

    Each arm's chance of a thumb up is Beta distributed; one draw an arm, the largest wins. Arms
    that pleased are used more, and those little tried keep being tried.

    Parameters
    ----------
    outcomes : mapping of arm to (thumbs up, thumbs down)

    References
    ----------
    O. Chapelle, L. Li, "An empirical evaluation of Thompson sampling", NeurIPS 2011.
    """
    draws = {}
    for arm in ARMS:
        ups, downs = outcomes.get(arm, (0.0, 0.0))
        prior = 2.0 if arm == "balanced" else 1.0
        draws[arm] = rng.beta(prior + ups, 1.0 + downs)
    return max(draws, key=lambda arm: draws[arm])


class Standardised(NamedTuple):
    """A signal as z-scores, and the deviation it was divided by: 0 where it says nothing."""

    values: FloatArray
    deviation: float


def standardised(scores: FloatArray, reference: FloatArray | None = None) -> Standardised:
    """Return z-scores against `reference` (by default the finite scores themselves).

    What is not finite is not known, and gets 0: the mean. Scores that are all alike say nothing,
    and get 0 too.
    """
    known = np.isfinite(scores)
    base = scores[known] if reference is None else reference[np.isfinite(reference)]
    out = np.zeros(len(scores), np.float32)
    if not len(base):
        return Standardised(out, 0.0)
    mean, deviation = float(base.mean()), float(base.std())
    if deviation <= 1e-6 * max(abs(mean), 1e-6):
        return Standardised(out, 0.0)
    out[known] = (scores[known] - mean) / deviation
    return Standardised(out, deviation)
