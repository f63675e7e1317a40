"""``musrec evaluate artists``: whether an artist's other songs are found in real music.

Every file is heard as the product hears it, placed, and used as a query: how high does the first
other song by the same artist rank? Beside it pure chance, and what the mean MFCCs of the same
files give by cosine.
"""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musrec.audio.features import STATISTIC_NAMES
from musrec.evaluate import metrics
from musrec.evaluate.genre import interval
from musrec.evaluate.report import Cell, Report
from musrec.model import MusrecError, NotFound
from musrec.space import Space, starter
from musrec.train.space import dissimilarities, own_artist

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from musrec.audio.workers import Ears
    from musrec.model import Analysis, FloatArray
    from musrec.settings import Settings
    from musrec.space.inputs import DoubleArray

_MFCC = [STATISTIC_NAMES.index(f"mfcc_{i}_mean") for i in range(1, 13)]


async def run(music: Path, settings: Settings) -> Report:
    """Hear a folder and measure how early an artist's other songs come.

    Parameters
    ----------
    music : Path
        A folder with a ``tracks.csv`` whose columns ``file`` and ``artist`` name what is in it.
    settings : Settings
        Of the workers that hear.

    Raises
    ------
    NotFound
        Where there is no ``tracks.csv``, or no artist in it has two files that can be heard.
    """
    from musrec.audio.workers import Ears

    listed = _listed(music)
    async with Ears(settings.workers) as ears:
        answers = await asyncio.gather(*(_hear(ears, music / file) for file, _ in listed))
    heard = [
        (artist, answer)
        for (_, artist), answer in zip(listed, answers, strict=True)
        if not isinstance(answer, str)
    ]
    unheard = [answer for answer in answers if isinstance(answer, str)]
    if not heard:
        raise NotFound(f"None of the {len(listed)} files of {music} can be heard.", *unheard[:1])
    return _report(
        music, [analysis for _, analysis in heard], np.array([who for who, _ in heard]), unheard
    )


def _listed(music: Path) -> list[tuple[str, str]]:
    """Files and their artists."""
    path = music / "tracks.csv"
    if not path.is_file():
        raise NotFound(f"There is no {path}.", "List file and artist of each song in it.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MusrecError(f"{path} cannot be read: {error}.") from None
    if not rows or not {"file", "artist"} <= rows[0].keys():
        raise MusrecError(f"{path} needs the columns file and artist, and a song.")
    return [((row["file"] or "").strip(), (row["artist"] or "").strip()) for row in rows]


async def _hear(ears: Ears, path: Path) -> Analysis | str:
    """Hear a file, or say why not."""
    try:
        data = await asyncio.to_thread(path.read_bytes)
        return await ears.hear(data)
    except OSError as error:
        return f"{path.name}: {error.strerror}."
    except MusrecError as error:
        return f"{path.name}: {error}"


def _report(
    music: Path, analyses: Sequence[Analysis], artists: NDArray[np.str_], unheard: list[str]
) -> Report:
    several = {who for who in artists.tolist() if who and (artists == who).sum() > 1}
    if not several:
        raise NotFound(f"No artist of {music} has two songs that can be heard.")
    everyone = np.concatenate([artists, np.full(len(starter()), "?")])
    systems = {
        f"{name}{' + starter' if crowded else ''}": (
            _ranks(analyses, name, everyone if crowded else artists, len(artists)),
            crowded,
        )
        for name in ("MFCC means", "space `statistics`", "space `full`")
        if name != "space `full`" or all(a.tag_mean is not None for a in analyses)
        for crowded in (False, True)
    }
    rows: list[tuple[Cell, ...]] = []
    chance = {
        crowded: np.array(
            [_chance(artists, who, len(everyone) if crowded else len(artists)) for who in artists]
        )
        for crowded in (False, True)
    }
    queries = np.isin(artists, sorted(several))
    for who in [*sorted(several), None]:
        mine = queries if who is None else artists == who
        rows.append(
            (
                who or "all",
                int(mine.sum()),
                *(float(chance[crowded][mine].mean()) for crowded in (False, True)),
                *(float(ranks[mine].mean()) for ranks, _ in systems.values()),
            )
        )
    intervals = [
        f"{name}: {interval(ranks[queries], artists[queries])} (95% bootstrap over artists), "
        f"{ranks[queries].mean() / chance[crowded][queries].mean():.1f} times chance."
        for name, (ranks, crowded) in systems.items()
    ]
    return Report(
        title="Artists",
        protocol=(
            f"{len(analyses)} files of {music.name}, heard by the workers; mean reciprocal rank "
            f"of the nearest other song by the query's artist, among these {len(artists)} songs "
            f"and among {len(everyone)} with the starter catalogue. Cosine; spaces are corrected "
            "for hubs, mean MFCC 1 to 12 are not."
        ),
        columns=("artist", "songs", "chance", "chance + starter", *systems),
        rows=tuple(rows),
        notes=(*intervals, *(f"Not heard: {reason}" for reason in unheard)),
    )


def _ranks(
    analyses: Sequence[Analysis], name: str, artists: NDArray[np.str_], queries: int
) -> DoubleArray:
    songs = list(analyses)
    if len(artists) > queries:
        songs += starter().analyses
    corrected = name != "MFCC means"
    vectors = _vectors(songs, name)
    far = dissimilarities(vectors[:queries], vectors, corrected=corrected)
    far[np.arange(queries), np.arange(queries)] = np.inf
    return own_artist(far, artists, artists[:queries])


def _vectors(songs: Sequence[Analysis], name: str) -> FloatArray:
    statistics = np.stack([song.statistics for song in songs])
    if name == "MFCC means":
        return statistics[:, _MFCC]
    if name == "space `statistics`":
        return Space.load("statistics").place_all(statistics)
    tag_mean = np.stack([song.tag_mean for song in songs if song.tag_mean is not None])
    return Space.load("full").place_all(statistics, tag_mean)


def _chance(artists: NDArray[np.str_], who: str, n: int) -> float:
    others = int((artists == who).sum()) - 1
    return metrics.expected_reciprocal_rank(others, n - 1 - others) if others else float("nan")
