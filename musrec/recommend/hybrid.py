"""How much each signal counts: a blend of z-scores whose weights follow the evidence."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, reduce
from importlib.resources import files
from math import log1p
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musrec.recommend.evidence import IMPLICIT_LIMIT

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from musrec.model import FloatArray
    from musrec.recommend.collaborative import Ease, ItemNeighbours

TERM_OF: Mapping[str, str] = {
    "sound": "sound",
    "members": "members",
    "learned": "taste",
    "nearness": "taste",
    "popularity": "popularity",
    "reputation": "popularity",
}
"""Signal to the term of the score that it is part of.

``sound``: likeness to the song that was asked about. ``members``: what members add to EASE.
``learned``: what content adds to EASE. ``nearness``: content near the member's likes.
``popularity``: damped count of likes here. ``reputation``: what a provider says.
"""
PERSONAL = ("members", "learned", "nearness")
"""Signals that need likes."""


ASKED_DAMPING = 0.3
"""Decided, not fitted, as the weight of `sound` is: who names a song has said what they want."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """How much is known: what the weights of a blend follow.

    Attributes
    ----------
    members : int
        Members with at least one like.
    thumbs : int
        Tracks that this member likes by a thumb, those asked about included.
    listens : int
        Tracks that this member likes by listening alone.
    """

    members: int
    thumbs: int
    listens: int = 0

    @classmethod
    def of(cls, members: int, opinions: Iterable[float]) -> Evidence:
        """Count opinions above 0: a thumb says more than any listening, until it has faded."""
        strong = [opinion > IMPLICIT_LIMIT + 1e-6 for opinion in opinions]  # in 32 bits or 64
        return cls(members, sum(strong), len(strong) - sum(strong))

    def features(self) -> tuple[float, ...]:
        """Return 1 and the three counts on a logarithmic scale: 1.0 is a thousand."""
        return 1.0, *(log1p(n) / log1p(1000) for n in (self.members, self.thumbs, self.listens))


@dataclass(frozen=True, slots=True)
class Blend:
    """Weights of signals as functions of the evidence.

    Attributes
    ----------
    coefficients : mapping of signal to four floats
        Against `Evidence.features`; a weight below 0 counts as 0.
    made : str
        How the coefficients came about.
    """

    coefficients: Mapping[str, tuple[float, ...]]
    made: str = ""

    def weights(self, evidence: Evidence, *, asked: bool = False) -> dict[str, float]:
        """Return signal to weight, 0 or above.

        Nothing liked leaves nothing to learn from: `PERSONAL` signals then weigh 0.

        Parameters
        ----------
        asked : bool
            Whether a song was asked about: what is popular then counts for less, `ASKED_DAMPING`.
        """
        out = {}
        known = evidence.thumbs + evidence.listens
        for signal, coefficients in self.coefficients.items():
            weight = sum(a * b for a, b in zip(coefficients, evidence.features(), strict=True))
            out[signal] = 0.0 if signal in PERSONAL and not known else max(weight, 0.0)
            if asked and TERM_OF[signal] == "popularity":
                out[signal] *= ASKED_DAMPING
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
    "off the beaten track": {"popularity": 0.0, "reputation": 0.0, "members": 0.8, "sound": 0.8},
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


def sample_arm(rng: np.random.Generator, outcomes: Mapping[str, tuple[int, int]]) -> str:
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
        ups, downs = outcomes.get(arm, (0, 0))
        prior = 2.0 if arm == "balanced" else 1.0
        draws[arm] = rng.beta(prior + ups, 1.0 + downs)
    return max(draws, key=lambda arm: draws[arm])


class Standardised(NamedTuple):
    """A signal (q, n) less the mean of each row, and what makes z-scores of a row (q,).

    A row whose scores are all alike says nothing: its deviation is 0, and so are its z-scores.
    """

    centred: FloatArray
    deviation: FloatArray

    @property
    def values(self) -> FloatArray:
        """(q, n): z-scores."""
        unit = np.zeros_like(self.deviation)
        np.divide(1, self.deviation, out=unit, where=self.deviation > 0)
        return np.asarray(self.centred * unit[:, None], np.float32)


def standardised(*parts: FloatArray) -> list[Standardised]:
    """Return the parts (q, n) of a score, in units of the deviation of their sum.

    What is not finite is not known, and gets 0.
    """
    centred, means, counts = zip(*map(_centred, parts), strict=True)
    whole = reduce(np.add, centred)
    deviation = np.sqrt(np.vecdot(whole, whole) / reduce(np.maximum, counts))
    rounding = 1e-6 * np.maximum(reduce(np.add, map(np.abs, means)), 1e-6)
    deviation = np.where(deviation > rounding, deviation, 0)
    return [Standardised(each.astype(np.float32, copy=False), deviation) for each in centred]


def _centred(scores: FloatArray) -> tuple[FloatArray, FloatArray, NDArray[np.integer] | int]:
    """Return rows less their means (0 where not finite), the means, and how many are finite."""
    mean = scores.mean(axis=1)
    if np.isfinite(mean).all():  # which it is not where any score is not
        return scores - mean[:, None], mean, scores.shape[1]
    known = np.isfinite(scores)
    count = np.maximum(known.sum(axis=1), 1)
    mean = np.where(known, scores, 0).sum(axis=1) / count
    return np.where(known, scores - mean[:, None], 0), mean, count


def signals(
    model: Ease | ItemNeighbours,
    profiles: csr_matrix,
    likes: csr_matrix,
    content: FloatArray,
    counts: FloatArray,
    reputation: FloatArray,
) -> dict[str, Standardised]:
    """Return every signal but `sound`, each (q, n), for q members: `personal` and `common`."""
    shape = (profiles.shape[0], len(content))
    return personal(model, profiles, likes, content) | {
        name: Standardised(np.broadcast_to(each.centred, shape), each.deviation)
        for name, each in common(counts, reputation).items()
    }


def personal(
    model: Ease | ItemNeighbours, profiles: csr_matrix, likes: csr_matrix, content: FloatArray
) -> dict[str, Standardised]:
    """Return the signals of `PERSONAL`, each (q, n), for q members.

    Parameters
    ----------
    model : Ease or ItemNeighbours
        Fitted on the first rows of the catalogue; later songs it does not know.
    profiles : csr_matrix, shape (q, tracks of the model)
        Likes and what was asked about.
    likes : csr_matrix, shape (q, n)
    content : FloatArray, shape (n, d)
        Of `voiced`.
    """
    owner = np.repeat(np.arange(likes.shape[0]), np.diff(likes.indptr))
    total = np.bincount(owner, np.abs(likes.data), likes.shape[0])
    centres = np.asarray(likes @ content / np.maximum(total, 1e-9)[:, None], np.float32)
    members, learned, nearness = model.signals(profiles, content, centres)
    found = [*standardised(members, learned), *standardised(nearness)]
    return dict(zip(PERSONAL, found, strict=True))


def common(counts: FloatArray, reputation: FloatArray) -> dict[str, Standardised]:
    """Return the signals that are the same for everybody, each (1, n).

    Parameters
    ----------
    counts : FloatArray, shape (n,)
        How many members like a track.
    reputation : FloatArray, shape (n,)
        0 to 1.
    """
    return {
        "popularity": standardised(np.log1p(counts)[None])[0],
        "reputation": standardised(reputation[None])[0],
    }


def voiced(vectors: FloatArray, reputation: FloatArray) -> FloatArray:
    """Return unit vectors (n, d) at a length that follows the square root of reputation.

    A song many know is the safer one of two that sound alike. Where no reputation is known at all
    every length is 1; where it is known of some, the others count as the middle of those.
    """
    known = reputation > 0
    if not known.any():
        return vectors
    length = np.sqrt(np.where(known, reputation, np.median(reputation[known])))
    return np.asarray(vectors * (length / length.max())[:, None], np.float32)
