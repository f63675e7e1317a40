"""``musrec evaluate playlists``: which distance continues a playlist best by sound alone.

Here the audio features of a streaming service stand for the sound; nothing that ships learns from
them.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musrec.evaluate import metrics
from musrec.evaluate.report import Cell, Report
from musrec.model import NotFound
from musrec.recommend.taste import l2_normalise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.model import FloatArray

FEATURES = (
    "danceability",
    "energy",
    "key",
    "loudness",
    "mode",
    "speechiness",
    "acousticness",
    "instrumentalness",
    "liveness",
    "valence",
    "tempo",
)
SEEDS = (0, 1, 2, 3, 4)
HELD = 10
DEEP = 500
LEAST = 30
"""Playlists with fewer songs are left out."""


def run(data: Path, *, seeds: Sequence[int] = SEEDS) -> tuple[Report, ...]:
    """Continue every playlist from all but ten of its songs, by ranking the whole catalogue.

    Parameters
    ----------
    data : Path
        Folder with ``spotify_songs.csv.gz`` (columns of TidyTuesday 2020-01-21), or its parent.
    """
    raw, playlists = load(data)
    features = standardised(raw)
    systems: dict[str, list[tuple[float, float]]] = {}
    groups: list[int] = []
    for seed in seeds:
        for playlist, songs in enumerate(playlists):
            rng = np.random.default_rng((seed, playlist))
            order = rng.permutation(songs)
            held, shown = order[:HELD], order[HELD:]
            groups.append(playlist)
            for name, scores in _scores(features, shown, rng).items():
                scores[shown] = -np.inf
                rank = 1 + np.sum(scores[:, None] > scores[held], axis=0)
                systems.setdefault(name, []).append(
                    (float((rank <= HELD).mean()), float((rank <= DEEP).mean()))
                )
    reference = np.array(systems["Euclidean"])
    rows: list[tuple[Cell, ...]] = []
    for name, values in systems.items():
        found = np.array(values)
        low, high = metrics.bootstrap(found[:, 1], groups)
        ahead = metrics.bootstrap((found - reference)[:, 1], groups)
        rows.append(
            (
                name,
                *map(float, found.mean(axis=0)),
                low,
                high,
                *(ahead if name != "Euclidean" else (None, None)),
            )
        )
    return (
        Report(
            "Continuing playlists by sound",
            f"{len(features)} songs, {len(playlists)} playlists of at least {LEAST} songs; {HELD}"
            f" songs of each are held out, seeds {', '.join(map(str, seeds))}; all songs but those"
            " shown are ranked; 95% bootstrap over playlists, differences to Euclidean paired.",
            (
                "distance",
                f"recall@{HELD}",
                f"recall@{DEEP}",
                "low",
                "high",
                "ahead, low",
                "ahead, high",
            ),
            tuple(rows),
            (
                "Features are standardised; the query is the mean of the songs shown.",
                f"Intervals and differences are those of recall@{DEEP}.",
            ),
        ),
    )


def _scores(
    features: FloatArray, shown: NDArray[np.intp], rng: np.random.Generator
) -> dict[str, FloatArray]:
    query = features[shown].mean(axis=0)
    centred = features - features.mean(axis=1, keepdims=True)
    return {
        "random": rng.random(len(features), np.float32),
        "Euclidean": -np.linalg.norm(features - query, axis=1),
        "cosine": l2_normalise(features) @ l2_normalise(query[None])[0],
        "correlation": l2_normalise(centred) @ l2_normalise((query - query.mean())[None])[0],
    }


def standardised(raw: NDArray[np.float64]) -> FloatArray:
    """Return columns (n, c) less their means, in standard deviations."""
    scaled = (raw - raw.mean(axis=0)) / np.maximum(raw.std(axis=0), 1e-9)
    return np.asarray(scaled, np.float32)


def load(data: Path) -> tuple[NDArray[np.float64], list[NDArray[np.intp]]]:
    """Return the `FEATURES` of every song, (n, c), and the rows of each playlist's songs."""
    places = (data / "spotify_songs.csv.gz", data / "spotify_songs" / "spotify_songs.csv.gz")
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise NotFound(f"No spotify_songs.csv.gz in {data}.", "Name its folder with --data.")
    values: dict[str, list[float]] = {}
    members: dict[str, set[str]] = {}
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            try:
                values.setdefault(row["track_id"], [float(row[name]) for name in FEATURES])
            except (KeyError, TypeError, ValueError):
                continue
            members.setdefault(row["playlist_id"], set()).add(row["track_id"])
    if not values:
        raise NotFound(f"No row of {path} has all of {', '.join(FEATURES)}.")
    rows = {track: row for row, track in enumerate(values)}
    playlists = [
        np.array(sorted(rows[track] for track in tracks), np.intp)
        for _, tracks in sorted(members.items())
        if len(tracks) >= LEAST
    ]
    return np.array(list(values.values()), np.float64), playlists
