"""Search by name: what is narrowed by pairs of letters, against comparing with every name.

``python -m benchmarks.names [--songs N ...]`` prints a table in Markdown. Names are put together
from the words of the starter catalogue's titles and artists, as often as these are used, and asked
for in several ways. All times are CPU time. "First kept": the first song found is as alike to the
text as the first when every name is compared; "ten kept": all of the best ten are. Every name that
has one word in common with the text is 85.5 alike, so the last of ten are often any of thousands.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np

from musrec import space
from musrec.catalogue import search
from musrec.catalogue.model import SongFilter
from musrec.evaluate.report import Cell, Report
from musrec.model import Catalogue, NotFound, Profile, Track
from musrec.titles import fold

SEED = 2026
BEST = 10


def tracks(n: int) -> list[Track]:
    """Songs whose names are put together from real words."""
    rng = np.random.default_rng(SEED)
    known = [track for track, _ in space.starter().named()]
    titles = [word for track in known for word in track.title.split()]
    artists = [word for track in known for word in track.artist.split()]
    lengths = rng.integers(1, 5, (n, 2)).tolist()
    of_title, of_artist = (
        rng.integers(len(titles), size=(n, 4)),
        rng.integers(len(artists), size=(n // 8 + 1, 4)),
    )
    return [
        Track(
            str(row),
            " ".join(titles[at] for at in of_title[row][: lengths[row][0]]),
            (" ".join(artists[at] for at in of_artist[row // 8][: lengths[row // 8][1]]),),
        )
        for row in range(n)
    ]


def slip(text: str, rng: np.random.Generator) -> str:
    """Swap, drop or replace one letter."""
    at = int(rng.integers(max(len(text) - 1, 1)))
    swapped = text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :]
    dropped = text[:at] + text[at + 1 :]
    replaced = text[:at] + "etaoinsr"[int(rng.integers(8))] + text[at + 1 :]
    return (swapped, dropped, replaced)[int(rng.integers(3))]


def ways(track: Track, rng: np.random.Generator) -> dict[str, str]:
    """Return what a song may be asked for by."""
    both = f"{track.title} {track.artist}"
    return {
        "title": track.title,
        "artist, title": f"{track.artist} {track.title}",
        "a slip in the title": slip(track.title, rng),
        "title, artist, two slips": slip(slip(both, rng), rng),
        "half of it": both[: len(both) // 2],
        "with more words": f"{both} official video",
        "three letters": track.title[:3],
    }


def timed(work: Callable[..., Any], *arguments: object) -> tuple[Any, float]:
    since = time.process_time()
    try:
        found = work(*arguments)
    except NotFound:
        found = []
    return found, 1e3 * (time.process_time() - since)


def likeness(text: str, found: list[Track]) -> list[float]:
    """Return how alike the best of an answer are to the text, as the search measures it."""
    if not found:
        return []
    names, rows = search.names(found), np.arange(len(found))
    alike = search.alike(names.titles(rows), names.artists(rows), fold(text))
    return sorted(np.round(alike, 3).tolist(), reverse=True)


def measure(n: int, questions: int) -> list[tuple[Cell, ...]]:
    songs = tracks(n)
    names = search.names(songs)
    catalogue = Catalogue(songs, (Profile(),) * n, np.zeros((n, 1), np.float32), {})
    rng = np.random.default_rng(SEED)
    kept, spent = dict[str, list[tuple[bool, bool]]](), dict[str, list[list[float]]]()
    for row in rng.integers(n, size=questions).tolist():
        for kind, text in ways(songs[row], rng).items():
            wanted = SongFilter(text)
            found, narrowed = timed(search.search, catalogue, names, wanted, BEST)
            _, completed = timed(search.suggest, catalogue, names, text, 25)
            _, exact = timed(search.titled, catalogue, names, text)
            with patch.object(search, "COMPARED", n):
                every, whole = timed(search.search, catalogue, names, wanted, BEST)
            ours, theirs = likeness(text, found), likeness(text, every)
            kept.setdefault(kind, []).append((ours[:1] == theirs[:1], ours == theirs))
            spent.setdefault(kind, []).append([whole, narrowed, completed, exact])
    rows: list[tuple[Cell, ...]] = []
    for kind, times in spent.items():
        whole, narrowed, completed, exact = np.median(times, axis=0).tolist()
        first, ten = np.mean(kept[kind], axis=0).tolist()
        rows.append((n, kind, first, ten, whole, narrowed, narrowed / whole, completed, exact))
    return rows


HEADER = (
    "songs",
    "asked for by",
    "first kept",
    "ten kept",
    "every name (ms, baseline)",
    "narrowed (ms)",
    "/ baseline",
    "completing (ms)",
    "exact title (ms)",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--songs", type=int, nargs="+", default=[100_000])
    parser.add_argument("--questions", type=int, default=50)
    chosen = parser.parse_args()
    rows = [row for n in chosen.songs for row in measure(n, chosen.questions)]
    protocol = f"{chosen.questions} names each, seed {SEED}."
    print(Report("Search by name", protocol, HEADER, tuple(rows)).markdown())


if __name__ == "__main__":
    main()
