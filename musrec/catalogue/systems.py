"""Two plain systems beside the whole: the spectrogram as an image alone, the statistics alone.

Both rank by cosine. An image is compared as pixels and by an embedding of its patches: principal
components of standardised patches, averaged over time, in the way of A. Coates, A. Ng, "Learning
feature representations with k-means" (2012) with components in place of clusters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from musrec.catalogue.model import By, SystemPair
from musrec.columns import Tracks
from musrec.model import Catalogue, Explanation, Pick, Profile, Term
from musrec.recommend.explain import ordinal
from musrec.recommend.taste import l2_normalise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.model import FloatArray, Spectrogram, Track

BANDS, COLUMNS = 24, 24
"""Rows and columns of an image in pixels."""
PATCH_SECONDS = 1.0
PATCH_COLUMNS = 8
COMPONENTS = 24
MOST_PATCHES = 6000
"""Of the catalogue, evenly spread: enough to learn the components from."""


def pixels(picture: Spectrogram) -> FloatArray:
    """Return an image as `BANDS` times `COLUMNS` pixels, without its mean level, flattened."""
    image = _shrunk(picture.mel, BANDS, COLUMNS)
    level: FloatArray = (image - image.mean()).ravel()
    return level


def patches(picture: Spectrogram) -> FloatArray:
    """Return the standardised patches of an image, shape (n, `BANDS` * `PATCH_COLUMNS`)."""
    n = max(1, round(picture.seconds / PATCH_SECONDS))
    image = _shrunk(picture.mel, BANDS, n * PATCH_COLUMNS)
    rows = image.reshape(BANDS, n, PATCH_COLUMNS).swapaxes(0, 1).reshape(n, -1)
    spread = rows.std(axis=1, keepdims=True)
    standardised: FloatArray = (rows - rows.mean(axis=1, keepdims=True)) / np.maximum(spread, 1)
    return standardised


def _shrunk(mel: NDArray[np.uint8], rows: int, columns: int) -> FloatArray:
    """Average an image into fewer rows and columns, or repeat where there are too few."""
    means = mel.astype(np.float32)
    for axis, count in enumerate((rows, columns)):
        size = means.shape[axis]
        starts = np.arange(count) * size // count
        lengths = np.maximum(np.append(starts[1:], size) - starts, 1)
        means = np.add.reduceat(means, starts, axis=axis)
        means = means / (lengths[:, None] if axis == 0 else lengths)
    return means


def by_spectrogram(query: Spectrogram, others: Sequence[Spectrogram]) -> FloatArray:
    """Return how alike an image and others are: the mean of two cosines, -1 to 1, shape (n,)."""
    images = [query, *others]
    cut = [patches(image) for image in images]
    every = np.concatenate(cut)
    some = every[:: -(-len(every) // MOST_PATCHES)]
    _, components = np.linalg.eigh(np.cov(some, rowvar=False))
    basis = components[:, ::-1][:, :COMPONENTS]
    embedded = [(one - some.mean(axis=0)) @ basis for one in cut]
    embeddings = [np.concatenate([one.mean(axis=0), one.std(axis=0)]) for one in embedded]
    views = [np.stack([pixels(image) for image in images]), np.stack(embeddings)]
    cosines = [_cosines(view) for view in views]
    alike: FloatArray = np.mean(cosines, axis=0).astype(np.float32)
    return alike


def _cosines(view: FloatArray) -> FloatArray:
    """Return the cosine of the first row with the others, around what all have in common."""
    rows = l2_normalise(view - view.mean(axis=0)) if len(view) > 2 else l2_normalise(view)
    cosines: FloatArray = rows[1:] @ rows[0]
    return cosines


def by_features(query: FloatArray, others: FloatArray) -> FloatArray:
    """Return how alike statistics are: the cosine of standardised ones, -1 to 1, shape (n,).

    Parameters
    ----------
    query : FloatArray, shape (d,)
    others : FloatArray, shape (n, d)
        NaN where a statistic is not known; a pair is compared in what both have.
    """
    there = np.isfinite(query)
    blocks = [slice(at, at + _BLOCK) for at in range(0, len(others), _BLOCK)]
    count, first, second = np.zeros((3, len(query)))
    for block in blocks:
        known, values = _known(others[block], there)
        count += known.sum(axis=0)
        first += values.sum(axis=0)
        second += np.square(values).sum(axis=0)
    mean = first / np.maximum(count, 1)
    spread = np.sqrt(np.maximum(second / np.maximum(count, 1) - mean**2, 0))
    scale = np.where(spread > 1e-6 * np.abs(mean), spread, 1)
    # One statistic far out must not decide alone.
    own = np.where(there, (np.nan_to_num(query) - mean) / scale, 0).clip(-5, 5)
    alike = np.empty(len(others), np.float32)
    for block in blocks:
        known, values = _known(others[block], there)
        rows = np.where(known, (values - mean) / scale, 0).clip(-5, 5)
        lengths = np.sqrt((rows**2).sum(axis=1) * (known @ own**2))
        alike[block] = rows @ own / np.maximum(lengths, 1e-9)
    return alike


_BLOCK = 4_096  # songs whose statistics are held in double precision at a time


def _known(
    rows: FloatArray, there: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return which statistics are known of rows and of the song asked about, and their values."""
    known = np.isfinite(rows) & there
    return known, np.where(known, rows, 0).astype(np.float64)


def pick(track: Track, profile: Profile, alike: float, place: int, by: By) -> Pick:
    """Return a pick of one system: its score is how alike it is, and nothing else."""
    nearest = "closest" if place == 1 else f"{ordinal(place)} closest"
    said = {
        By.SPECTROGRAM: f"As a picture, its spectrogram is the {nearest} to that of your song.",
        By.FEATURES: f"By its measured features, it is the {nearest} to your song.",
    }[by]
    detail = f"{alike:+.2f} for the {by} alone; nothing else counted"
    reason = Explanation(said, details=(detail,), causes=("sound",))
    return Pick(track, alike, None, (Term("sound", alike, detail),), reason, profile)


def ranked(catalogue: Catalogue, alike: Mapping[str, float], count: int) -> tuple[Track, ...]:
    """Return the songs of a catalogue that are most alike, most alike first."""
    tracks = Tracks.of(catalogue.tracks)
    known = (id_ for id_ in alike if id_ in tracks.row_of)
    best = sorted(known, key=lambda id_: (-alike[id_], id_))[:count]
    return tuple(tracks[row] for row in tracks.rows(best))


def pair(
    catalogue: Catalogue,
    spectrogram: Mapping[str, float],
    features: Mapping[str, float],
    count: int,
) -> SystemPair:
    """Compare what two systems find among the songs that both know.

    Parameters
    ----------
    spectrogram, features : mapping of str to float
        Id of a song to how alike it is.
    count : int
        Songs in each list.
    """
    both = spectrogram.keys() & features.keys()
    one, other = ({id_: alike[id_] for id_ in both} for alike in (spectrogram, features))
    first, second = ranked(catalogue, one, count), ranked(catalogue, other, count)
    ids = [{track.id for track in tracks} for tracks in (first, second)]
    union = sorted(ids[0] | ids[1])
    return SystemPair(
        by_spectrogram=first,
        by_features=second,
        shared=len(ids[0] & ids[1]),
        jaccard=len(ids[0] & ids[1]) / len(union) if union else 0.0,
        correlation=_rank_correlation([one[id_] for id_ in union], [other[id_] for id_ in union]),
        among=len(both),
        left_out=len(features.keys() - both),
    )


def _rank_correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Return Spearman's coefficient, -1 to 1; None for fewer than three songs."""
    if len(one) < 3:
        return None
    ranks = np.argsort(np.argsort(np.array([one, other]), axis=1), axis=1)
    return float(np.asarray(np.corrcoef(ranks))[0, 1])
