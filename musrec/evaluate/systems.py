"""``musrec evaluate systems``: the spectrogram alone, the features alone and the whole, by genre.

Each clip is a query to all others by other artists. How many of its nearest share its genre?
"""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musrec.audio.workers import Ears
from musrec.catalogue import systems
from musrec.evaluate import metrics
from musrec.evaluate.genre import interval, starter_tables
from musrec.evaluate.report import Cell, Report
from musrec.model import MusrecError, NotFound
from musrec.space import Index, Space
from musrec.train.space import SEED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from musrec.model import Analysis
    from musrec.settings import Settings
    from musrec.space.inputs import DoubleArray

K = (5, 10)
_FEWEST = 20


async def run(folder: Path, settings: Settings) -> Report:
    """Hear clips whose genre and artist are known, and measure each system on them.

    Parameters
    ----------
    folder : Path
        With ``clips.csv`` and clips in ``audio_more``, named after the column ``clip``.
    settings : Settings
        Those of the workers are used.

    Raises
    ------
    NotFound
        There are too few clips that can be heard.
    """
    known = _labels(folder / "clips.csv")
    files = sorted(file for file in (folder / "audio_more").glob("*.*") if file.stem in known)
    async with Ears(settings.workers) as ears:
        answers = await asyncio.gather(*(_hear(ears, file) for file in files))
    heard = [
        (file.stem, analysis)
        for file, analysis in zip(files, answers, strict=True)
        if analysis is not None and analysis.spectrogram is not None
    ]
    if len(heard) < _FEWEST:
        raise NotFound(f"There are too few clips in {folder / 'audio_more'} to measure anything.")
    names, analyses = zip(*heard, strict=True)
    genres, artists = (np.array(column) for column in zip(*map(known.get, names), strict=True))
    far = {name: 1 - alike for name, alike in _alike(analyses).items()}
    learned = len(set(names) & set(starter_tables().clips.tolist()))
    chance = _chance(genres, artists)
    rows: list[tuple[Cell, ...]] = [("chance", *(float(chance.mean()) for _ in K), None)]
    for name, distances in far.items():
        found = [_precision(distances, k, genres, artists) for k in K]
        means = (float(precision.mean()) for precision in found)
        rows.append((name, *means, interval(found[-1], artists)))
    return Report(
        title="Systems",
        protocol=(
            f"{len(heard)} clips of {len(set(genres.tolist()))} genres in "
            f"{folder.name}/audio_more, heard by the workers; each is a query to those by other "
            f"artists, precision at {K[0]} and {K[1]} by genre. Most genres have fewer than "
            f"{K[1] + 1} clips, so that 1 cannot be reached. "
            f"Intervals: 95% bootstrap over artists, seed {SEED}."
        ),
        columns=("system", *(f"P@{k}" for k in K), f"95% CI of P@{K[1]}"),
        rows=tuple(rows),
        notes=(
            "Spectrogram: the picture that a card draws, as pixels and by its patches.",
            "Features: all statistics, standardised. Sound: as in the product, hubs corrected.",
            f"The space of the sound was learned from {learned} of these clips, which flatters it.",
        ),
    )


def _labels(path: Path) -> dict[str, tuple[str, str]]:
    """Return genre and artist of each clip; a clip of no known artist is its own."""
    if not path.is_file():
        raise NotFound(f"There is no {path}.", "Name the folder that holds gtzan/ with --data.")
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {row["clip"]: (row["genre"], row["artist"] or row["clip"]) for row in rows}


async def _hear(ears: Ears, path: Path) -> Analysis | None:
    try:
        return (await ears.hear(await asyncio.to_thread(path.read_bytes))).analysis
    except (OSError, MusrecError):
        return None


def _alike(analyses: Sequence[Analysis]) -> dict[str, DoubleArray]:
    """Return how alike every two clips are by each system, shape (n, n)."""
    images = [one.spectrogram for one in analyses if one.spectrogram is not None]
    statistics = np.stack([one.statistics for one in analyses])
    tagged = all(one.tag_mean is not None for one in analyses)
    space = Space.load("full" if tagged else "statistics")
    places = [space.place(one) for one in analyses]
    fine = [place.fine for place in places if place.fine is not None]
    vectors = np.stack([place.vector for place in places])
    index = Index(vectors, fine=np.stack(fine) if fine else None)
    rows = range(len(analyses))
    found = {
        "spectrogram": [systems.by_spectrogram(images[row], images) for row in rows],
        "features": [systems.by_features(statistics[row], statistics) for row in rows],
        "sound": [index.alike(place) for place in places],
    }
    return {name: np.stack(alike).astype(np.float64) for name, alike in found.items()}


def _precision(
    far: DoubleArray, k: int, genres: NDArray[np.str_], artists: NDArray[np.str_]
) -> DoubleArray:
    return metrics.precision_at_k(metrics.nearest(far, k, artists), genres)


def _chance(genres: NDArray[np.str_], artists: NDArray[np.str_]) -> DoubleArray:
    """Return the share of each clip's genre among the clips by other artists."""
    others = artists[:, None] != artists[None]
    same = others & (genres[:, None] == genres[None])
    share: DoubleArray = same.sum(axis=1) / np.maximum(others.sum(axis=1), 1)
    return share
