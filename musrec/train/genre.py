"""``musrec train genre``: the genre head, its temperature and the threshold of "unsure".

Two linear classifiers that err differently are averaged: shrinkage linear discriminant analysis on
all inputs, and multinomial logistic regression on the roots of the tag means (on all inputs where
there are no tags). The mean of their logits is again one linear map. Strength, shrinkage,
temperature and threshold come from artist-disjoint cross-validation on the training clips.

"Unsure" has two causes: no genre is likely enough, or the song is far from all training clips. Both
bounds are chosen together, from songs by unmet artists and from songs of an unmet genre: each genre
in turn is left out of the training. The pair is taken that balances best: by which the smaller of
two shares is largest, that of the former whose genre is named rightly, and that of the latter for
which it is unsure. The distance is the one that tells the two apart best, by the area under the ROC
curve. No other music takes part in either choice.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from musrec.evaluate import metrics
from musrec.evaluate.report import Report
from musrec.space import GenreHead, inputs
from musrec.space.genre import distance, softmax
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
"""Share of named genres that must be right in cross-validation. Decided."""

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
    far : array, shape (m,)
        `GenreHead.far` from the clips that the head was made from.
    """

    rows: NDArray[np.intp]
    logits: DoubleArray
    far: DoubleArray


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
    return GenreHead(name, tuple(names.tolist()), mean, scale, weights, bias, 0.0, np.inf, {})


def calibrated(
    head: GenreHead, temperature: float, threshold: float = 0.0, limit: float = np.inf
) -> GenreHead:
    """Divide a head's logits by a temperature, and set what it names."""
    return replace(
        head,
        weights=head.weights / temperature,
        bias=head.bias / temperature,
        threshold=threshold,
        limit=limit,
    )


def cross_validate(name: inputs.Name, clips: Tables, recipe: Recipe) -> Held:
    """Return logits of every training clip, from heads that have not met its artist."""
    x = matrix(name, clips)
    rows, logits, far = [], [], []
    for train, held in folds(clips.genres, clips.performers):
        head = fit(name, x[train], clips.genres[train], recipe)
        rows.append(held)
        logits.append(head.logits(x[held]))
        far.append(head.far(x[held], x[train]))
    return Held(np.concatenate(rows), np.concatenate(logits), np.concatenate(far))


def novel(name: inputs.Name, clips: Tables, recipe: Recipe) -> Held:
    """Return the same of clips of a genre that the head has not met; logits of the nine others."""
    x, rows, logits, far = matrix(name, clips), [], [], []
    for genre in np.unique(clips.genres):
        new = clips.genres == genre
        head = fit(name, x[~new], clips.genres[~new], recipe)
        rows.append(np.flatnonzero(new))
        logits.append(head.logits(x[new]))
        far.append(head.far(x[new], x[~new]))
    return Held(np.concatenate(rows), np.concatenate(logits), np.concatenate(far))


def apart(name: inputs.Name, clips: Tables) -> dict[str, float]:
    """Return how well distances in some inputs tell songs of an unmet genre from others.

    The area under the ROC curve, over all genres left out in turn and all artists held out of the
    nine others: 1 if every song of the unmet genre is farther off, 0.5 by chance.
    """
    n = inputs.N_TAGS
    parts = {"all inputs": slice(None)}
    if name == "full":
        parts |= {"tag means": slice(n), "roots of the tag means": slice(n, 2 * n)}
    x, new = matrix(name, clips), []
    far: dict[str, list[DoubleArray]] = {part: [] for part in parts}
    for genre in np.unique(clips.genres):
        unmet, met = (np.flatnonzero((clips.genres == genre) == which) for which in (True, False))
        for train, held in folds(clips.genres[met], clips.performers[met], seeds=1):
            asked = np.concatenate([met[held], unmet])
            scale = scaling(x[met[train]])
            z, known = (inputs.standardised(x[at], *scale) for at in (asked, met[train]))
            new.append(np.isin(asked, unmet))
            for part, columns in parts.items():
                far[part].append(distance(z[:, columns], known[:, columns]))
    truth = np.concatenate(new)
    return {
        part: round(float(roc_auc_score(truth, np.concatenate(each))), 3)
        for part, each in far.items()
    }


def log_loss(logits: DoubleArray, truth: NDArray[np.intp]) -> float:
    """Return the mean negative log-probability of the true genres."""
    shares = softmax(logits)[np.arange(len(truth)), truth]
    return float(-np.mean(np.log(np.maximum(shares, 1e-12))))


def temperature(logits: DoubleArray, truth: NDArray[np.intp]) -> float:
    """Return the temperature of the least log-loss."""
    losses = [log_loss(logits / t, truth) for t in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmin(losses))])


class Bounds(NamedTuple):
    """What a song must keep to get the name of a genre.

    Attributes
    ----------
    threshold : float
        Least probability.
    limit : float
        Largest distance from the training clips.
    """

    threshold: float
    limit: float

    def named(self, top: DoubleArray, far: DoubleArray) -> NDArray[np.bool_]:
        """Return which songs (n,) are named, given their top probabilities and distances."""
        named: NDArray[np.bool_] = (top >= self.threshold) & (far <= self.limit)
        return named


def bounds(
    top: DoubleArray, far: DoubleArray, right: NDArray[np.bool_], new: tuple[DoubleArray, ...]
) -> Bounds:
    """Return the bounds that balance best, of those by which `SURE` of all names are right.

    Parameters
    ----------
    top, far, right : array, shape (m,)
        Top probability, distance and whether it is right, of songs by unmet artists.
    new : pair of array, shape (k,)
        Top probability and distance of songs of an unmet genre.
    """
    best, most = Bounds(1.0, 0.0), 0.0
    # Whole hundredths, and not below 0.4, where another genre may well be the right one.
    for threshold, share in itertools.product(range(40, 100), range(50, 101)):
        pair = Bounds(threshold / 100, math.ceil(100 * np.quantile(far, share / 100)) / 100)
        named = pair.named(top, far)
        balance = min((named & right).mean(), 1 - pair.named(*new).mean())
        if balance > most and right[named].mean() >= SURE:
            best, most = pair, float(balance)
    return best


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
    new = novel(name, clips, recipe)
    unmet = softmax(new.logits / chosen).max(axis=1), new.far
    pair = bounds(top, held.far, right, unmet)
    sure = pair.named(top, held.far)
    facts = {
        "strength": recipe.strength,
        "shrinkage": recipe.shrinkage,
        "temperature": round(chosen, 4),
        **pair._asdict(),
        "accuracy": round(float(right.mean()), 4),
        "calibration_error": round(metrics.calibration_error(top, right), 4),
        "log_loss": round(log_loss(held.logits / chosen, truth), 4),
        "sure": round(float(sure.mean()), 4),
        "accuracy_where_sure": round(float(right[sure].mean()), 4),
        "sure_of_new_genres": round(float(pair.named(*unmet).mean()), 4),
    }
    head = fit(name, matrix(name, clips), clips.genres, recipe)
    return calibrated(head, chosen, *pair), facts


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
            "apart": apart(name, clips),
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
    what, roots, near = (
        (
            "50 tag means, their roots and 105 librosa statistics",
            "roots of the tag means only",
            " (the roots of the tag means: of those below, the best to know an unmet genre by)",
        )
        if name == "full"
        else (
            "105 librosa statistics and 18 measures of tonnetz, for machines without the tagger",
            "same inputs",
            "",
        )
    )
    told = "\n".join(
        f"| a genre left out, told from the others by the distance in {part}, AUC | {area:.3f} |"
        for part, area in facts["apart"].items()
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
Strength, shrinkage and temperature were chosen by artist-disjoint cross-validation on these clips:
on answers for artists that the head had not met. A genre is named if it is likely enough and the
song is near enough to these clips: mean Euclidean distance to the nearest five, in standardised
inputs{near}.
Both bounds were chosen together, on the same answers and on those of heads that had not met the
song's genre: they make the smaller of two shares as large as can be, that of the former named
rightly and that of the latter that is unsure, while {SURE:.0%} of all names are right.

## How good
By the same cross-validation ({FOLDS} folds, {REPEATS} times), so slightly flattered by the choice:

| measure | value |
| --- | --- |
| accuracy | {facts["accuracy"]:.3f} |
| expected calibration error, 10 bins | {facts["calibration_error"]:.3f} |
| log-loss | {facts["log_loss"]:.3f} |
| named: probability of {facts["threshold"]:.2f} or more, distance {facts["limit"]:.2f} at most | \
{facts["sure"]:.1%} |
| accuracy where named | {facts["accuracy_where_sure"]:.3f} |
| named of a genre left out of training, always wrongly | {facts["sure_of_new_genres"]:.1%} |
{told}

`musrec evaluate genre` measures it against baselines, with intervals, on any tables.

## Limits
Ten genres as one person collected them before 2002, some with few artists (four in blues). The
probabilities are calibrated for songs of these genres only: anything else that is near enough gets
the nearest of them. The genre that a catalogue
states for a song is kept apart from the one that is heard.
"""
