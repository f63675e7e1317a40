"""What "similar" means to one member: the facets that matter, and what sounds like a dislike.

Nothing here is trained: a thumb counts in the next answer as one more row of a small matrix.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from musrec.model import Catalogue, FloatArray

DISLIKE_REACH = 0.995
"""Quantile of a disliked song's similarities to the catalogue above which songs sound alike."""

DISLIKE_REACHES = (0.3, 0.9)
"""Cosines that the reach is kept within. Of a few values tried on 600 guests that
`musrec.evaluate.recommend` does not report, the lower one, the square in `sound_alike` and
`scoring.DISLIKE_FORCE` removed the most near-duplicates, at a cost of 0.015 in NDCG@10."""

DISLIKE_PULL = 0.35
"""How far one dislike moves the centroid of a member's taste, compared with one like."""

DISLIKE_SHARE = 0.2
"""How far all dislikes together may move it, compared with all likes. Any value from a tenth to a
third did about as well in the feedback rounds, on guests that `musrec.evaluate.recommend` does not
report."""

FACET_PATIENCE = 8.0
"""Number of likes at which a member's own facet weights count as much as equal ones."""


def l2_normalise(vectors: FloatArray) -> FloatArray:
    """Return rows (n, d) scaled to length 1; rows that are zero or not finite become zero.

    If all rows are of length 1 already, the same array is returned, so that memory holds it once.
    """
    vectors = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if np.abs(lengths - 1).max(initial=0) <= 1e-6:  # not where one is NaN
        return vectors
    known = np.isfinite(lengths) & (lengths > 0)
    return np.where(known, vectors / np.where(known, lengths, 1), np.float32(0))


def directions(catalogue: Catalogue) -> FloatArray:
    """Return the vectors (n, d) of a catalogue, of length 1."""
    known = catalogue.directions
    return l2_normalise(catalogue.vectors) if known is None else known


def sound_alike(similarities: FloatArray, reference: FloatArray) -> FloatArray:
    """Return (r, j), 0 to 1: how much each track sounds like each disliked one.

    0 for all but the few nearest of the catalogue, 1 for the same sound, and the square of the way
    in between: a dislike concerns its close surroundings and costs little elsewhere; a song that is
    merely similar needs a better reason to be picked, where a hard threshold would exclude it.

    Parameters
    ----------
    similarities : FloatArray, shape (r, j)
        Cosines to each disliked track.
    reference : FloatArray, shape (c, j)
        The same for a sample of the catalogue.
    """
    if not similarities.size:
        return np.zeros_like(similarities)
    reach = np.quantile(reference, DISLIKE_REACH, axis=0) if len(reference) > 1 else 0.5
    reach = np.clip(reach, *DISLIKE_REACHES)
    return np.asarray(np.clip((similarities - reach) / (1 - reach), 0, 1) ** 2, dtype=np.float32)


def rocchio_weights(liked: FloatArray, disliked: FloatArray) -> FloatArray:
    """Return the weights (likes + dislikes,) of a member's tracks in the centroid of their taste.

    Rocchio's formula [1]_: the centroid of the likes less a share of the centroid of the dislikes.
    A few dislikes count one by one (`DISLIKE_PULL`); many count only for a fixed share
    (`DISLIKE_SHARE`), as a member who is shown much dislikes much and would be led away from all
    they like.

    Parameters
    ----------
    liked, disliked : FloatArray, shapes (likes,) and (dislikes,)
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

    A facet matters if likes are more similar to each other in it than they are to dislikes. With
    few likes the weights stay close to equal (shrinkage by `FACET_PATIENCE`).

    Parameters
    ----------
    liked, disliked : mapping of facet to FloatArray, shape (k, d_facet)
        Rows of length 1; zero if the facet is not known.
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
