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

DISLIKE_REACHES = (0.6, 0.9)
"""Cosines that the reach is kept within. The lower one and `scoring.DISLIKE_FORCE` took the most
near-duplicates away at under two hundredths of NDCG@10, of a few tried on other guests than
`musrec.evaluate.recommend` reports."""

FACET_PATIENCE = 8.0
"""Likes after which a member's own facet weights count as much as the equal ones."""


def unit(vectors: FloatArray) -> FloatArray:
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

    0 for all but the nearest few of the catalogue, 1 for the same sound: a dislike speaks of
    its close surroundings only, so it costs little elsewhere.

    Parameters
    ----------
    similarities : (r, j), cosines to each disliked track
    reference : (c, j), the same for a sample of the catalogue
    """
    if not similarities.size:
        return np.zeros_like(similarities)
    reach = np.quantile(reference, DISLIKE_REACH, axis=0) if len(reference) > 1 else 0.5
    reach = np.clip(reach, *DISLIKE_REACHES)
    return np.asarray(np.clip((similarities - reach) / (1 - reach), 0, 1), dtype=np.float32)


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
