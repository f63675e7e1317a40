"""``musrec train closeness``: from which cosine two songs are called close, and very close.

The shipped spaces have seen the training clips, so their cosines are too good there. Instead each
clip is placed by a space of the shipped recipe that never saw its artist (cross-validation), and
compared with all other clips, as a new song is with a catalogue. The chance that two songs share an
artist or a genre is a logistic function of their cosine (J. Platt, "Probabilistic outputs for
support vector machines", 1999), fitted to the pairs within one half of the artists. The pairs
within the other half are left to `musrec.evaluate.closeness`.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
from sklearn.linear_model import LogisticRegression

from musrec.recommend import closeness
from musrec.recommend.closeness import Thresholds
from musrec.recommend.taste import l2_normalise
from musrec.space import Space, inputs
from musrec.train.space import FOLDS, SEED, Recipe, fit, folds, matrix, training_clips

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from musrec.evaluate.tables import Tables
    from musrec.model import FloatArray

OUT = Path(closeness.__file__).with_name(closeness.FILE)


def placed(name: inputs.Name, clips: Tables) -> Iterator[tuple[NDArray[np.intp], FloatArray]]:
    """Yield rows held out, each clip once, and the unit vectors (n, d) of all clips.

    They lie in a space that was learned without the artists of the rows held out.
    """
    made, x = Space.load(name).made, matrix(name, clips)
    recipe = Recipe(made["shrinkage"], made["share"])
    for train, held in folds(clips.genres, clips.performers, seeds=1):
        space = fit(name, x[train], clips.genres[train], recipe, made)
        yield held, l2_normalise(space.project(x))


def likenesses(name: inputs.Name, clips: Tables) -> FloatArray:
    """Return the cosine of each clip, placed by a space that never saw its artist, to all (n, n).

    NaN between a clip and itself.
    """
    found = np.empty((len(clips), len(clips)), np.float32)
    for held, vectors in placed(name, clips):
        found[held] = vectors[held] @ vectors.T
    np.fill_diagonal(found, np.nan)
    return found


def halves(clips: Tables) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows to fit to and the rows to measure on, without a common artist."""
    return next(folds(clips.genres, clips.performers, n=2, seeds=1))


def akin(clips: Tables, others: Tables) -> NDArray[np.bool_]:
    """Return which clips share an artist or a genre with which others, shape (n, m)."""
    artist = clips.performers[:, None] == others.performers
    return np.asarray(artist | (clips.genres[:, None] == others.genres))


def fitted(likeness: FloatArray, related: NDArray[np.bool_]) -> Thresholds:
    """Fit the thresholds to pairs of clips.

    Parameters
    ----------
    likeness : FloatArray, shape (n, n)
        From `likenesses`.
    related : array of bool, shape (n, n)
        From `akin`.
    """
    known = np.isfinite(likeness)
    model = LogisticRegression(C=np.inf)
    model.fit(likeness[known][:, None].astype(np.float64), related[known])
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])

    def least(chance: float) -> float:
        return round((math.log(chance / (1 - chance)) - intercept) / slope, 3)

    return Thresholds(least(closeness.CLOSE), least(closeness.VERY_CLOSE))


def write(folder: Path, out: Path = OUT) -> Path:
    """Fit the thresholds of both spaces to tables of training clips, and write them.

    Parameters
    ----------
    folder : Path
        Tables as `musrec.evaluate.tables` reads them, with a split ``train``.
    """
    clips = training_clips(folder)
    rows, _ = halves(clips)
    half = clips.rows(rows)
    spaces = {
        name: fitted(likenesses(name, clips)[np.ix_(rows, rows)], akin(half, half))._asdict()
        for name in get_args(inputs.Name)
    }
    made = (
        f"musrec train closeness: {len(rows)} of {len(clips)} training clips of {folder.name}, "
        f"a half of the artists; {FOLDS} folds with artists kept apart, seed {SEED}; cosines at "
        f"which the chance of a common artist or genre is {closeness.CLOSE} and "
        f"{closeness.VERY_CLOSE}"
    )
    out.write_text(json.dumps({"made": made, "spaces": spaces}, indent=2) + "\n", "utf-8")
    return out
