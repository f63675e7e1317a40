"""``musrec evaluate parts``: what rhythm and harmony are worth beside the vector.

On the clips that the weights were chosen on, by cross-validation; and on playlists that nothing was
chosen on, with the audio features of a streaming service in place of the vector.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musrec.audio.features import STATISTIC_NAMES
from musrec.evaluate import metrics, playlists
from musrec.evaluate.report import Cell, Report
from musrec.model import PITCH_CLASSES, Harmony, Rhythm
from musrec.recommend.taste import l2_normalise
from musrec.space import parts, place
from musrec.train.parts import annotated, assess
from musrec.train.space import FOLDS, SEED, training_clips

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from musrec.model import FloatArray
    from musrec.space.inputs import DoubleArray

RHYTHM_AND_HARMONY = ("key", "mode", "tempo")
"""Features of a streaming service that become parts; the others stand for the vector."""

LARGE = 0.3
"""A weight to compare with: a part that counts a third as much as the vector."""


def run(data: Path, *, seeds: Sequence[int] = playlists.SEEDS) -> tuple[Report, ...]:
    """Measure the shipped weights, each part on its own, and larger weights.

    Parameters
    ----------
    data : Path
        Folder with ``gtzan`` and ``spotify_songs``.
    """
    return _artists(data / "gtzan"), _playlists(data, seeds)


def _settings() -> dict[str, dict[str, float]]:
    shipped, none = parts.weights(), dict.fromkeys(parts.NAMES, 0.0)
    return {
        "vector alone": none,
        **{f"and {name}": none | {name: shipped[name]} for name in parts.NAMES},
        "as shipped": shipped,
        **{f"{name} at {LARGE}": none | {name: LARGE} for name in parts.NAMES},
    }


def _artists(folder: Path) -> Report:
    clips = training_clips(folder)
    settings = _settings()
    found = assess(clips, annotated(folder / "annotations", clips), list(settings.values()))
    rows = []
    for name, each in zip(settings, found, strict=True):
        row: list[Cell] = [name, *settings[name].values()]
        for own, alone in zip(each, found[0], strict=True):
            row += [float(np.nanmean(own)), _ahead(own - alone, clips.performers, name)]
        rows.append(tuple(row))
    return Report(
        title="What rhythm and harmony are worth: artists and genres",
        protocol=(
            f"{len(clips)} training clips of {folder.name} with annotated tempo and key, on which "
            f"the weights were chosen: {FOLDS} folds with artists kept apart, seed {SEED}. Genre "
            "precision@10 among the clips that a space was learned from; mean reciprocal rank of "
            "the nearest other clip by the query's artist, among all clips. Hubs corrected."
        ),
        columns=(
            *("likeness", *parts.NAMES),
            *("P@10", "ahead of the vector, 95%", "own artist MRR", "ahead of the vector, 95% "),
        ),
        rows=tuple(rows),
        notes=("Intervals: 95% bootstrap of paired differences, over artists.",),
    )


def _ahead(difference: DoubleArray, groups: NDArray[np.str_], name: str) -> Cell:
    known = np.isfinite(difference)
    if name == "vector alone":
        return None
    low, high = metrics.bootstrap(difference[known], groups[known])
    return f"{low:+.3f} to {high:+.3f}"


def _playlists(data: Path, seeds: Sequence[int]) -> Report:
    raw, songs = playlists.load(data)
    own = np.array([name not in RHYTHM_AND_HARMONY for name in playlists.FEATURES])
    vectors, facets = l2_normalise(playlists.standardised(raw[:, own])), _facets(raw)
    settings = _settings()
    added = {name: parts.of(facets, weights) for name, weights in settings.items()}
    recall: dict[str, list[float]] = {name: [] for name in settings}
    groups = []
    for seed in seeds:
        for playlist, members in enumerate(songs):
            order = np.random.default_rng((seed, playlist)).permutation(members)
            held, shown = order[: playlists.HELD], order[playlists.HELD :]
            cosine = vectors @ l2_normalise(vectors[shown].mean(axis=0)[None])[0]
            groups.append(playlist)
            for name, each in added.items():
                scores = cosine + each @ each[shown].mean(axis=0)
                scores[shown] = -np.inf
                rank = 1 + np.sum(scores[:, None] > scores[held], axis=0)
                recall[name].append(float((rank <= playlists.DEEP).mean()))
    rows: list[tuple[Cell, ...]] = []
    for name, values in recall.items():
        ahead = np.array(values) - np.array(recall["vector alone"])
        rows.append(
            (
                name,
                *settings[name].values(),
                float(np.mean(values)),
                _ahead(ahead, np.array(groups).astype(str), name),
            )
        )
    return Report(
        title="What rhythm and harmony are worth: playlists",
        protocol=(
            f"{len(raw)} songs, {len(songs)} playlists of at least {playlists.LEAST} songs;"
            f" {playlists.HELD} songs of each are held out, seeds {', '.join(map(str, seeds))}; all"
            " songs but those shown are ranked. Standardised features of a streaming service are"
            " the vector; its tempo, key and mode are the parts. Nothing was chosen on these."
        ),
        columns=(
            *("likeness", *parts.NAMES),
            *(f"recall@{playlists.DEEP}", "ahead of the vector, 95%"),
        ),
        rows=tuple(rows),
        notes=(
            "The query is the mean of the songs shown.",
            "Intervals: 95% bootstrap of paired differences, over playlists.",
        ),
    )


def _facets(raw: NDArray[np.float64]) -> dict[str, FloatArray]:
    """Return the facets of songs (n, len(playlists.FEATURES)) by tempo, key and mode."""
    column: Mapping[str, int] = {name: i for i, name in enumerate(playlists.FEATURES)}
    nothing = np.full(len(STATISTIC_NAMES), np.nan, dtype=np.float32)
    tempi, keys, modes = (raw[:, column[name]] for name in ("tempo", "key", "mode"))
    return {
        "rhythm": np.stack(
            [place.rhythm(Rhythm(tempo, 1.0, None, 0.5, ()), nothing) for tempo in tempi.tolist()]
        ),
        "harmony": np.stack(
            [
                place.harmony(
                    Harmony(PITCH_CLASSES[int(key)], "major" if major else "minor", 1.0, 0.0),
                    nothing,
                )
                for key, major in zip(keys.tolist(), modes.tolist(), strict=True)
            ]
        ),
    }
