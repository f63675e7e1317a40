"""``musrec evaluate artists``: whether the product finds an artist's other songs in real music.

Every file is heard and placed as in the product, then used as a query: at what rank is the first
other song by the same artist? Measured among these files alone, and among the starter catalogue as
well; compared with pure chance, with the cosine of mean MFCCs, and with the parts of the product's
similarity on their own.
"""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musrec.audio.features import STATISTIC_NAMES
from musrec.audio.workers import Ears
from musrec.evaluate import metrics
from musrec.evaluate.genre import interval
from musrec.evaluate.report import Cell, Report
from musrec.model import MusrecError, NotFound, Place
from musrec.space import Index, Space, parts, starter
from musrec.train.space import own_artist

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from musrec.model import Analysis
    from musrec.settings import Settings
    from musrec.space.inputs import DoubleArray

_MFCC = [STATISTIC_NAMES.index(f"mfcc_{i}_mean") for i in range(1, 13)]

MFCC = "MFCC means"
STATISTICS = "space `statistics`"
PRODUCT = "product"
SYSTEMS = (MFCC, STATISTICS, "space `full`", PRODUCT)

NEAR_CHANCE = 1.5
"""Multiple of chance below which an artist's songs are listed one by one."""


async def run(music: Path, settings: Settings) -> Report:
    """Hear a folder and measure at what rank an artist's other songs come.

    Parameters
    ----------
    music : Path
        A folder with a ``tracks.csv`` whose columns ``file`` and ``artist`` list its songs.
    settings : Settings
        Those of the workers are used.

    Raises
    ------
    NotFound
        There is no ``tracks.csv``, or no artist in it has two files that can be heard.
    """
    listed = _listed(music)
    async with Ears(settings.workers) as ears:
        answers = await asyncio.gather(*(_hear(ears, music / file) for file, _ in listed))
    heard = [
        (*named, answer)
        for named, answer in zip(listed, answers, strict=True)
        if not isinstance(answer, str)
    ]
    unheard = [answer for answer in answers if isinstance(answer, str)]
    if not heard:
        raise NotFound(f"None of the {len(listed)} files of {music} can be heard.", *unheard[:1])
    files, who, analyses = zip(*heard, strict=True)
    return _report(music, files, np.array(who), analyses, unheard)


def _listed(music: Path) -> list[tuple[str, str]]:
    """Return the files and their artists."""
    path = music / "tracks.csv"
    if not path.is_file():
        raise NotFound(f"There is no {path}.", "List the file and the artist of each song in it.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MusrecError(f"{path} cannot be read: {error}.") from None
    if not rows or not {"file", "artist"} <= rows[0].keys():
        raise MusrecError(f"{path} needs the columns file and artist, and at least one song.")
    return [((row["file"] or "").strip(), (row["artist"] or "").strip()) for row in rows]


async def _hear(ears: Ears, path: Path) -> Analysis | str:
    """Return what is heard in a file, or why nothing is."""
    try:
        data = await asyncio.to_thread(path.read_bytes)
        return (await ears.hear(data)).analysis
    except OSError as error:
        return f"{path.name}: {error.strerror}."
    except MusrecError as error:
        return f"{path.name}: {error}"


def _report(
    music: Path,
    files: Sequence[str],
    artists: NDArray[np.str_],
    analyses: Sequence[Analysis],
    unheard: list[str],
) -> Report:
    several = sorted({who for who in artists.tolist() if who and (artists == who).sum() > 1})
    if not several:
        raise NotFound(f"No artist of {music} has two songs that can be heard.")
    n = len(artists)
    queries = np.isin(artists, several)
    tagged = all(analysis.tag_mean is not None for analysis in analyses)
    systems = SYSTEMS if tagged else SYSTEMS[:2]
    rows: list[tuple[Cell, ...]] = []
    notes: list[str] = []
    for among, everyone, songs in (
        ("these songs", artists, list(analyses)),
        (
            "with the starter",
            np.concatenate([artists, np.full(len(starter()), "?")]),
            [*analyses, *starter().analyses],
        ),
    ):
        chance = np.array([_chance(artists, who, len(everyone)) for who in artists])
        ranks = {name: _ranks(name, songs, everyone, n) for name in systems}
        for who in [*several, None]:
            mine = queries if who is None else artists == who
            means = (float(values[mine].mean()) for values in (chance, *ranks.values()))
            rows.append((who or "all", int(mine.sum()), among, *means))
        for name, values in ranks.items():
            times = values[queries].mean() / chance[queries].mean()
            notes.append(
                f"{name}, {among}: {interval(values[queries], artists[queries])} (95% bootstrap "
                f"over artists), {times:.1f} times chance."
            )
        best = ranks[systems[-1]]
        notes += [
            f"{who} is near chance with {systems[-1]}, {among}; the nearest other song is at rank "
            + ", ".join(
                f"{1 / best[row]:.0f} ({files[row]})" for row in np.flatnonzero(mine).tolist()
            )
            + "."
            for who in several
            if (mine := artists == who).any()
            and best[mine].mean() < NEAR_CHANCE * chance[mine].mean()
        ]
    return Report(
        title="Artists",
        protocol=(
            f"{n} files of {music.name}, heard by the workers; mean reciprocal rank of the nearest "
            f"other song by the query's artist, among these {n} songs and among "
            f"{n + len(starter())} with the starter catalogue. Cosine; all but the MFCC means "
            "are corrected for hubs. The product is the space `full` with the fine embedding, the "
            "rhythm and the harmony of songs that were heard; starter songs have none of these."
        ),
        columns=("artist", "songs", "among", "chance", *systems),
        rows=tuple(rows),
        notes=(*notes, *(f"Not heard: {reason}" for reason in unheard)),
    )


def _ranks(
    name: str, songs: Sequence[Analysis], artists: NDArray[np.str_], queries: int
) -> DoubleArray:
    """Return the reciprocal ranks of the first `queries` songs."""
    index, places = _index(name, songs)
    far = np.stack([1 - index.alike(place).astype(np.float64) for place in places[:queries]])
    far[np.arange(queries), np.arange(queries)] = np.inf
    return own_artist(far, artists, artists[:queries])


def _index(name: str, songs: Sequence[Analysis]) -> tuple[Index, list[Place]]:
    if name == MFCC:
        places = [Place(song.statistics[_MFCC], {}) for song in songs]
    else:
        space = Space.load("statistics" if name == STATISTICS else "full")
        places = [space.place(song) for song in songs]
    fine = [place.fine for place in places if place.fine is not None]
    facets = {
        part: np.stack([place.facets[part] for place in places])
        for part in parts.NAMES
        if name == PRODUCT
    }
    index = Index(
        np.stack([place.vector for place in places]),
        fine=np.stack(fine) if fine and name == PRODUCT else None,
        parts=parts.of(facets) if facets else None,
        corrected=name != MFCC,
    )
    return index, places


def _chance(artists: NDArray[np.str_], who: str, n: int) -> float:
    others = int((artists == who).sum()) - 1
    return metrics.expected_reciprocal_rank(others, n - 1 - others) if others else float("nan")
