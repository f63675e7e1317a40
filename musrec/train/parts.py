"""``musrec train parts``: how much rhythm and harmony count beside the vector.

Chosen on the training clips alone, with tempi and keys that people annotated, by cross-validation
with artists kept apart: the largest at which neither the genre precision@10 nor the rank of an
unseen artist's other songs falls below that of the vector alone. No weight is below `LEAST`, so
that a tempo or a key that two songs share is never without effect.
"""

from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musrec.evaluate import metrics
from musrec.evaluate.report import Report
from musrec.model import Harmony, MusrecError, NotFound, Rhythm
from musrec.space import Index, Space, parts, place
from musrec.train.space import FOLDS, SEED, Recipe, fit, folds, matrix, own_artist, training_clips

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from musrec.evaluate.tables import Tables
    from musrec.model import FloatArray
    from musrec.space.inputs import DoubleArray

OUT = Path(parts.__file__).with_name(parts.FILE)
LEAST = 0.02
GRID = (LEAST, 0.03, 0.04, 0.05, 0.07, 0.1)


class Found(NamedTuple):
    """Quality with some weights by cross-validation, per clip; NaN where it cannot be measured.

    Attributes
    ----------
    precision : array, shape (n,)
        Genre precision@10 among the clips that the space was learned from.
    own_artist : array, shape (n,)
        Reciprocal rank, among all clips, of the nearest other clip by the same artist.
    """

    precision: DoubleArray
    own_artist: DoubleArray


def annotated(folder: Path, clips: Tables) -> dict[str, FloatArray]:
    """Return the facets ``rhythm`` and ``harmony`` of clips by their annotated tempo and key.

    Parameters
    ----------
    folder : Path
        With ``tempo.tsv`` (``clip``, ``bpm``) and ``key_lerch.tsv`` (``clip``, ``key``).
    """
    tempi, keys = annotation_tables(folder)
    nothing = np.full(clips.statistics.shape[1], np.nan, dtype=np.float32)
    rhythm, harmony = [], []
    for clip in clips.clips.tolist():
        tempo = float(tempi.get(clip) or 0)
        tonic, _, mode = keys.get(clip, "").partition(" ")
        rhythm.append(place.rhythm(Rhythm(tempo, 1.0, None, 0.5, ()), nothing))
        harmony.append(place.harmony(Harmony(tonic, mode, 1.0, 0.0), nothing))
    return {"rhythm": np.stack(rhythm), "harmony": np.stack(harmony)}


def annotation_tables(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the annotated tempo and key of clips; an empty key is not known."""
    return _column(folder / "tempo.tsv", "bpm"), _column(folder / "key_lerch.tsv", "key")


def _column(path: Path, name: str) -> dict[str, str]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return {row["clip"]: row[name] for row in csv.DictReader(stream, delimiter="\t")}
    except FileNotFoundError:
        raise NotFound(f"There is no {path}.", "Name the folder that holds gtzan.") from None
    except (OSError, UnicodeDecodeError, KeyError) as error:
        raise MusrecError(f"{path} cannot be read: it needs clip and {name} ({error}).") from None


def assess(
    clips: Tables, facets: Mapping[str, FloatArray], weights: Sequence[Mapping[str, float]]
) -> list[Found]:
    """Cross-validate several weights in the full space, with artists kept apart."""
    made, x, performers = Space.load("full").made, matrix("full", clips), clips.performers
    recipe, n = Recipe(made["shrinkage"], made["share"]), len(clips)
    out = [Found(np.full(n, np.nan), np.full(n, np.nan)) for _ in weights]
    added = [parts.of(facets, each) for each in weights]
    for train, held in folds(clips.genres, performers, seeds=1):
        space = fit("full", x[train], clips.genres[train], recipe, made)
        vectors = space.project(x)
        for found, own in zip(out, added, strict=True):
            far = _far(vectors, own, held, train)
            near = metrics.nearest(far, 10, performers[train], performers[held])
            found.precision[held] = metrics.precision_at_k(
                near, clips.genres[train], clips.genres[held]
            )
            far = _far(vectors, own, held, np.arange(n))
            far[np.arange(len(held)), held] = np.inf
            found.own_artist[held] = own_artist(far, performers, performers[held])
    return out


def _far(
    vectors: FloatArray, own: FloatArray, queries: NDArray[np.intp], among: NDArray[np.intp]
) -> DoubleArray:
    index = Index(vectors[among], parts=own[among])
    return np.stack(
        [1 - index.similarities(vectors[q], None, own[q]).astype(np.float64) for q in queries]
    )


def choose(
    clips: Tables, facets: Mapping[str, FloatArray]
) -> tuple[dict[str, float], list[tuple[dict[str, float], Found]]]:
    """Return the weights to ship, and the quality of all that were tried, without parts first."""
    tried = [
        dict(zip(parts.NAMES, each, strict=True))
        for each in [(0.0, 0.0), *itertools.product(GRID, repeat=len(parts.NAMES))]
    ]
    found = list(zip(tried, assess(clips, facets, tried), strict=True))
    least = _means(found[0][1])
    good = [
        weights
        for weights, each in found[1:]
        if all(mean >= low for mean, low in zip(_means(each), least, strict=True))
    ]
    best = max(good, key=lambda weights: sum(weights.values()), default=found[1][0])
    return best, found


def _means(found: Found) -> tuple[float, float]:
    return float(np.nanmean(found.precision)), float(np.nanmean(found.own_artist))


def train(folder: Path, out: Path = OUT) -> Report:
    """Choose the weights on a folder of tables with annotations, write them, and report.

    Parameters
    ----------
    folder : Path
        Tables as `musrec.evaluate.tables` reads them, with a split ``train`` and a folder
        ``annotations``.
    """
    clips = training_clips(folder)
    best, tried = choose(clips, annotated(folder / "annotations", clips))
    made = (
        f"musrec train parts: {len(clips)} training clips of {folder.name} with annotated tempo "
        f"and key, {FOLDS} folds with artists kept apart, seed {SEED}"
    )
    out.write_text(json.dumps({"made": made, "weights": best}, indent=2) + "\n", "utf-8")
    return Report(
        title="Weights of rhythm and harmony",
        protocol=(
            f"{made}. Genre precision@10 among the clips that a space was learned from, and mean "
            "reciprocal rank of the nearest other clip by the query's artist among all clips; hubs "
            f"corrected. Chosen: {', '.join(f'{n} {w}' for n, w in best.items())}, the largest sum "
            "at which neither falls below that of the vector alone."
        ),
        columns=(*parts.NAMES, "P@10", "own artist MRR", "chosen"),
        rows=tuple(
            (*weights.values(), *_means(each), "yes" if weights == best else "")
            for weights, each in tried
        ),
    )
