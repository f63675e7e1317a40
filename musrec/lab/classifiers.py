"""Feature models on what was measured of each clip: scikit-learn's, with their settings fixed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from musrec.lab import extraction
from musrec.lab.extraction import Measured
from musrec.model import MusrecError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.lab.splits import Split
    from musrec.model import FloatArray


MODELS: Mapping[str, Callable[[int], Any]] = {
    "knn": lambda _: KNeighborsClassifier(5, weights="distance"),
    "lr": lambda seed: LogisticRegression(C=0.05, max_iter=2_000, random_state=seed),
    "svc": lambda seed: CalibratedClassifierCV(SVC(C=3.0, random_state=seed), ensemble=False, cv=3),
    "mlp": lambda seed: MLPClassifier((64,), alpha=1.0, max_iter=300, random_state=seed),
    "boosting": lambda seed: HistGradientBoostingClassifier(
        max_iter=100, max_leaf_nodes=8, random_state=seed
    ),
}
"""Name to a new model with a seed."""


def inputs(measured: Measured, features: Sequence[str] = ()) -> FloatArray:
    """Return the matrix (n, f) that a feature model learns from.

    Parameters
    ----------
    features : sequence of str
        Families of `extraction.FAMILIES`, ``tags`` for what the tagger heard, and ``published`` or
        ``published_mfcc`` and the like for what the data set comes with; all families if none is
        named.

    Raises
    ------
    MusrecError
        A name is unknown, tags are wanted and the tagger was not installed, or the data set
        comes without features.
    """
    given = [name for name in features if name.startswith(extraction.PUBLISHED)]
    families = [name for name in features if name != "tags" and name not in given]
    parts = []
    if families or not features:
        parts.append(measured.statistics[:, extraction.columns(families)])
    if given:
        parts.append(extraction.published(measured, given))
    if "tags" in features:
        if not np.isfinite(measured.tags).all():
            raise MusrecError(
                "The tagger was not installed when these clips were measured.",
                "Run `musrec models install`, then this command again.",
            )
        parts.append(measured.tags)
    return np.concatenate(parts, axis=1)


def probabilities(
    model: str, x: FloatArray, labels: NDArray[np.str_], split: Split, seed: int = 0
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Fit to the training and validation parts; return probabilities (test, classes) and classes.

    Inputs are standardised to the training part.

    Raises
    ------
    MusrecError
        There is no model of that name.
    """
    if model not in MODELS:
        raise MusrecError(f"There is no model {model!r}.", f"Use one of: {', '.join(MODELS)}.")
    known = np.concatenate([split.train, split.valid])
    fitted = make_pipeline(StandardScaler(), MODELS[model](seed))
    fitted.fit(x[known], labels[known])
    return np.asarray(fitted.predict_proba(x[split.test])), tuple(map(str, fitted.classes_))
