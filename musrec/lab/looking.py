"""Pictures of a data set: one per song, galleries, clusters, what is seen and what is measured."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score
from sklearn.preprocessing import StandardScaler

from musrec.evaluate.report import Cell, Report
from musrec.lab import extraction, plots, splits
from musrec.lab.page import Figure, Section
from musrec.model import MusrecError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.lab.extraction import Measured

THUMB = 160
"""Side of one picture in a gallery, pixels."""

SEEN = {
    "brightness": "spectral_centroid_mean",
    "density": "rms_mean",
    "texture": "spectral_flatness_mean",
    "movement": "onset_strength_mean",
}
"""What is seen in a spectrogram, and the statistic that it should go with."""

_UNSAFE = re.compile(r"[^\w.-]+")


def write_spectrograms(measured: Measured, folder: Path) -> tuple[int, int]:
    """Write one PNG of the mel spectrogram per clip; return how many were made and how many kept.

    A picture that is there already is kept, so a run that was stopped goes on.

    Raises
    ------
    MusrecError
        The folder cannot be written.
    """
    made = kept = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for row, clip in enumerate(measured.clips):
            file = folder / f"{_UNSAFE.sub('_', clip.id)}.png"
            if file.is_file():
                kept += 1
                continue
            part = file.with_suffix(".part")
            level = np.clip(1 + np.asarray(measured.mel(row), np.float32).T[::-1] / 80, 0, 1)
            _coloured(level).save(part, "PNG")
            part.replace(file)
            made += 1
    except OSError as error:
        raise MusrecError(
            f"{folder} cannot be written: {error.strerror}.",
            "Make room or name another folder, then run the command again: it goes on.",
        ) from None
    return made, kept


def _coloured(level: NDArray[np.floating]) -> Image.Image:
    """Return a picture of values from 0 to 1, dark to light over blue and orange."""
    stops = np.array([[8, 8, 24], [48, 40, 120], [176, 56, 104], [248, 152, 64], [255, 244, 200]])
    at = level * (len(stops) - 1)
    low = np.minimum(at.astype(int), len(stops) - 2)
    share = (at - low)[..., None]
    return Image.fromarray((stops[low] * (1 - share) + stops[low + 1] * share).astype(np.uint8))


def column(measured: Measured, name: str) -> NDArray[np.float64]:
    """Return the values (n,) of a statistic or of a column of the data set, NaN where unknown.

    Raises
    ------
    MusrecError
        There is no such column; the message names some.
    """
    if name in extraction.NAMES:
        return measured.statistics[:, extraction.NAMES.index(name)].astype(np.float64)
    values = np.array([clip.columns.get(name, np.nan) for clip in measured.clips])
    if np.isfinite(values).any():
        return values
    known = sorted({each for clip in measured.clips for each in clip.columns})
    some = [*known, "spectral_centroid_mean", "rms_mean", "zero_crossing_rate_mean"]
    raise MusrecError(f"There is no column {name!r}.", f"Use one of: {', '.join(some)}, ...")


def high_and_low(measured: Measured, name: str, count: int = 12) -> Section:
    """Return galleries of the clips that are highest and lowest in a column."""
    values = column(measured, name)
    order = np.argsort(values, kind="stable")
    order = order[np.isfinite(values[order])]
    low, high = order[:count], order[::-1][:count]
    seen = _seen(measured)
    rows: list[tuple[Cell, ...]] = [
        (
            said,
            float(values[which].mean()),
            *(float(seen[kind][which].mean()) for kind in ("brightness", "density", "texture")),
        )
        for said, which in (("highest", high), ("lowest", low))
    ]
    report = Report(
        f"High and low {name}",
        f"The {len(high)} clips with the highest and the lowest value.",
        ("clips", name, "brightness seen", "density seen", "texture seen"),
        tuple(rows),
    )
    return Section(
        report,
        (
            Figure(f"Highest {name}", gallery(measured, high)),
            Figure(f"Lowest {name}", gallery(measured, low)),
        ),
    )


def gallery(measured: Measured, rows: Sequence[int] | NDArray[np.intp], across: int = 4) -> bytes:
    """Return a PNG with the pictures of some clips, their names below."""
    line = THUMB + 22
    sheet = Image.new("RGB", (across * (THUMB + 8), -(-len(rows) // across) * line), "#16181d")
    draw = ImageDraw.Draw(sheet)
    for number, row in enumerate(rows):
        left, top = (number % across) * (THUMB + 8) + 4, (number // across) * line
        picture = _coloured(measured.pictures[row][::-1]).resize((THUMB, THUMB))
        sheet.paste(picture, (left, top + 4))
        clip = measured.clips[row]
        draw.text((left, top + THUMB + 6), (clip.title or Path(clip.id).name)[:24], fill="#e8eaee")
    stream = io.BytesIO()
    sheet.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _seen(measured: Measured) -> dict[str, NDArray[np.float64]]:
    """Return what a picture shows by itself: the centre of its light, its mean, its edges."""
    pictures = measured.pictures.astype(np.float64)
    height = np.linspace(0, 1, pictures.shape[1])
    light = pictures.sum(axis=(1, 2))
    return {
        "brightness": (pictures.sum(axis=2) * height).sum(axis=1) / np.maximum(light, 1e-9),
        "density": pictures.mean(axis=(1, 2)),
        "texture": np.abs(np.diff(pictures, axis=1)).mean(axis=(1, 2)),
        "movement": np.abs(np.diff(pictures, axis=2)).mean(axis=(1, 2)),
    }


def seen_and_measured(measured: Measured) -> Report:
    """Return how what is seen in the pictures goes with what is measured in the sound."""
    seen = _seen(measured)
    measures = {kind: column(measured, name) for kind, name in SEEN.items()}
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (kind, *(_rank_correlation(shown, values) for values in measures.values()))
        for kind, shown in seen.items()
    )
    return Report(
        "Seen and measured",
        f"Spearman's rank correlation over {len(measured)} clips between what a spectrogram shows "
        "and what the sound measures.",
        ("seen", *SEEN.values()),
        rows,
    )


def _rank_correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    one, two = (np.argsort(np.argsort(each)).astype(float) for each in (a, b))
    return float(np.corrcoef(one, two)[0, 1])


def clusters(measured: Measured, most: int = 12, seed: int = 0) -> Section:
    """Return k-means clusters of the statistics: the choice of k, a map, their means and names."""
    x = StandardScaler().fit_transform(measured.statistics)
    x = PCA(min(20, *x.shape), random_state=seed).fit_transform(x)
    tried = {}
    for k in range(2, min(most, len(x) - 1) + 1):
        model = KMeans(k, n_init=4, random_state=seed).fit(x)
        tried[k] = (float(silhouette_score(x, model.labels_)), float(model.inertia_), model)
    if not tried:
        raise MusrecError("At least four clips are needed to find clusters.", "Add more music.")
    best = max(tried, key=lambda k: tried[k][0])
    own = tried[best][2].labels_
    labels = splits.labels(measured.clips)
    means = {name: column(measured, name) for name in SEEN.values()}
    rows: list[tuple[Cell, ...]] = []
    names = {}
    for number in range(best):
        inside = own == number
        kinds, counts = np.unique(labels[inside], return_counts=True)
        top = counts.argmax()
        names[number] = f"{number + 1}: {_named(means, inside)}"
        rows.append(
            (
                names[number],
                int(inside.sum()),
                f"{kinds[top]} ({counts[top] / inside.sum():.0%})",
                *(float(values[inside].mean()) for values in means.values()),
            )
        )
    report = Report(
        "Clusters",
        f"k-means on {x.shape[1]} principal components of the statistics, seed {seed}; {best} "
        "clusters have the best silhouette of those tried.",
        ("cluster", "clips", "most frequent label", *means),
        tuple(rows),
        tuple(f"k = {k}: silhouette {score:.3f}" for k, (score, _, _) in tried.items()),
    )
    figures = (
        Figure(
            "Silhouette for two clusters and more.",
            plots.bars([(f"{k} clusters", max(0.0, score)) for k, (score, _, _) in tried.items()]),
        ),
        Figure(
            "The first two principal components.",
            plots.scatter(x[:, :2], [names[n] for n in own], [clip.id for clip in measured.clips]),
        ),
    )
    return Section(report, figures)


def _named(means: dict[str, NDArray[np.float64]], inside: NDArray[np.bool_]) -> str:
    """Name a cluster by what sets it apart most from all clips."""
    words = {
        "spectral_centroid_mean": ("dark", "bright"),
        "rms_mean": ("soft", "loud"),
        "spectral_flatness_mean": ("tonal", "noisy"),
        "onset_strength_mean": ("calm", "driving"),
    }
    apart = {
        name: (values[inside].mean() - values.mean()) / max(float(values.std()), 1e-12)
        for name, values in means.items()
    }
    two = sorted(apart, key=lambda name: -abs(apart[name]))[:2]
    return " and ".join(words[name][int(apart[name] > 0)] for name in two)
