"""Compares models on one data set: artists kept apart, beside a random split and its leakage."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musrec.evaluate import metrics
from musrec.evaluate.report import Cell, Report
from musrec.lab import classifiers, looking, plots, retrieval, splits
from musrec.lab.model import Fault
from musrec.lab.page import Figure, Section
from musrec.lab.recipe import Recipe
from musrec.model import MusrecError
from musrec.space.place import half_whitening

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.lab.extraction import Measured
    from musrec.lab.recipe import Epoch
    from musrec.lab.splits import Split
    from musrec.lab.training import Trained
    from musrec.model import FloatArray

NETWORKS = ("cnn", "crnn", "resnet", "cnn1d", "transfer")
"""Models that need PyTorch."""

MODELS = ("majority", *classifiers.MODELS, "tags", *NETWORKS)

ON_MELS = ("majority", "cnn", "crnn", "resnet")
"""Models that need mel spectrograms and nothing else."""

Say = Callable[[str], None]
"""Called with a line of progress."""


def silent(_: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Tested:
    """What one model said about every clip that it was tested on.

    Attributes
    ----------
    rows : NDArray of int, shape (t,)
    chances : NDArray of float, shape (t, classes)
    curves : tuple
        One curve of epochs for each fold of a network.
    seconds : float
        Spent on learning, all folds together; for a network also in the runs that it resumed.
    """

    model: str
    rows: NDArray[np.intp]
    chances: NDArray[np.float64]
    classes: tuple[str, ...]
    seconds: float
    curves: tuple[tuple[Epoch, ...], ...] = ()
    best: tuple[int, ...] = ()
    parameters: int | None = None


def installed() -> bool:
    """Return whether PyTorch is installed."""
    from importlib.util import find_spec

    return find_spec("torch") is not None


def need_torch() -> None:
    """Raise `MusrecError` with the line that installs PyTorch, unless it is installed."""
    if not installed():
        raise MusrecError(
            "The networks of the laboratory need PyTorch, which is not installed.",
            "Run `make lab`, or `pip install '.[lab]'` in the folder of this project.",
        )


def known(names: Sequence[str], among: Sequence[str] = MODELS) -> list[str]:
    """Return names of models.

    Raises
    ------
    MusrecError
        One of them is unknown.
    """
    if unknown := [name for name in names if name not in among]:
        raise MusrecError(
            f"There is no model {', '.join(unknown)}.", f"Use some of: {', '.join(among)}."
        )
    return list(names)


def only_mels(models: Sequence[str]) -> bool:
    """Return whether mel spectrograms are all that these models need."""
    return all(name in ON_MELS for name in models)


def device(models: Sequence[str], wanted: str | None = None) -> str:
    """Return where networks learn: the device that is wanted, or CUDA where PyTorch finds one.

    Raises
    ------
    MusrecError
        PyTorch finds no such device.
    """
    if not any(name in NETWORKS for name in models):
        return "cpu"
    need_torch()
    import torch

    found = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
    if wanted is not None and wanted not in found:
        raise MusrecError(f"PyTorch finds no device {wanted!r} here.", f"Use {' or '.join(found)}.")
    return wanted or found[-1]


def tried(
    model: str,
    measured: Measured,
    folds: Sequence[Split],
    recipe: Recipe | None,
    folder: Path,
    features: Sequence[str] = (),
    say: Say = silent,
) -> Tested:
    """Fit a model to each fold and ask it about the fold's test part.

    Parameters
    ----------
    recipe : Recipe or None
        For networks; its `network` is replaced by `model`.
    folder : Path
        Where checkpoints go: a folder inside for each model and fold.
    """
    labels = splits.labels(measured.clips)
    classes = tuple(sorted(set(labels.tolist())))
    rows, chances, curves, best, size = [], [], [], [], None
    seconds = 0.0
    for number, fold in enumerate(folds, start=1):
        if model in NETWORKS:
            need_torch()
            from musrec.lab import training

            if recipe is None:
                raise ValueError("a network needs a recipe")
            said = f"{model}, fold {number} of {len(folds)}"

            def tell(epoch: Epoch, left: float, said: str = said) -> None:
                say(f"{said}, {_progress(epoch, left)}")

            trained = training.train(
                replace(recipe, network=model),
                measured,
                labels,
                fold,
                folder / f"{fold.name}-{model}-{number}",
                tell,
            )
            _, own = training.heard(trained, measured, fold.test)
            named, size = trained.labels, trained.parameters
            seconds += sum(epoch.seconds for epoch in trained.curve)
            curves.append(trained.curve)
            best.append(trained.best)
        else:
            began = time.perf_counter()
            own, named = _classified(model, measured, labels, fold, features, recipe)
            seconds += time.perf_counter() - began
        whole = np.zeros((len(fold.test), len(classes)))
        whole[:, [classes.index(name) for name in named]] = own
        rows.append(fold.test)
        chances.append(whole)
        say(f"{model}: fold {number} of {len(folds)} done")
    return Tested(
        model,
        np.concatenate(rows),
        np.concatenate(chances),
        classes,
        seconds,
        tuple(curves),
        tuple(best),
        size,
    )


def _classified(
    model: str,
    measured: Measured,
    labels: NDArray[np.str_],
    fold: Split,
    features: Sequence[str],
    recipe: Recipe | None,
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    seed = recipe.seed if recipe else 0
    if model == "majority":
        names, counts = np.unique(labels[fold.train], return_counts=True)
        return np.tile(counts / counts.sum(), (len(fold.test), 1)), tuple(map(str, names))
    wanted, kind = (("tags",), "lr") if model == "tags" else (tuple(features), model)
    return classifiers.probabilities(kind, classifiers.inputs(measured, wanted), labels, fold, seed)


def compared(
    measured: Measured,
    models: Sequence[str],
    recipe: Recipe | None,
    folder: Path,
    *,
    split: str | None = None,
    folds: int = splits.FOLDS,
    leakage: bool = True,
    features: Sequence[str] = (),
    seed: int = 0,
    say: Say = silent,
) -> tuple[Section, ...]:
    """Test models on splits, and beside folds of artists on random folds too.

    Parameters
    ----------
    leakage : bool
        False leaves out the random folds, which take as long again.

    Returns
    -------
    tuple of Section
        The comparison, the differences between models, one section per model, what was left out.

    Raises
    ------
    MusrecError
        A model cannot be fitted here.
    """
    rows, faults = splits.usable(measured.clips)
    faults = [*measured.faults, *faults]
    measured = measured.rows(rows.tolist())
    apart, more = splits.chosen(measured.clips, split, seed, folds)
    faults += more
    tested = {name: tried(name, measured, apart, recipe, folder, features, say) for name in models}
    loose = {}
    if leakage and apart[0].name == "artists":
        anyhow = splits.random(measured.clips, seed, folds)
        loose = {
            name: tried(name, measured, anyhow, recipe, folder, features, say) for name in models
        }
    return (
        Section(_table(measured, apart, tested, loose)),
        *((Section(_differences(measured, tested)),) if len(tested) > 1 else ()),
        *(_details(measured, each) for each in tested.values()),
        Section(_left_out(faults)),
    )


def stated(measured: Measured, split: str | None, seed: int, folds: int | None = None) -> str:
    """Return what a report says of its split; without `folds`, of the first fold alone."""
    rows, _ = splits.usable(measured.clips)
    clips = measured.rows(rows.tolist()).clips
    found, _ = splits.chosen(clips, split, seed, folds or splits.FOLDS)
    return splits.stated(found if folds else found[:1])


def _table(
    measured: Measured,
    folds: Sequence[Split],
    tested: dict[str, Tested],
    loose: dict[str, Tested],
) -> Report:
    artists = splits.groups(measured.clips)
    rows: list[tuple[Cell, ...]] = []
    for name, each in tested.items():
        right = _right(measured, each)
        low, high = metrics.bootstrap(right, artists[each.rows])
        top = each.chances.max(axis=1)
        anyhow = float(_right(measured, loose[name]).mean()) if name in loose else None
        epochs = [epoch.seconds for curve in each.curves for epoch in curve]
        rows.append(
            (
                name,
                float(right.mean()),
                f"{low:.3f} to {high:.3f}",
                _macro_recall(measured, each),
                anyhow,
                None if anyhow is None else anyhow - float(right.mean()),
                metrics.calibration_error(top, right),
                each.parameters,
                f"{np.mean(epochs):.2f}" if epochs else None,
                f"{each.seconds:.1f}",
            )
        )
    unknown = sum(not clip.artist for clip in measured.clips)
    return Report(
        "Models",
        f"{len(measured)} clips, {len(set(artists.tolist()))} artists, "
        f"{len(set(splits.labels(measured.clips).tolist()))} labels; {splits.stated(folds)}. "
        "Intervals: 95% bootstrap over whole artists.",
        (
            *("model", "accuracy", "95% CI", "macro recall", "random split", "gap", "ECE"),
            *("parameters", "s per epoch", "s in all"),
        ),
        tuple(rows),
        (
            f"{unknown} clips of unknown artist count as one artist each."
            if unknown
            else "The artist of every clip is known.",
            *((_GAP,) if loose else ()),
            "ECE: expected calibration error of the top label, in ten bins.",
            *_undecided(measured, tuple(tested)),
        ),
    )


_GAP = "Gap: accuracy on random folds minus accuracy with artists kept apart."

FULL = {"gtzan": 900, "fma": 7_000}
"""Clips from which on a data set counts as whole; FMA's smallest has 8,000."""


def _undecided(measured: Measured, models: Sequence[str]) -> tuple[str, ...]:
    """Return the sentence that a small data set decides nothing, with the command that would."""
    if len(measured) >= FULL.get(measured.layout, math.inf):
        return ()
    said = (
        f"{len(measured)} clips do not decide which model is best, nor for which genre. Only full "
        "GTZAN (1,000 clips) or FMA does: "
        f"musrec lab compare FOLDER --models {','.join(models)}"
    )
    return (said,)


def _differences(measured: Measured, tested: dict[str, Tested]) -> Report:
    artists = splits.groups(measured.clips)
    rows: list[tuple[Cell, ...]] = []
    for (one, first), (other, second) in combinations(tested.items(), 2):
        gain = _right(measured, first) - _right(measured, second)
        low, high = metrics.bootstrap(gain, artists[first.rows])
        better = one if low > 0 else other if high < 0 else "undecided"
        rows.append((one, other, float(gain.mean()), f"{low:+.3f} to {high:+.3f}", better))
    return Report(
        "Differences",
        "Accuracy of the first model minus that of the second on the same clips. Intervals: 95% "
        "paired bootstrap over whole artists.",
        ("first", "second", "difference", "95% CI", "better"),
        tuple(rows),
        ("Undecided: the interval holds 0.", "The intervals are not corrected for their number."),
    )


def _right(measured: Measured, tested: Tested) -> NDArray[np.float64]:
    said = np.array(tested.classes)[tested.chances.argmax(axis=1)]
    return np.asarray(said == splits.labels(measured.clips)[tested.rows], np.float64)


def _macro_recall(measured: Measured, tested: Tested) -> float:
    right, truth = _right(measured, tested), splits.labels(measured.clips)[tested.rows]
    return float(np.mean([right[truth == name].mean() for name in set(truth.tolist())]))


def _details(measured: Measured, tested: Tested) -> Section:
    truth = splits.labels(measured.clips)[tested.rows]
    places = np.array([tested.classes.index(name) for name in truth.tolist()])
    said = tested.chances.argmax(axis=1)
    n = len(tested.classes)
    matrix = np.zeros((n, n))
    np.add.at(matrix, (places, said), 1)
    hits, given, named = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    rows = tuple(
        (
            label,
            int(given[i]),
            float(hits[i] / named[i]) if named[i] else None,
            float(hits[i] / given[i]) if given[i] else None,
            float(2 * hits[i] / (given[i] + named[i])) if given[i] + named[i] else None,
        )
        for i, label in enumerate(tested.classes)
    )
    figures = [
        Figure(
            "Percent of each row: the truth, and what was said.",
            plots.confusion(matrix, tested.classes),
        )
    ]
    if tested.model != "majority":
        top = tested.chances.max(axis=1)
        drawn = plots.calibration(top, said == places)
        figures.append(Figure("How often the first guess was right, by how sure it was.", drawn))
    for number, (curve, best) in enumerate(zip(tested.curves, tested.best, strict=True), start=1):
        series = [
            ("training loss", [epoch.loss for epoch in curve]),
            ("validation loss", [epoch.valid_loss for epoch in curve]),
            ("validation accuracy", [epoch.valid_accuracy for epoch in curve]),
        ]
        drawn = plots.lines(series, x="epoch", y="loss and accuracy", marked=best)
        figures.append(Figure(f"Fold {number}; the network of epoch {best} is kept.", drawn))
    report = Report(
        tested.model,
        "What it said about the clips that it was tested on.",
        ("label", "clips", "precision", "recall", "F1"),
        rows,
    )
    return Section(report, tuple(figures))


def _left_out(faults: Sequence[Fault]) -> Report:
    reasons: dict[str, list[str]] = {}
    for fault in faults:
        reasons.setdefault(fault.reason, []).append(fault.what)
    rows = tuple(
        (reason, len(names), ", ".join(names[:5]) + (" ..." if len(names) > 5 else ""))
        for reason, names in sorted(reasons.items(), key=lambda item: -len(item[1]))
    )
    return Report(
        "Left out",
        "Files and rows that were not used, by reason.",
        ("reason", "how many", "such as"),
        rows,
        () if rows else ("Nothing was left out.",),
    )


def trained_on(
    measured: Measured,
    recipe: Recipe,
    folder: Path,
    *,
    split: str | None = None,
    seed: int = 0,
    say: Say = silent,
) -> tuple[Trained, tuple[Section, ...]]:
    """Train one network on a split or its first fold; return it and its report."""
    need_torch()
    from musrec.lab import training

    rows, faults = splits.usable(measured.clips)
    left_out = [*measured.faults, *faults]
    measured = measured.rows(rows.tolist())
    found, more = splits.chosen(measured.clips, split, seed)
    fold = found[0]
    labels = splits.labels(measured.clips)

    def tell(epoch: Epoch, left: float) -> None:
        say(_progress(epoch, left))

    trained = training.train(recipe, measured, labels, fold, folder, tell)
    _, chances = training.heard(trained, measured, fold.test)
    tested = Tested(
        recipe.network,
        fold.test,
        chances,
        trained.labels,
        sum(epoch.seconds for epoch in trained.curve),
        (trained.curve,),
        (trained.best,),
        trained.parameters,
    )
    table = _table(measured, [fold], {recipe.network: tested}, {})
    return trained, (
        Section(table),
        _details(measured, tested),
        Section(_left_out([*left_out, *more])),
    )


def inspected(measured: Measured) -> tuple[Report, ...]:
    """Return what a data set holds, by label, what was left out, and how its features agree."""
    artists, labels = splits.groups(measured.clips), splits.labels(measured.clips)
    rows: list[tuple[Cell, ...]] = []
    for label in sorted(set(labels.tolist())):
        own = labels == label
        parts = [clip.part for clip in measured.clips if clip.label == label]
        rows.append(
            (
                label,
                int(own.sum()),
                len(set(artists[own].tolist())),
                f"{float(np.median(measured.seconds[own])):.1f}",
                *(parts.count(name) for name in ("train", "valid", "test")),
            )
        )
    unknown = sum(not clip.artist for clip in measured.clips)
    held = Report(
        "Clips",
        f"{len(measured)} clips that can be used, {len(set(artists.tolist()))} artists.",
        ("label", "clips", "artists", "median seconds", "train", "valid", "test"),
        tuple(rows),
        (f"The artist of {unknown} clips is not known.",) if unknown else (),
    )
    agreement = (looking.published_and_measured(measured),) if measured.published_names else ()
    return held, _left_out(measured.faults), *agreement


def _progress(epoch: Epoch, left: float) -> str:
    return (
        f"epoch {epoch.number}: loss {epoch.loss:.3f}, validation accuracy "
        f"{epoch.valid_accuracy:.3f}, at most {left:.0f} s left"
    )


def retrieved(
    measured: Measured,
    network: str | None,
    folder: Path,
    *,
    image_encoder: Path | None = None,
    split: str | None = None,
    epochs: int = 40,
    seed: int = 0,
    device: str = "cpu",
    say: Say = silent,
) -> tuple[Section, ...]:
    """Compare ways to find similar songs; a network is trained first if one is named.

    With a network the queries are the clips that it was tested on, so that it knows none of them.
    Its vectors are compared as they are, and centred and half whitened as the bot does it.
    An image encoder is an ONNX file of `retrieval.image_vectors`.
    """
    rows, faults = splits.usable(measured.clips)
    left_out = [*measured.faults, *faults]
    measured = measured.rows(rows.tolist())
    more: dict[str, FloatArray] = {}
    queries = train = predicted = None
    if image_encoder is not None:
        more["image encoder"] = retrieval.image_vectors(image_encoder, measured.pictures)
    if network is not None:
        need_torch()
        from musrec.lab import training

        fold = splits.chosen(measured.clips, split, seed)[0][0]
        trained = training.train(
            Recipe(network, epochs=epochs, seed=seed, device=device),
            measured,
            splits.labels(measured.clips),
            fold,
            folder / f"retrieve-{network}",
            lambda epoch, left: say(_progress(epoch, left)),
        )
        vectors, chances = training.heard(trained, measured, np.arange(len(measured)))
        learned = np.concatenate([fold.train, fold.valid])
        centre, directions = half_whitening(vectors[learned], vectors.shape[1])
        more[network] = vectors
        more[f"{network}, half whitened"] = ((vectors - centre) @ directions).astype(np.float32)
        predicted = np.array(trained.labels)[chances.argmax(axis=1)]
        queries, train = fold.test, learned
    found = retrieval.compared(measured, more, train=train, queries=queries, predicted=predicted)
    everything = np.arange(len(measured))
    ours = retrieval.systems(measured, everything)["our space"]
    searched = more[network] if network else ours
    return (
        Section(found.precision, looking.side_by_side(measured, found)),
        Section(found.overlap),
        Section(retrieval.trees(searched)),
        Section(_left_out(left_out)),
    )
