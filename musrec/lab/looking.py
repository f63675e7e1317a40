"""Pictures of a data set: one per song, galleries, clusters, sheets; and what they measure."""

from __future__ import annotations

import multiprocessing
import os
import re
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score
from sklearn.preprocessing import StandardScaler

from musrec.audio import decode, features
from musrec.evaluate.report import Cell, Report
from musrec.lab import extraction, plots, splits
from musrec.lab.page import Figure, Section
from musrec.model import SAMPLE_RATE, MusrecError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.lab.extraction import Measured
    from musrec.lab.retrieval import Found

SEEN = {
    "brightness": "spectral_centroid_mean",
    "density": "rms_mean",
    "texture": "spectral_flatness_mean",
    "movement": "onset_strength_mean",
}
"""Visible property of a spectrogram to the statistic that should go with it."""

_UNSAFE = re.compile(r"[^\w.-]+")


def write_spectrograms(
    measured: Measured, folder: Path, *, workers: int | None = None
) -> tuple[int, int]:
    """Write one PNG of the mel spectrogram per clip; return how many were made and how many kept.

    A picture is named by its clip and by the digest of the clip's file. One that is there already
    is kept, so a run that was stopped goes on, and a clip that changed is drawn again.

    Parameters
    ----------
    workers : int, optional
        Processes; as many as there are processors by default.

    Raises
    ------
    MusrecError
        The folder cannot be written.
    """
    jobs = []
    for row, clip in enumerate(measured.clips):
        mel = measured.mels[row]
        file = folder / f"{_UNSAFE.sub('_', clip.id)}-{mel.stem[:8]}.png"
        if not file.is_file():
            jobs.append((mel, file))
    workers = min(workers or os.cpu_count() or 1, len(jobs))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if workers > 1 and len(jobs) >= _WORTH_A_POOL:
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(workers, mp_context=context) as pool:
                try:
                    for _ in pool.map(_draw, jobs, chunksize=16):
                        pass
                finally:
                    pool.shutdown(cancel_futures=True)
        else:
            for job in jobs:
                _draw(job)
    except OSError as error:
        raise MusrecError(
            f"{folder} cannot be written: {error.strerror}.",
            "Make room or name another folder, then run the command again: it goes on.",
        ) from None
    return len(jobs), len(measured) - len(jobs)


_WORTH_A_POOL = 200
"""Pictures to draw that take longer than starting processes does."""


def _draw(job: tuple[Path, Path]) -> None:
    mel, file = job
    level = 1 + np.load(mel).astype(np.float32).T[::-1] / 80
    part = file.with_suffix(f".{os.getpid()}.part")
    try:
        part.write_bytes(plots.png(level))
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def column(measured: Measured, name: str) -> NDArray[np.float64]:
    """Return the values (n,) of a statistic or of a column of the data set, NaN where unknown.

    ``published_`` before a statistic asks for the value that the data set comes with.

    Raises
    ------
    MusrecError
        There is no such column; the message names some.
    """
    if name in extraction.NAMES:
        return measured.statistics[:, extraction.NAMES.index(name)].astype(np.float64)
    given = name.removeprefix(f"{extraction.PUBLISHED}_")
    if given != name and given in measured.published_names:
        return measured.published[:, measured.published_names.index(given)].astype(np.float64)
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
            *(float(seen[kind][which].mean()) for kind in seen),
        )
        for said, which in (("highest", high), ("lowest", low))
    ]
    report = Report(
        f"High and low {name}",
        f"The {len(high)} clips with the highest and the lowest value.",
        ("clips", name, *(f"{kind} seen" for kind in seen)),
        tuple(rows),
    )
    return Section(
        report,
        (
            Figure(f"Highest {name}", plots.gallery(cards(measured, high, values))),
            Figure(f"Lowest {name}", plots.gallery(cards(measured, low, values))),
        ),
    )


def cards(
    measured: Measured,
    rows: Sequence[int] | NDArray[np.intp],
    values: NDArray[np.floating] | None = None,
    like: str | None = None,
) -> list[plots.Card]:
    """Return clips with their pictures and names, for a gallery.

    Parameters
    ----------
    values : NDArray, shape (n,), optional
        One value per clip, which its card states.
    like : str, optional
        A label: clips that have it are marked.
    """
    found = []
    for row in rows:
        clip = measured.clips[row]
        said = f"{clip.title or Path(clip.id).name} ({clip.label})"
        if values is not None:
            said += f": {values[row]:.4g}"
        found.append(plots.Card(measured.pictures[row], said, clip.label == like))
    return found


def side_by_side(measured: Measured, found: Found, count: int = 4) -> tuple[Figure, ...]:
    """Return what pixels and features find, in pictures side by side, for a few queries.

    The queries are those on which the two differ most, one per label.
    """
    gap = np.abs(found.shares["pixels"] - found.shares["features"])
    chosen: dict[str, int] = {}
    for at in np.argsort(-gap, kind="stable").tolist():
        chosen.setdefault(measured.clips[found.queries[at]].label, at)
    figures = []
    for label, at in list(chosen.items())[:count]:
        row = int(found.queries[at])
        sides = [
            (
                f"{name}: {found.shares[name][at]:.0%} hits",
                [
                    *cards(measured, [row]),
                    *cards(measured, found.lists[name][at][:7], like=label),
                ],
            )
            for name in ("pixels", "features")
        ]
        title = measured.clips[row].title or measured.clips[row].id
        said = f"{title} ({label}) first, then what each system finds for it; ✓ is a hit."
        figures.append(Figure(said, plots.pair(sides)))
    return tuple(figures)


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
    """Return how visible properties of the pictures correlate with statistics of the sound."""
    seen = _seen(measured)
    measures = {kind: column(measured, name) for kind, name in SEEN.items()}
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (kind, *(_rank_correlation(shown, values) for values in measures.values()))
        for kind, shown in seen.items()
    )
    return Report(
        "Seen and measured",
        f"Spearman's rank correlation over {len(measured)} clips between what a spectrogram shows "
        "and what is measured in the sound.",
        ("seen", *SEEN.values()),
        rows,
        (
            "Brightness: the height of a picture's centre of light. Density: its mean.",
            "Texture: its mean step from row to row. Movement: the same from column to column.",
        ),
    )


def published_and_measured(measured: Measured) -> Report:
    """Return how the features that a data set comes with agree with ours, by family."""
    rows: list[tuple[Cell, ...]] = []
    known = np.isfinite(measured.published).all(axis=1)
    for family, starts in extraction.FAMILIES.items():
        found = []
        for i, name in enumerate(measured.published_names):
            if name.startswith(starts) and name in extraction.NAMES:
                ours = measured.statistics[:, extraction.NAMES.index(name)]
                found.append(_rank_correlation(measured.published[:, i], ours))
        if found:
            rows.append((family, len(found), float(np.nanmedian(found)), float(np.nanmin(found))))
    return Report(
        "Published and measured",
        f"Spearman's rank correlation over {int(known.sum())} clips between the statistics that "
        "the data set comes with and ours.",
        ("family", "statistics", "median", "lowest"),
        tuple(rows),
        (
            "FMA measured at each file's own rate, we measure at 22,050 Hz.",
            "FMA took its tonnetz from CENS chroma, we take it from the Fourier transform.",
        ),
    )


def sheets(
    measured: Measured, names: Sequence[str] = (), *, count: int = 6, seconds: float = 30.0
) -> Section:
    """Return clips as waveform, spectrogram, roll-off, centroid and zero crossings over time.

    Parameters
    ----------
    names : sequence of str
        Ids of clips; the first clip of each label, at most `count`, if none is named.
    seconds : float
        Longest stretch of a clip that is drawn, from its middle.

    Raises
    ------
    MusrecError
        There is no such clip, or its file has gone since it was measured.
    """
    ids = [clip.id for clip in measured.clips]
    if unknown := [name for name in names if name not in ids]:
        raise MusrecError(
            f"There is no clip {', '.join(unknown)}.", f"Use ids such as {', '.join(ids[:3])}."
        )
    first = {clip.label: row for row, clip in reversed(list(enumerate(measured.clips)))}
    chosen = [ids.index(name) for name in names] or sorted(first.values())[:count]
    rows: list[tuple[Cell, ...]] = []
    figures = []
    for row in chosen:
        clip = measured.clips[row]
        try:
            y = decode.decode(clip.path.read_bytes(), seconds=seconds).y
        except OSError as error:
            raise MusrecError(f"{clip.path} cannot be read: {error.strerror}.") from None
        spectra = features.spectra(y)
        rolloff, centroid, crossings = (
            spectra.series[features.SERIES.index(name)]
            for name in ("spectral_rolloff", "spectral_centroid", "zero_crossing_rate")
        )
        rows.append(
            (
                clip.id,
                clip.label,
                f"{float(rolloff.mean()):.0f}",
                f"{float(centroid.mean()):.0f}",
                float(crossings.mean()),
                float(spectra.rms.mean()),
            )
        )
        drawn = plots.sheet(
            y,
            1 + (spectra.mel_db - spectra.mel_db.max()) / 80,
            (
                plots.Curve("85% roll-off", rolloff, 0, SAMPLE_RATE / 2),
                plots.Curve("centroid", centroid, 0, SAMPLE_RATE / 2),
            ),
            plots.Curve("ZCR", crossings, 0, float(crossings.max())),
            seconds=y.size / SAMPLE_RATE,
            hertz=(0, SAMPLE_RATE / 2),
        )
        figures.append(Figure(f"{clip.id} ({clip.label})", drawn))
    report = Report(
        "Sheets",
        f"At most {seconds:g} s of each clip, from its middle; means over time.",
        ("clip", "label", "roll-off, Hz", "centroid, Hz", "zero-crossing rate", "RMS"),
        tuple(rows),
        ("ZCR: zero-crossing rate, the share of samples that change sign.",),
    )
    return Section(report, tuple(figures))


def _rank_correlation(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    known = np.isfinite(a) & np.isfinite(b)
    one, two = rankdata(a[known]), rankdata(b[known])
    if not known.any() or not np.ptp(one) or not np.ptp(two):
        return float("nan")
    return float(np.corrcoef(one, two)[0, 1])


def clusters(measured: Measured, most: int = 12, seed: int = 0) -> Section:
    """Return k-means clusters of the statistics: the choice of k, a map, their means and names."""
    if len(measured) < 4:
        raise MusrecError("At least four clips are needed to find clusters.", "Add more music.")
    x = StandardScaler().fit_transform(measured.statistics)
    x = PCA(min(20, *x.shape), random_state=seed).fit_transform(x)
    tried = {}
    for k in range(2, min(most, len(x) - 1) + 1):
        model = KMeans(k, n_init=4, random_state=seed).fit(x)
        tried[k] = (float(silhouette_score(x, model.labels_)), float(model.inertia_), model)
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
        Figure(
            "The same map by label.",
            plots.scatter(x[:, :2], labels.tolist(), [clip.id for clip in measured.clips]),
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
