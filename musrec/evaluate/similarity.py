"""``musrec evaluate similarity``: how close songs of one genre, and of one artist, are.

Genre precision@10 with artists kept apart, hubness of the 10-occurrence (D. Schnitzer et al., JMLR
13, 2012), and the rank of an artist's other songs. Measured on songs that the space was not learned
from: against the songs it was learned from, as in the product, and among themselves, which is
harder.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np

from musrec.evaluate import metrics, tables
from musrec.evaluate.genre import FOLDS, interval, starter_tables, statistics, unmeasured
from musrec.evaluate.report import Cell, Report
from musrec.model import NotFound
from musrec.space import Space, inputs
from musrec.space.index import Distance
from musrec.train.space import (
    SEED,
    Recipe,
    dissimilarities,
    fit,
    folds,
    matrix,
    own_artist,
    scaling,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from musrec.evaluate.tables import Tables
    from musrec.model import FloatArray
    from musrec.space.inputs import DoubleArray

K = 10
_FEWEST = 100


class Way(NamedTuple):
    """How vectors are compared.

    Attributes
    ----------
    distance : str
        Of `musrec.space.Index`, or ``"kl"`` for diagonal Gaussians (means, then deviations).
    corrected : bool
        Whether hubs are corrected by mutual proximity.
    """

    distance: Distance | Literal["kl"]
    corrected: bool = False

    def far(self, queries: FloatArray, vectors: FloatArray) -> DoubleArray:
        """Return the dissimilarities, shape (q, n)."""
        if self.distance == "kl":
            return gaussian_divergence(queries, vectors)
        return dissimilarities(queries, vectors, self.distance, corrected=self.corrected)


@dataclass(frozen=True, slots=True)
class System:
    """A method that places songs, and the ways in which its vectors are compared.

    Attributes
    ----------
    name : str
    needs_tags : bool
    ways : tuple of Way
    learn : callable
        Takes the clips to learn from; returns a function from clips to vectors, (n, d).
    """

    name: str
    needs_tags: bool
    ways: tuple[Way, ...]
    learn: Callable[[Tables], Callable[[Tables], FloatArray]]


def systems(*, shipped: bool) -> tuple[System, ...]:
    """Return baselines, then our spaces at every distance: as shipped, or learned again."""
    every_way = tuple(Way(distance, on) for distance in get_args(Distance) for on in (False, True))
    learn = _as_shipped if shipped else _learned_again
    return (
        System("MFCC Gaussians, symmetric KL", False, (Way("kl"),), _gaussians),
        System("147 statistics", False, (Way("euclidean"), Way("cosine")), _scaled_statistics),
        System("50 tags, mean", True, (Way("cosine"),), _tags),
        System("space `statistics`", False, every_way, partial(learn, "statistics")),
        System("space `full`", True, every_way, partial(learn, "full")),
    )


def run(folder: Path | None, default: Path, *, seeds: int = 5) -> Report:
    """Evaluate similarity on a folder of tables.

    Clips that the shipped spaces were made from are cross-validated. All others, whatever their
    split is called, are placed by the shipped spaces.

    Parameters
    ----------
    folder : Path or None
        In the form that `musrec.evaluate.tables` reads.
    default : Path
        Used if there is no `folder`: the tables that the shipped spaces were made from.
    seeds : int
        Repeats of the cross-validation.
    """
    clips = tables.load(folder or default)
    songs = starter_tables()
    known = np.isin(clips.clips, songs.clips)
    seen, unseen = clips.rows(known & clips.tagged & clips.measured), clips.rows(~known)
    rows: list[tuple[Cell, ...]] = []
    if len(seen) >= _FEWEST:
        for system in systems(shipped=False):
            rows += _cross_validated(system, seen, seeds)
    for split in sorted(set(unseen.splits.tolist())):
        part = unseen.rows(unseen.splits == split)
        for system in systems(shipped=True):
            some = part.rows(part.tagged if system.needs_tags else part.measured)
            if len(some) > K:
                rows += _unseen(system, some, songs, split or "other")
    if not rows:
        raise NotFound(f"{clips.folder} has too few clips to measure anything.")
    return Report(
        title="Similarity",
        protocol=(
            f"{len(clips)} clips of {clips.folder.name}, artists kept apart, precision@{K} by "
            f"genre. Cross-validation of the {len(seen)} clips that the shipped spaces were made "
            f"from, {seeds} times, seeds from {SEED}: {FOLDS} folds whose clips are queries to the "
            "others (`P@10`, and the same with random folds), and halves whose clips are ranked "
            f"among themselves (`P@10 among unseen`, hubness). The other {len(unseen)} clips: "
            "queries to the starter catalogue, and ranked among themselves."
        ),
        columns=(
            *("system", "distance", "hubs", "clips", "n", "P@10", "95% CI", "random split", "gap"),
            *("P@10 among unseen", "95% CI (unseen)", "skew", "antihubs", "own artist MRR"),
        ),
        rows=tuple(rows),
        notes=(
            "Hubs: corrected by mutual proximity, as `musrec.space.Index` does by default.",
            "Skew and antihubs: of the 10-occurrence among unseen clips, same artist included.",
            "Own artist: mean reciprocal rank of the nearest song by the query's artist.",
            "MFCC Gaussians are diagonal: the tables have no covariances of MFCC 1 to 12.",
            "Intervals: 95% bootstrap over whole artists.",
            *unmeasured(unseen),
        ),
    )


def gaussian_divergence(queries: FloatArray, vectors: FloatArray) -> DoubleArray:
    """Return the symmetric Kullback-Leibler divergence of diagonal Gaussians, shape (q, n).

    Parameters
    ----------
    queries, vectors : FloatArray, shapes (q, 2 m) and (n, 2 m)
        Means, then deviations (M. Mandel, D. Ellis, "Song-level features and support vector
        machines for music classification", ISMIR 2005).
    """
    m = vectors.shape[1] // 2
    mean_q, mean_n = queries[:, None, :m].astype(float), vectors[None, :, :m].astype(float)
    var_q = np.square(queries[:, None, m:].astype(float)) + 1e-9
    var_n = np.square(vectors[None, :, m:].astype(float)) + 1e-9
    square = np.square(mean_q - mean_n)
    terms = (var_q + square) / var_n + (var_n + square) / var_q - 2
    total: DoubleArray = terms.sum(axis=2) / 4
    return total


def _cross_validated(system: System, clips: Tables, seeds: int) -> list[tuple[Cell, ...]]:
    performers, n = clips.performers, len(clips)
    apart = _folds(system, clips, performers, seeds)
    # If every clip is a group of its own, the split is random and artists are on both sides.
    random = _folds(system, clips, clips.clips, seeds)
    halves: dict[Way, list[_Among]] = {way: [] for way in system.ways}
    among: dict[Way, list[DoubleArray]] = {way: [] for way in system.ways}
    for train, held in folds(clips.genres, performers, n=2, seeds=seeds):
        half = clips.rows(held)
        vectors = system.learn(clips.rows(train))(half)
        for way in system.ways:
            halves[way].append(_among(way.far(vectors, vectors), half))
            among[way].append(_spread(halves[way][-1].precision, held, n))
    rows: list[tuple[Cell, ...]] = []
    for way in system.ways:
        (precision, own), (met, _), unseen = apart[way], random[way], _mean(among[way])
        rows.append(
            (
                *_name(system, way),
                *("cross-validation", n),
                float(precision.mean()),
                interval(precision, performers),
                float(met.mean()),
                float(met.mean() - precision.mean()),
                float(np.nanmean(unseen)),
                interval(unseen, performers),
                float(np.mean([half.skew for half in halves[way]])),
                float(np.mean([half.antihubs for half in halves[way]])),
                float(np.nanmean(own)),
            )
        )
    return rows


def _folds(
    system: System, clips: Tables, groups: NDArray[np.str_], seeds: int
) -> dict[Way, tuple[DoubleArray, DoubleArray]]:
    """Return precision@10 of each held-out clip, and the reciprocal rank of its own artist."""
    performers, n = clips.performers, len(clips)
    precision: dict[Way, list[DoubleArray]] = {way: [] for way in system.ways}
    own: dict[Way, list[DoubleArray]] = {way: [] for way in system.ways}
    for train, held in folds(clips.genres, groups, n=FOLDS, seeds=seeds):
        vectors = system.learn(clips.rows(train))(clips)
        for way in system.ways:
            far = way.far(vectors[held], vectors[train])
            near = metrics.nearest(far, K, np.zeros(len(train)), np.ones(len(held)))
            right = metrics.precision_at_k(near, clips.genres[train], clips.genres[held])
            precision[way].append(_spread(right, held, n))
            everywhere = way.far(vectors[held], vectors)
            everywhere[np.arange(len(held)), held] = np.inf
            ranks = own_artist(everywhere, performers, performers[held])
            own[way].append(_spread(ranks, held, n))
    return {way: (_mean(precision[way]), _mean(own[way])) for way in system.ways}


def _unseen(system: System, clips: Tables, songs: Tables, split: str) -> list[tuple[Cell, ...]]:
    place = system.learn(songs)
    vectors, known = place(clips), place(songs)
    performers = clips.performers
    rows: list[tuple[Cell, ...]] = []
    for way in system.ways:
        near = metrics.nearest(way.far(vectors, known), K, songs.performers, performers)
        precision = metrics.precision_at_k(near, songs.genres, clips.genres)
        everywhere = way.far(vectors, vectors)
        among = _among(everywhere, clips)
        np.fill_diagonal(everywhere, np.inf)
        own = own_artist(everywhere, performers, performers)
        rows.append(
            (
                *_name(system, way),
                *(split, len(clips)),
                float(precision.mean()),
                interval(precision, performers),
                *(None, None),
                float(among.precision.mean()),
                interval(among.precision, performers),
                *(among.skew, among.antihubs),
                float(np.nanmean(own)) if np.isfinite(own).any() else None,
            )
        )
    return rows


class _Among(NamedTuple):
    """Measures of clips ranked among themselves."""

    precision: DoubleArray
    skew: float
    antihubs: float


def _among(far: DoubleArray, clips: Tables) -> _Among:
    near = metrics.nearest(far, K, clips.performers)
    counts = metrics.occurrences(metrics.nearest(far, K), len(clips))
    precision = metrics.precision_at_k(near, clips.genres)
    return _Among(precision, metrics.hubness_skew(counts), metrics.antihubs(counts))


def _name(system: System, way: Way) -> tuple[str, str, str]:
    return system.name, way.distance, "corrected" if way.corrected else "as they are"


def _spread(values: DoubleArray, rows: NDArray[np.intp], n: int) -> DoubleArray:
    spread = np.full(n, np.nan)
    spread[rows] = values
    return spread


def _mean(parts: list[DoubleArray]) -> DoubleArray:
    """Return the mean of each column over its finite values; NaN if there are none."""
    table = np.stack(parts)
    known = np.isfinite(table)
    return np.where(
        known.any(axis=0),
        np.where(known, table, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1),
        np.nan,
    )


def _gaussians(_: Tables) -> Callable[[Tables], FloatArray]:
    columns = [
        inputs.STATISTICS.index(f"mfcc_{i}_{moment}")
        for moment in ("mean", "std")
        for i in range(1, 13)
    ]
    return lambda clips: statistics(clips)[:, columns].astype(np.float32)


def _scaled_statistics(learned_from: Tables) -> Callable[[Tables], FloatArray]:
    mean, scale = scaling(statistics(learned_from))
    return lambda clips: ((statistics(clips) - mean) / scale).astype(np.float32)


def _tags(_: Tables) -> Callable[[Tables], FloatArray]:
    return lambda clips: clips.tag_mean


def _learned_again(name: inputs.Name, learned_from: Tables) -> Callable[[Tables], FloatArray]:
    made = Space.load(name).made
    recipe = Recipe(made["shrinkage"], made["share"])
    space = fit(name, matrix(name, learned_from), learned_from.genres, recipe, made)
    return lambda clips: space.project(matrix(name, clips))


def _as_shipped(name: inputs.Name, _: Tables) -> Callable[[Tables], FloatArray]:
    return lambda clips: Space.load(name).project(matrix(name, clips))
