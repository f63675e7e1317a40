"""What enters a vector: tag means and their roots, and compressed, standardised statistics.

Tag means enter as they are, and as roots, which tell a tag that is never heard from one that is
hardly heard. Their deviations over time add nothing on songs by unseen artists.

The librosa statistics are those of centroid, flatness, roll-off and MFCC 1 to 12, which every table
and clip measures the same way. MFCC 0 follows loudness, which is no part of how a song sounds.

The tonnetz says how a song moves through its chords, but also in which key: in another key the same
song is turned around the three circles of the tonnetz. So each circle is measured by what a turn
does not change, or hardly: how far from the centre a song dwells, how widely and how evenly it
moves. That helps where there are no tags; beside tags it adds nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from musrec.audio.features import CONSTANT_Q_SERIES, MOMENTS, STATISTIC_NAMES

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

CIRCLES = ("fifths", "minor_thirds", "major_thirds")
MEASURES = ("radius", "spread", "extent", "roundness", "peakedness", "asymmetry")
TONAL = tuple(f"tonnetz_{circle}_{measure}" for circle in CIRCLES for measure in MEASURES)

COLUMNS = np.array([STATISTIC_NAMES.index(name) for name in STATISTICS])
TONNETZ_COLUMNS = np.array(
    [
        STATISTIC_NAMES.index(f"{series}_{moment}")
        for series in CONSTANT_Q_SERIES
        for moment in MOMENTS
    ]
)
_LIMIT = 3.0


def names(name: Name) -> tuple[str, ...]:
    """Return the name of each column of `matrix`."""
    tags = (f"tag_{part}_{i}" for part in ("mean", "root") for i in range(N_TAGS))
    return (*tags, *STATISTICS) if name == "full" else (*STATISTICS, *TONAL)


def timbre(name: Name) -> slice:
    """Return the columns of `matrix` that hold `STATISTICS`."""
    first = names(name).index(STATISTICS[0])
    return slice(first, first + len(STATISTICS))


def matrix(name: Name, statistics: FloatArray, tag_mean: FloatArray | None = None) -> DoubleArray:
    """Return the inputs of a space, one row per song.

    Parameters
    ----------
    statistics : FloatArray, shape (n, len(STATISTIC_NAMES))
    tag_mean : FloatArray, shape (n, 50)
        Needed for ``"full"``.

    Returns
    -------
    array, shape (n, len(names(name)))
        Not yet standardised; NaN where not known.
    """
    if statistics.ndim != 2 or statistics.shape[1] != len(STATISTIC_NAMES):
        raise ValueError(f"statistics of shape (n, {len(STATISTIC_NAMES)}) are needed")
    known = _compressed(statistics[:, COLUMNS].astype(np.float64))
    if name == "statistics":
        return np.concatenate([known, _tonal(statistics)], axis=1)
    if tag_mean is None:
        raise ValueError("the full space needs tags")
    roots = np.sqrt(np.maximum(tag_mean, 0))
    return np.concatenate([tag_mean, roots, known], axis=1, dtype=np.float64)


def standardised(x: DoubleArray, mean: DoubleArray, scale: DoubleArray) -> DoubleArray:
    """Return columns standardised to the training population, with its mean for NaN.

    Cut at three deviations: one silent frame in a clip moves a minimum or a kurtosis further than
    any music does.
    """
    z = np.clip((x - mean) / scale, -_LIMIT, _LIMIT)
    return np.where(np.isnan(z), 0.0, z)


def _compressed(x: DoubleArray) -> DoubleArray:
    """Bring skewed statistics closer to normal: logarithms of Hz, flatness, spread and tails."""
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


def _tonal(statistics: FloatArray) -> DoubleArray:
    """Return measures of the three circles of the tonnetz, shape (n, len(TONAL))."""
    table = statistics[:, TONNETZ_COLUMNS].astype(np.float64)
    # (song, circle, coordinate, moment)
    moments = table.reshape(len(table), len(CIRCLES), 2, len(MOMENTS))
    of = {moment: moments[..., i] for i, moment in enumerate(MOMENTS)}
    deviation = np.log(np.maximum(of["std"], 0) + 1e-3)
    measures = {
        "radius": np.log(np.hypot(of["mean"][..., 0], of["mean"][..., 1]) + 1e-2),
        "spread": np.log(np.hypot(of["std"][..., 0], of["std"][..., 1]) + 1e-3),
        "extent": np.log(np.maximum((of["max"] - of["min"]).sum(axis=2), 0) + 1e-2),
        "roundness": -np.abs(deviation[..., 0] - deviation[..., 1]),
        "peakedness": np.log(np.maximum(of["kurtosis"], -2) + 3).mean(axis=2),
        "asymmetry": np.abs(np.arcsinh(of["skew"])).mean(axis=2),
    }
    return np.stack([measures[name] for name in MEASURES], axis=2).reshape(len(table), len(TONAL))
