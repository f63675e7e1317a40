"""Metrics of classification, retrieval and neighbourhoods.

Conventions
-----------
- Labels and groups are arrays with one entry per clip; clips of a *group*, such as an artist, must
  not help each other.
- A ranking is made from a full matrix of distances or similarities, never from a sample.
- If the queries are the collection itself, a clip is never its own neighbour.
- Shares are in 0 to 1. A metric that no row supports is NaN, not 0.

Metrics
-------
- `accuracy` with `bootstrap`: percentile intervals over clips or whole groups (B. Efron,
  R. Tibshirani, *An Introduction to the Bootstrap*, 1993).
- `precision_at_k`: share of same-label clips among the k nearest by other groups.
- `reciprocal_rank`: of the nearest relevant clip in a full ranking (C. Manning et al.,
  *Introduction to Information Retrieval*, 2008, ch. 8).
- `occurrences`, `hubness_skew`, `antihubs`: how unevenly clips appear as k-nearest neighbours
  (M. Radovanovic et al., "Hubs in space", JMLR 11, 2010; D. Schnitzer et al., "Local and global
  scaling reduce hubs in space", JMLR 13, 2012).
- `calibration_error`: expected calibration error of the top label in bins of equal width
  (C. Guo et al., "On calibration of modern neural networks", ICML 2017).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    DoubleArray = NDArray[np.float64]


def validate(*arrays: NDArray[Any]) -> None:
    """Raise `ValueError` unless all arrays are equally long and not empty."""
    lengths = {len(array) for array in arrays}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(f"arrays of equal length, not empty, are needed; got {sorted(lengths)}")


def accuracy(truth: ArrayLike, estimate: ArrayLike) -> float:
    """Return the share of labels that are right."""
    truth, estimate = np.asarray(truth), np.asarray(estimate)
    validate(truth, estimate)
    return float(np.mean(truth == estimate))


def bootstrap(
    values: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    seed: int = 0,
    times: int = 2000,
) -> tuple[float, float]:
    """Return the 95% percentile interval of the mean of `values`.

    Parameters
    ----------
    values : array, shape (n,)
        One number per clip, such as 1 if it was recognised; NaN is left out.
    groups : array, shape (n,), optional
        Draw whole groups, not clips: wider, and more honest if clips of a group are similar.
    """
    values = np.asarray(values, dtype=np.float64)
    groups = np.arange(len(values)) if groups is None else np.asarray(groups)
    validate(values, groups)
    known = np.isfinite(values)
    if not known.any():
        return float("nan"), float("nan")
    values, groups = values[known], groups[known]
    _, number = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(number, weights=values), np.bincount(number)
    drawn = np.random.default_rng(seed).integers(len(sums), size=(times, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def nearest(
    distances: NDArray[Any],
    k: int,
    groups: ArrayLike | None = None,
    query_groups: ArrayLike | None = None,
) -> NDArray[np.intp]:
    """Return the rows of the k nearest clips of each query, nearest first.

    Parameters
    ----------
    distances : array, shape (q, n)
        Smaller is nearer. Without `query_groups`, the queries are the clips, and a clip is not its
        own neighbour.
    groups, query_groups : arrays, shapes (n,) and (q,), optional
        Clips of the query's own group are skipped.

    Returns
    -------
    array, shape (q, k)
        -1 where fewer than k clips are left.
    """
    distances = np.array(distances, dtype=np.float64)
    if distances.ndim != 2 or np.isnan(distances).any() or k < 1:
        raise ValueError("a matrix of distances without NaN and k >= 1 are needed")
    if query_groups is None:
        if distances.shape[0] != distances.shape[1]:
            raise ValueError("a square matrix is needed where the queries are the clips")
        np.fill_diagonal(distances, np.inf)
        query_groups = groups
    if groups is not None and query_groups is not None:
        own = np.asarray(query_groups)[:, None] == np.asarray(groups)[None]
        distances[own] = np.inf
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    order[~np.isfinite(np.take_along_axis(distances, order, axis=1))] = -1
    if order.shape[1] < k:
        order = np.pad(order, ((0, 0), (0, k - order.shape[1])), constant_values=-1)
    return order


def precision_at_k(
    neighbours: NDArray[np.intp], labels: ArrayLike, query_labels: ArrayLike | None = None
) -> DoubleArray:
    """Return the share of each query's neighbours that have its label, shape (q,).

    Parameters
    ----------
    neighbours : array, shape (q, k)
        From `nearest`; places without a neighbour (-1) count as wrong.
    """
    labels = np.asarray(labels)
    query_labels = labels if query_labels is None else np.asarray(query_labels)
    validate(neighbours, query_labels)
    right = (labels[neighbours] == query_labels[:, None]) & (neighbours >= 0)
    return np.asarray(right.mean(axis=1), dtype=np.float64)


def occurrences(neighbours: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """Return how often each of n clips is among the neighbours of others, shape (n,)."""
    return np.bincount(neighbours[neighbours >= 0], minlength=n)


def hubness_skew(counts: ArrayLike) -> float:
    """Return the skewness of the k-occurrences: 0 if even; above 1, a few hubs are everywhere."""
    counts = np.asarray(counts, dtype=np.float64)
    validate(counts)
    centred = counts - counts.mean()
    deviation = np.sqrt(np.mean(centred**2))
    return float(np.mean(centred**3) / deviation**3) if deviation > 0 else 0.0


def antihubs(counts: ArrayLike) -> float:
    """Return the share of clips that are no other clip's neighbour."""
    counts = np.asarray(counts)
    validate(counts)
    return float(np.mean(counts == 0))


def reciprocal_rank(distances: NDArray[Any], relevant: NDArray[np.bool_]) -> DoubleArray:
    """Return one over the rank of the nearest relevant clip, for each query.

    Parameters
    ----------
    distances : array, shape (q, n)
        Infinite for clips that do not take part, such as the query itself.
    relevant : array of bool, shape (q, n)

    Returns
    -------
    array, shape (q,)
        NaN if no clip is relevant. Ties count as the worst of their ranks.
    """
    if distances.shape != relevant.shape or np.isnan(distances).any():
        raise ValueError("distances without NaN and relevance of one shape are needed")
    relevant = relevant & np.isfinite(distances)
    best = np.where(relevant, distances, np.inf).min(axis=1, initial=np.inf)
    worse = ((distances <= best[:, None]) & ~relevant).sum(axis=1)
    return np.where(relevant.any(axis=1), 1.0 / (worse + 1), np.nan)


def expected_reciprocal_rank(relevant: int, others: int) -> float:
    """Return the mean of `reciprocal_rank` over all orders of these many clips: pure chance."""
    if relevant < 1 or others < 0:
        raise ValueError("at least one relevant clip is needed")
    n = relevant + others
    expected, none_yet = 0.0, 1.0
    for rank in range(1, others + 2):
        left = n - rank + 1
        expected += none_yet * (relevant / left) / rank
        none_yet *= 1 - relevant / left
    return expected


def calibration_error(probabilities: DoubleArray, right: ArrayLike, bins: int = 10) -> float:
    """Return the expected calibration error of the top label, 0 (perfect) to 1.

    Parameters
    ----------
    probabilities : array, shape (n,)
        Of the top label.
    right : array of bool, shape (n,)
        Whether the top label was right.
    """
    right = np.asarray(right, dtype=np.float64)
    validate(probabilities, right)
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("probabilities lie in 0 to 1")
    which = np.minimum((probabilities * bins).astype(int), bins - 1)
    counts = np.bincount(which, minlength=bins)
    gap = np.bincount(which, weights=right - probabilities, minlength=bins)
    # |sum(right) - sum(p)| of a bin is its count times |accuracy - confidence|.
    return float(np.abs(gap).sum() / counts.sum())
