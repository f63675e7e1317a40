"""How much each signal counts: a weighted sum of z-scores whose weights follow the evidence."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
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
    "local_popularity": "popularity",
    "popularity": "popularity",
}
"""Each signal, and the term of the score it is part of.

``sound``: similarity to the song asked about. ``members``: the part of EASE that comes from likes.
``learned``: the part of EASE that comes from content. ``nearness``: similarity to the centroid of
the member's likes.
``local_popularity``: damped count of likes on this server. ``popularity``: as a provider states it.
"""
PERSONAL = ("members", "learned", "nearness")
"""Signals that need likes."""

ASKED_DAMPING = 0.3
"""What popularity is multiplied by when a song is asked about: that song already says what the
member wants. Decided, not fitted, like the weight of `sound`."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """How much is known: what the weights of a hybrid follow.

    Attributes
    ----------
    members : int
        Members with at least one like.
    thumbs : int
        Tracks this member gave a thumb up, those asked about included.
    listens : int
        Tracks this member likes by listening alone.
    """

    members: int
    thumbs: int
    listens: int = 0

    @classmethod
    def of(cls, members: int, opinions: Iterable[float]) -> Evidence:
        """Count opinions above 0; those beyond `IMPLICIT_LIMIT` are thumbs not yet faded."""
        strong = [opinion > IMPLICIT_LIMIT + 1e-6 for opinion in opinions]  # in 32 bits or 64
        return cls(members, sum(strong), len(strong) - sum(strong))

    def features(self) -> tuple[float, ...]:
        """Return 1 and the three counts on a logarithmic scale, where a thousand is 1."""
        return 1.0, *(log1p(n) / log1p(1000) for n in (self.members, self.thumbs, self.listens))


@dataclass(frozen=True, slots=True)
class HybridWeights:
    """The weight of each signal as a linear function of the evidence.

    Attributes
    ----------
    coefficients : mapping of signal to four floats
        Multiplied by `Evidence.features`; a weight below 0 counts as 0.
    made : str
        How the coefficients were made.
    """

    coefficients: Mapping[str, tuple[float, ...]]
    made: str = ""

    def given(self, evidence: Evidence, *, asked: bool = False) -> dict[str, float]:
        """Return the weight of each signal, 0 or above.

        A member without likes leaves nothing to learn from: `PERSONAL` signals then weigh 0.

        Parameters
        ----------
        asked : bool
            Whether a song was asked about: popularity then counts for less (`ASKED_DAMPING`).
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
        """Return the weights in the form that `read` takes."""
        rounded = {k: [round(v, 4) for v in values] for k, values in self.coefficients.items()}
        return json.dumps({"made": self.made, "coefficients": rounded}, indent=2) + "\n"

    @classmethod
    def read(cls, text: str) -> HybridWeights:
        """Return the weights that `json` wrote."""
        data = json.loads(text)
        return cls({k: tuple(v) for k, v in data["coefficients"].items()}, data["made"])


@cache
def shipped() -> HybridWeights:
    """Return the weights that come with the package, fitted by ``musrec train blend``."""
    return HybridWeights.read(files("musrec.recommend").joinpath("hybrid.json").read_text("utf-8"))


ARMS: Mapping[str, Mapping[str, float]] = {
    "balanced": {},
    "by sound": {"sound": 1.6, "nearness": 1.5, "learned": 1.3, "members": 0.5},
    "by members": {"members": 2.0, "nearness": 0.5, "sound": 0.8},
    "off the beaten track": {
        "local_popularity": 0.0,
        "popularity": 0.0,
        "members": 0.8,
        "sound": 0.8,
    },
}
"""The arms of a bandit, tried when a member is adventurous: factors on the fitted weights."""


def tilted(weights: Mapping[str, float], arm: str, adventurous: float) -> dict[str, float]:
    """Return weights moved towards an arm: not at all where `adventurous` is 0, fully at 1."""
    return {
        signal: weight * ARMS[arm].get(signal, 1.0) ** adventurous
        if ARMS[arm].get(signal, 1.0) > 0
        else weight * (1 - adventurous)
        for signal, weight in weights.items()
    }


def sample_arm(rng: np.random.Generator, outcomes: Mapping[str, tuple[int, int]]) -> str:
    """Return the arm to use now, by Thompson sampling.

    Each arm's chance of a thumb up has a Beta distribution; one value is drawn per arm, and the
    largest wins. Arms that pleased are used more, and arms with few trials keep being tried.

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
    """A signal (q, n) less the mean of each row, and the standard deviation of each row (q,).

    Where all scores of a row are equal, its deviation is 0 and so are its z-scores.
    """

    centred: FloatArray
    deviation: FloatArray

    @property
    def z_scores(self) -> FloatArray:
        """(q, n): the signal in standard deviations of its row."""
        scale = np.zeros_like(self.deviation)
        np.divide(1, self.deviation, out=scale, where=self.deviation > 0)
        return np.asarray(self.centred * scale[:, None], np.float32)


def standardised(*parts: FloatArray) -> list[Standardised]:
    """Return the parts (q, n) of a score, all in standard deviations of their sum.

    A value that is not finite is unknown, and becomes 0.
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
    if np.isfinite(mean).all():  # a score that is not finite would spoil the mean of its row
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
    popularity: FloatArray,
) -> dict[str, Standardised]:
    """Return every signal except `sound`, each (q, n), for q members: `personal` and `common`."""
    shape = (profiles.shape[0], len(content))
    return personal(model, profiles, likes, content).signals | {
        name: Standardised(np.broadcast_to(each.centred, shape), each.deviation)
        for name, each in common(counts, popularity).items()
    }


class Personal(NamedTuple):
    """The signals of `PERSONAL`, each (q, n), and what they were computed from.

    Attributes
    ----------
    signals : dict of str to Standardised
    pull : FloatArray, shape (q, ...)
        From the model's `signals`: what `of_members` and `of_content` take.
    centres : FloatArray, shape (q, d)
        The centroid of each member's likes.
    """

    signals: dict[str, Standardised]
    pull: FloatArray
    centres: FloatArray


def personal(
    model: Ease | ItemNeighbours, profiles: csr_matrix, likes: csr_matrix, content: FloatArray
) -> Personal:
    """Return the signals of `PERSONAL` for q members.

    Parameters
    ----------
    model : Ease or ItemNeighbours
        Fitted on the first rows of the catalogue; it does not know later songs.
    profiles : csr_matrix, shape (q, tracks of the model)
        Likes, and the songs asked about.
    likes : csr_matrix, shape (q, n)
    content : FloatArray, shape (n, d)
        From `popularity_weighted`.
    """
    owner = np.repeat(np.arange(likes.shape[0]), np.diff(likes.indptr))
    total = np.bincount(owner, np.abs(likes.data), likes.shape[0])
    centres = np.asarray(likes @ content / np.maximum(total, 1e-9)[:, None], np.float32)
    members, learned, nearness, pull = model.signals(profiles, content, centres)
    found = [*standardised(members, learned), *standardised(nearness)]
    return Personal(dict(zip(PERSONAL, found, strict=True)), pull, centres)


def common(counts: FloatArray, popularity: FloatArray) -> dict[str, Standardised]:
    """Return the signals that are the same for all members, each (1, n).

    Parameters
    ----------
    counts : FloatArray, shape (n,)
        How many members like each track.
    popularity : FloatArray, shape (n,)
        `Track.popularity`, 0 to 1; 0 where it is not known.
    """
    return {
        "local_popularity": standardised(np.log1p(counts)[None])[0],
        "popularity": standardised(popularity[None])[0],
    }


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """Vectors weighted by popularity, with room for more.

    Attributes
    ----------
    rows : FloatArray, shape (n, d)
    """

    rows: FloatArray
    _room: FloatArray
    _usual: float
    _longest: float

    @classmethod
    def of(cls, vectors: FloatArray, popularity: FloatArray) -> Content:
        """Weight unit vectors (n, d), as `popularity_weighted` does."""
        known = popularity[popularity > 0]
        if not len(known):
            return cls(vectors, vectors[:0], 0.0, 0.0)
        usual, longest = float(np.median(known)), float(known.max())
        n = len(vectors)
        room = np.empty((n + n // 16 + 64, vectors.shape[1]), np.float32)
        room[:n] = popularity_weighted(vectors, popularity)
        return cls(room[:n], room, usual, longest)

    def grown(self, vectors: FloatArray, popularity: FloatArray) -> Content:
        """Return the same of vectors (n', d) that begin with these, weighted as before."""
        n, old = len(vectors), len(self.rows)
        if not self._longest:
            if not (popularity[old:] > 0).any():
                return replace(self, rows=vectors)
            return Content.of(vectors, popularity)
        room = self._room
        if n > len(room):  # its first rows are never written again, so older contents keep theirs
            room = np.empty((n + n // 16 + 64, vectors.shape[1]), np.float32)
            room[:old] = self.rows
        more = popularity[old:]
        length = np.sqrt(np.where(more > 0, more, self._usual) / self._longest)
        room[old:n] = vectors[old:] * np.minimum(length, 1)[:, None]
        return replace(self, rows=room[:n], _room=room)


def popularity_weighted(vectors: FloatArray, popularity: FloatArray) -> FloatArray:
    """Return unit vectors (n, d) scaled by the square root of popularity; the longest stays at 1.

    Of two songs that sound alike, the better known one is the safer choice. Songs of unknown
    popularity (0) are given the median of the others; if it is known of none, every length is 1.
    """
    known = popularity > 0
    if not known.any():
        return vectors
    length = np.sqrt(np.where(known, popularity, np.median(popularity[known])))
    return np.asarray(vectors * (length / length.max())[:, None], np.float32)
