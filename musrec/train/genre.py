"""``musrec train genre``: the genre head, its temperature and the threshold of "unsure".

Two linear classifiers that err differently are averaged: shrinkage linear discriminant analysis on
all inputs, and multinomial logistic regression on the roots of the tag means (on all inputs where
there are no tags). The mean of their logits is again one linear map. Strength, shrinkage,
temperature and threshold come from artist-disjoint cross-validation on the training clips.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression

from musrec.evaluate import metrics
from musrec.evaluate.report import Report
from musrec.space import GenreHead, inputs
from musrec.space.genre import softmax
from musrec.space.place import FORMAT
from musrec.train.space import (
    FOLDS,
    MODELS,
    REPEATS,
    SEED,
    SOURCES,
    folds,
    matrix,
    scaling,
    training_clips,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from musrec.evaluate.tables import Tables
    from musrec.space.inputs import DoubleArray

SURE = 0.85
"""Share of named genres that must be right in cross-validation; it sets the threshold."""

_STRENGTHS = (0.003, 0.01, 0.03, 0.1)
_SHRINKAGES = (0.3, 0.5, 0.7)
_TEMPERATURES = np.geomspace(0.2, 10, 60)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is chosen by cross-validation.

    Attributes
    ----------
    strength : float
        Inverse of the penalty of the logistic regression (scikit-learn's ``C``).
    shrinkage : float
        Of the covariance of the discriminant analysis.
    """

    strength: float
    shrinkage: float


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Answers for clips by unseen artists.

    Attributes
    ----------
    rows : array of int, shape (m,)
        Each clip once per repeat of the cross-validation.
    logits : array, shape (m, 10)
    """

    rows: NDArray[np.intp]
    logits: DoubleArray


def fit(name: inputs.Name, x: DoubleArray, genres: NDArray[np.str_], recipe: Recipe) -> GenreHead:
    """Learn a head from rows of `inputs.matrix`; not calibrated, and never unsure."""
    mean, scale = scaling(x)
    z = inputs.standardised(x, mean, scale)
    names = np.unique(genres)
    weights, bias = np.zeros((z.shape[1], len(names))), np.zeros(len(names))
    everything, roots = slice(None), slice(inputs.N_TAGS, 2 * inputs.N_TAGS)
    for model, part in (
        (LinearDiscriminantAnalysis(solver="eigen", shrinkage=recipe.shrinkage), everything),
        # Balanced: how many clips of a genre were collected says nothing about the next song.
        (
            LogisticRegression(C=recipe.strength, class_weight="balanced", max_iter=5000),
            roots if name == "full" else everything,
        ),
    ):
        model.fit(z[:, part], genres)
        logits = z[:, part] @ model.coef_.T + model.intercept_
        # Both get the same spread: discriminant analysis is far too sure on few clips.
        spread = np.sqrt(np.mean((logits - logits.mean(axis=1, keepdims=True)) ** 2))
        weights[part] += model.coef_.T / (2 * spread)
        bias += model.intercept_ / (2 * spread)
    return GenreHead(name, tuple(names.tolist()), mean, scale, weights, bias, 0.0, {})


def calibrated(head: GenreHead, temperature: float, threshold: float = 0.0) -> GenreHead:
    """Divide a head's logits by a temperature, and set its threshold."""
    return replace(
        head,
        weights=head.weights / temperature,
        bias=head.bias / temperature,
        threshold=threshold,
    )


def cross_validate(name: inputs.Name, clips: Tables, recipe: Recipe) -> Held:
    """Return logits of every training clip, from heads that have not met its artist."""
    x = matrix(name, clips)
    rows, logits = [], []
    for train, held in folds(clips.genres, clips.performers):
        head = fit(name, x[train], clips.genres[train], recipe)
        rows.append(held)
        logits.append(head.logits(x[held]))
    return Held(np.concatenate(rows), np.concatenate(logits))


def log_loss(logits: DoubleArray, truth: NDArray[np.intp]) -> float:
    """Return the mean negative log-probability of the true genres."""
    shares = softmax(logits)[np.arange(len(truth)), truth]
    return float(-np.mean(np.log(np.maximum(shares, 1e-12))))


def temperature(logits: DoubleArray, truth: NDArray[np.intp]) -> float:
    """Return the temperature of the least log-loss."""
    losses = [log_loss(logits / t, truth) for t in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def threshold(top: DoubleArray, right: NDArray[np.bool_]) -> float:
    """Return the least top probability from which at least `SURE` of the answers are right."""
    order = np.argsort(-top, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(top) + 1)
    # In whole hundredths, and not below 0.4, where another genre may well be the right one.
    good = np.flatnonzero(share >= SURE)
    least = top[order][good[-1]] if len(good) else 1.0
    return float(np.ceil(max(least, 0.4) * 100) / 100)


def choose(name: inputs.Name, clips: Tables) -> tuple[Recipe, Held, list[tuple[Recipe, float]]]:
    """Return the recipe with the least log-loss after calibration, its answers, and all losses."""
    truth = np.unique(clips.genres, return_inverse=True)[1]
    best: tuple[float, Recipe, Held] | None = None
    tried = []
    for recipe in itertools.starmap(Recipe, itertools.product(_STRENGTHS, _SHRINKAGES)):
        held = cross_validate(name, clips, recipe)
        at = truth[held.rows]
        loss = log_loss(held.logits / temperature(held.logits, at), at)
        tried.append((recipe, loss))
        if best is None or loss < best[0]:
            best = (loss, recipe, held)
    assert best is not None
    return best[1], best[2], tried


def learn(name: inputs.Name, clips: Tables) -> tuple[GenreHead, dict[str, Any]]:
    """Choose, fit and calibrate a head, and measure it.

    Calibration and measures rest only on answers for unseen artists.

    Returns
    -------
    head : GenreHead
    facts : dict
        Its recipe, and its quality by cross-validation.
    """
    recipe, held, _ = choose(name, clips)
    truth = np.unique(clips.genres, return_inverse=True)[1][held.rows]
    chosen = temperature(held.logits, truth)
    shares = softmax(held.logits / chosen)
    top, right = shares.max(axis=1), shares.argmax(axis=1) == truth
    least = threshold(top, right)
    sure = top >= least
    facts = {
        "strength": recipe.strength,
        "shrinkage": recipe.shrinkage,
        "temperature": round(chosen, 4),
        "threshold": least,
        "accuracy": round(float(right.mean()), 4),
        "calibration_error": round(metrics.calibration_error(top, right), 4),
        "log_loss": round(log_loss(held.logits / chosen, truth), 4),
        "sure": round(float(sure.mean()), 4),
        "accuracy_where_sure": round(float(right[sure].mean()), 4),
    }
    head = fit(name, matrix(name, clips), clips.genres, recipe)
    return calibrated(head, chosen, least), facts


def train(folder: Path, out: Path = MODELS, *, today: datetime | None = None) -> Report:
    """Choose, learn and write both heads with their model cards.

    Parameters
    ----------
    folder : Path
        Tables as `musrec.evaluate.tables` reads them, with a split ``train``.
    out : Path
        Folder of the shipped numbers.
    today : datetime, optional
        Written into the files.
    """
    clips = training_clips(folder)
    rows = []
    for name in get_args(inputs.Name):
        head, known = learn(name, clips)
        facts = {
            "format": FORMAT,
            "columns": list(inputs.names(name)),
            "genres": list(head.genres),
            "command": "musrec train genre",
            "date": f"{today or datetime.now(UTC):%Y-%m-%d}",
            "clips": len(clips),
            "seed": SEED,
            **known,
        }
        write(
            out / f"genre-{name}.npz",
            facts,
            mean=head.mean,
            scale=head.scale,
            weights=head.weights,
            bias=head.bias,
        )
        (out / f"genre-{name}.md").write_text(_card(name, facts), encoding="utf-8")
        rows.append((name, *known.values()))
    return Report(
        title="Genre head",
        protocol=(
            f"{len(clips)} training clips of {folder}; {FOLDS} folds with artists kept apart, "
            f"{REPEATS} times, seeds from {SEED}; the recipe with the least log-loss."
        ),
        columns=("head", *known),
        rows=tuple(rows),
        notes=(f"Written to {out}.",),
    )


def _card(name: inputs.Name, facts: Mapping[str, Any]) -> str:
    what, roots = (
        ("50 tag means, their roots and 105 librosa statistics", "roots of the tag means only")
        if name == "full"
        else (
            "105 librosa statistics and 18 measures of tonnetz, for machines without the tagger",
            "same inputs",
        )
    )
    return f"""\
# The genre head `{name}`

Ten genres ({", ".join(facts["genres"])}) with probabilities, from {what}.

## Made
By `{facts["command"]}` on {facts["date"]}, seed {facts["seed"]}.

{SOURCES.format(**facts)}
## How
The mean of the logits of a linear discriminant analysis (shrinkage {facts["shrinkage"]}) and of a
logistic regression on the {roots} (C = {facts["strength"]}, balanced), each scaled to the same
spread: one linear map and a softmax.
Strength, shrinkage, temperature and threshold were chosen by artist-disjoint cross-validation on
these clips: on answers for artists that the head had not met.

## How good
By the same cross-validation ({FOLDS} folds, {REPEATS} times), so slightly flattered by the choice:

| measure | value |
| --- | --- |
| accuracy | {facts["accuracy"]:.3f} |
| expected calibration error, 10 bins | {facts["calibration_error"]:.3f} |
| log-loss | {facts["log_loss"]:.3f} |
| named at a probability of {facts["threshold"]:.2f} or more, else "unsure" | {facts["sure"]:.1%} |
| accuracy where named | {facts["accuracy_where_sure"]:.3f} |

`musrec evaluate genre` measures it against baselines, with intervals, on any tables.

## Limits
Ten genres as one person collected them before 2002, some with few artists (four in blues). The
probabilities are calibrated for songs of these genres only: anything else gets the nearest of them,
and ambient electronic music is called classical with high confidence. The genre that a catalogue
states for a song is kept apart from the one that is heard.
"""
