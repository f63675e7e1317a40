"""``musrec train reference``: the populations that descriptors are compared with.

There are two. *Songs* are known from tables of statistics and tags; *clips* are heard here, because
rhythm and loudness need audio. `intensity` is a ridge regression from the statistics of the songs
to a ratio of their tags, so that it is known without the tagger too.

The clips are those that ``musrec/audio/reference.json`` lists under ``heard``, each with the
SHA-256 of its file, so that building it again hears exactly the same music.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from musrec.audio.decode import decode
from musrec.audio.descriptors import (
    AXES,
    CLIPS,
    DEFINITIONS,
    INTENSITY,
    SONGS,
    lean,
    loudness,
    measure,
)
from musrec.audio.features import HOP_LENGTH, STATISTIC_NAMES, spectra, statistics
from musrec.audio.rhythm import onsets, pulse, usual_tempo
from musrec.model import SAMPLE_RATE, NotFound
from musrec.train.space import training_clips

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.evaluate.tables import Tables

    Float64Array = NDArray[np.float64]

SHIPPED = Path(__file__).parents[1] / "audio" / "reference.json"

_PERCENTS = np.arange(101)

# What `intensity` is predicted from: level does not matter to any of them.
_PREDICTORS = tuple(
    f"{series}_{moment}"
    for series in (
        *("spectral_centroid", "spectral_flatness", "spectral_rolloff"),
        *(f"mfcc_{i}" for i in range(1, 13)),
    )
    for moment in ("mean", "std")
)

_CLASSICAL = "gtzan/audio/classical."
_CLASSICAL_SHARE = 0.1
"""Weight of classical music, which most of the clips are."""


def reference(data: Path, heard: Mapping[str, str]) -> dict[str, Any]:
    """Return the content of ``reference.json``: quantiles, the weights of `intensity`, clips.

    Parameters
    ----------
    data : Path
        Folder with ``gtzan/clips.csv``, ``gtzan/librosa_statistics.csv.gz``,
        ``gtzan/musicnn_taggrams_train.npz`` and every clip in `heard`.
    heard : mapping of str to str
        The clips: path below `data`, with slashes, to SHA-256 in hex.

    Raises
    ------
    NotFound
        One of these is absent, or a clip is not the file that the list names.
    """
    songs = training_clips(data / "gtzan")
    songs = songs.rows(np.argsort(songs.clips))
    weights, intercept, fit = _fit_intensity(songs)
    columns = {name: songs.statistics[:, STATISTIC_NAMES.index(name)] for name in weights}
    intensity = intercept + sum(weight * columns[name] for name, weight in weights.items())
    values: dict[str, Float64Array] = {
        "brightness": _column(songs, "spectral_centroid_mean"),
        "noisiness": 10.0 * np.log10(_column(songs, "spectral_flatness_median")),
        "intensity": np.asarray(intensity),
    }
    for name, axis in AXES.items():
        values[name] = np.array([lean(row, axis) for row in songs.tag_mean])
    measured = [_measured(content) for content in listed(data, heard)]
    shares = _shares(heard)
    quantiles = {
        name: [_short(np.quantile(values[name], percent / 100)) for percent in _PERCENTS]
        for name, descriptor in DEFINITIONS.items()
        if descriptor.population == SONGS
    }
    for name, descriptor in DEFINITIONS.items():
        if descriptor.population == CLIPS:
            known = np.array([name in raw for raw in measured])
            quantiles[name] = _weighted_quantiles(
                np.array([raw[name] for raw in measured if name in raw]), shares[known]
            )
    return {
        "populations": {
            SONGS: f"{len(songs)} songs of ten genres, "
            "the training part of GTZAN without its faulty and repeated clips",
            CLIPS: f"{len(heard)} excerpts heard here: Creative Commons music of many genres, and "
            "GTZAN clips; classical music, most of the latter, counts for a tenth",
        },
        "intensity": {
            "trained_on": f"{len(songs)} songs; artist-disjoint correlation {fit:.2f}",
            "intercept": _short(intercept),
            "weights": {name: _short(weight) for name, weight in weights.items()},
        },
        "quantiles": {name: quantiles[name] for name in DEFINITIONS},
        "heard": dict(heard),
    }


def pinned() -> dict[str, str]:
    """Return the clips of the shipped reference, as `reference` takes them."""
    heard: dict[str, str] = json.loads(SHIPPED.read_text("utf-8"))["heard"]
    return heard


def listed(data: Path, heard: Mapping[str, str]) -> Iterator[bytes]:
    """Yield the content of each listed clip, and of nothing beside them; see `reference`."""
    for path, digest in heard.items():
        try:
            content = (data / path).read_bytes()
        except OSError:
            raise NotFound(
                f"The clip {path} is missing in {data}.",
                "Name the folder that the reference was made from.",
            ) from None
        if hashlib.sha256(content).hexdigest() != digest:
            raise NotFound(
                f"{data / path} is not the file that was heard: its SHA-256 differs.",
                f"To hear the new one instead, change its digest in {SHIPPED.name}.",
            )
        yield content


def write(data: Path) -> Path:
    """Make the shipped reference again from `data`; it is replaced whole or not at all."""
    text = json.dumps(reference(data, pinned())) + "\n"
    part = SHIPPED.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(SHIPPED)
    return SHIPPED


def _fit_intensity(songs: Tables) -> tuple[dict[str, float], float, float]:
    """Return weights, intercept and artist-disjoint correlation of the regression."""
    x = np.column_stack([_column(songs, name) for name in _PREDICTORS])
    y = np.array([lean(row, INTENSITY) for row in songs.tag_mean])
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 4, 12)))
    predicted = cross_val_predict(model, x, y, groups=songs.performers, cv=GroupKFold(10))
    model.fit(x, y)
    scaler, ridge = model[0], model[1]
    weights = ridge.coef_ / scaler.scale_
    intercept = float(ridge.intercept_ - weights @ scaler.mean_)
    fit = float(np.corrcoef(predicted, y)[0, 1])
    return dict(zip(_PREDICTORS, weights.tolist(), strict=True)), intercept, fit


def _measured(content: bytes) -> dict[str, float]:
    y = decode(content).y
    sound = spectra(y)
    measured = statistics(sound)
    return measure(
        measured,
        rhythm=pulse(
            onsets(sound.mel), sr=SAMPLE_RATE, hop_length=HOP_LENGTH, usual=usual_tempo(measured)
        ),
        loudness=loudness(y, SAMPLE_RATE),
    )


def _shares(heard: Mapping[str, str]) -> Float64Array:
    """Return how much each clip counts, summing to 1."""
    classical = np.array([path.startswith(_CLASSICAL) for path in heard])
    shares: Float64Array = np.where(
        classical,
        _CLASSICAL_SHARE / max(1, classical.sum()),
        (1.0 - _CLASSICAL_SHARE) / max(1, (~classical).sum()),
    )
    return shares


def _weighted_quantiles(values: Float64Array, shares: Float64Array) -> list[float]:
    order = np.argsort(values)
    reached = np.cumsum(shares[order]) - shares[order] / 2
    reached = (reached - reached[0]) / (reached[-1] - reached[0])
    return [_short(value) for value in np.interp(_PERCENTS / 100, reached, values[order])]


def _column(songs: Tables, name: str) -> Float64Array:
    return songs.statistics[:, STATISTIC_NAMES.index(name)].astype(np.float64)


def _short(value: float) -> float:
    return float(f"{float(value):.6g}")
