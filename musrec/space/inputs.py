"""What of an `Analysis` goes into a vector: tags and their roots, statistics compressed and scaled.

Tag means stand as they are, and as roots, which tell a tag that is never heard from one that is
hardly heard. Their deviations over time add nothing to that on songs by unseen artists.

The librosa statistics are those of centroid, flatness, roll-off and MFCC 1 to 12: measured the
same way in every table and clip. MFCC 0 follows loudness, which is no part of how a song sounds;
tonnetz depends on which chromagram it is made from, so it is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from musrec.audio.features import MOMENTS, STATISTIC_NAMES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.model import FloatArray

    DoubleArray = NDArray[np.float64]

Name = Literal["full", "statistics"]
"""``full`` needs the tagger; ``statistics`` does without it."""

SERIES = (
    "spectral_centroid",
    "spectral_flatness",
    "spectral_rolloff",
    *(f"mfcc_{i}" for i in range(1, 13)),
)
STATISTICS = tuple(f"{series}_{moment}" for series in SERIES for moment in MOMENTS)
N_TAGS = 50

COLUMNS = np.array([STATISTIC_NAMES.index(name) for name in STATISTICS])
_LIMIT = 3.0


def names(name: Name) -> tuple[str, ...]:
    """Return a name for each column of `matrix`."""
    tags = (f"tag_{part}_{i}" for part in ("mean", "root") for i in range(N_TAGS))
    return (*tags, *STATISTICS) if name == "full" else STATISTICS


def matrix(name: Name, statistics: FloatArray, tag_mean: FloatArray | None = None) -> DoubleArray:
    """Return what a space is made from, one row a song.

    Parameters
    ----------
    statistics : FloatArray, shape (n, len(STATISTIC_NAMES))
    tag_mean : FloatArray, shape (n, 50)
        Needed for ``"full"``.

    Returns
    -------
    array, shape (n, len(names(name)))
        Not yet scaled; NaN where not known.
    """
    if statistics.ndim != 2 or statistics.shape[1] != len(STATISTIC_NAMES):
        raise ValueError(f"statistics of shape (n, {len(STATISTIC_NAMES)}) are needed")
    known = _compressed(statistics[:, COLUMNS].astype(np.float64))
    if name == "statistics":
        return known
    if tag_mean is None:
        raise ValueError("the full space needs tags")
    roots = np.sqrt(np.maximum(tag_mean, 0))
    return np.concatenate([tag_mean, roots, known], axis=1, dtype=np.float64)


def standardised(x: DoubleArray, mean: DoubleArray, scale: DoubleArray) -> DoubleArray:
    """Scale columns to the training population; what is not known is its mean.

    Cut at three deviations: one silent frame in a clip moves a minimum or a kurtosis further than
    any music does.
    """
    z = np.clip((x - mean) / scale, -_LIMIT, _LIMIT)
    return np.where(np.isnan(z), 0.0, z)


def _compressed(x: DoubleArray) -> DoubleArray:
    """Bring skewed statistics nearer to normal: logarithms of Hz, flatness, spread and tails."""
    out = x.copy()
    for i, name in enumerate(STATISTICS):
        series, _, moment = name.rpartition("_")
        column = x[:, i]
        if moment == "kurtosis":
            out[:, i] = np.log(np.maximum(column, -2) + 3)
        elif moment == "skew":
            out[:, i] = np.arcsinh(column)
        elif series == "spectral_flatness":
            out[:, i] = np.log(np.maximum(column, 0) + 1e-7)
        elif series.startswith("spectral"):
            out[:, i] = np.log(np.maximum(column, 0) + 50.0)
        elif moment == "std":
            out[:, i] = np.log(np.maximum(column, 0) + 1e-3)
    return out
