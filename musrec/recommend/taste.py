"""What one member means by similar: the facets that matter to them, and what sounds like a dislike.

Nothing here is trained: a thumb changes the next answer by being one more row of a small matrix.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from musrec.model import FloatArray

DISLIKE_REACH = 0.995
"""Quantile of a disliked song's similarity to the catalogue above which songs sound alike."""

DISLIKE_REACHES = (0.3, 0.9)
"""Cosines that the reach is kept within. The lower one, the square in `sound_alike` and
`scoring.DISLIKE_FORCE` took the most near-duplicates away at a hundredth and a half of NDCG@10, of
a few tried on 600 guests that `musrec.evaluate.recommend` does not report."""

DISLIKE_PULL = 0.35
"""How far a dislike moves the middle of a member's taste, against a like."""

DISLIKE_SHARE = 0.2
"""How far all dislikes together may move it, against all likes; any from a tenth to a third served
the feedback rounds about as well, on guests that `musrec.evaluate.recommend` does not report."""

FACET_PATIENCE = 8.0
"""Likes after which a member's own facet weights count as much as the equal ones."""


def l2_normalise(vectors: FloatArray) -> FloatArray:
    """Return rows (n, d) at length 1; rows that are zero or not finite become zero.

    Rows that are all of length 1 already are returned as they are, to be kept once.
    """
    vectors = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if np.allclose(lengths, 1, rtol=0, atol=1e-6):
        return vectors
    known = np.isfinite(lengths) & (lengths > 0)
    return np.where(known, vectors / np.where(known, lengths, 1), np.float32(0))


def sound_alike(similarities: FloatArray, reference: FloatArray) -> FloatArray:
    """Return (r, j), 0 to 1: how far each track is a sound-alike of each disliked one.

    0 for all but the nearest few of the catalogue, 1 for the same sound, and in between the square
    of the way: a dislike speaks of its close surroundings, so it costs little elsewhere, and what
    is only alike needs a better reason to come, where a sharp edge would shut it out.

    Parameters
    ----------
    similarities : (r, j), cosines to each disliked track
    reference : (c, j), the same for a sample of the catalogue
    """
    if not similarities.size:
        return np.zeros_like(similarities)
    reach = np.quantile(reference, DISLIKE_REACH, axis=0) if len(reference) > 1 else 0.5
    reach = np.clip(reach, *DISLIKE_REACHES)
    return np.asarray(np.clip((similarities - reach) / (1 - reach), 0, 1) ** 2, dtype=np.float32)


def rocchio_weights(liked: FloatArray, disliked: FloatArray) -> FloatArray:
    """Return the weights (likes + dislikes,) with which opinions make the middle of a taste.

    Rocchio's formula [1]_: the middle of what is liked less a share of the middle of what is not.
    A few dislikes count one by one (`DISLIKE_PULL`); of many, the share stays (`DISLIKE_SHARE`),
    as whoever is shown much dislikes much, and would be led away from all they like.

    Parameters
    ----------
    liked, disliked : FloatArray, shape (k,)
        Opinions, as positive weights.

    References
    ----------
    .. [1] J. J. Rocchio, "Relevance feedback in information retrieval", in G. Salton (ed.), The
       SMART Retrieval System, 1971.
    """
    against = max(float(disliked.sum()), 1e-9)
    pull = min(DISLIKE_PULL, DISLIKE_SHARE * float(liked.sum()) / against)
    return np.concatenate([liked, -pull * disliked])


def facet_weights(
    liked: Mapping[str, FloatArray], disliked: Mapping[str, FloatArray]
) -> dict[str, float]:
    """Return how much each facet matters to a member; the weights sum to 1.

    A facet matters where likes agree with each other more than they agree with dislikes. With few
    likes the weights stay near equal (shrinkage by `FACET_PATIENCE`).

    Parameters
    ----------
    liked, disliked : mapping of facet to (k, d_facet) unit rows
        Zero rows where the facet is not known.
    """
    agreement: dict[str, float] = {}
    count = 0
    for name, rows in liked.items():
        known = rows[np.any(rows != 0, axis=1)]
        against = disliked[name][np.any(disliked[name] != 0, axis=1)]
        if not len(known):
            continue
        count = max(count, len(known))
        k = len(known)
        centre = known.sum(axis=0)
        within = (float(centre @ centre) - k) / (k * (k - 1)) if k > 1 else 0.0
        across = float(np.mean(known @ against.T)) if len(against) else 0.0
        agreement[name] = max(within - across, 0.0)
    if not agreement:
        return {}
    total = sum(agreement.values())
    even = 1 / len(agreement)
    trust = count / (count + FACET_PATIENCE) if total > 0 else 0.0
    return {
        name: (1 - trust) * even + trust * (value / total if total > 0 else even)
        for name, value in agreement.items()
    }
