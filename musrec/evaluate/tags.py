"""``musrec evaluate tags``: from which share a tag may be said of a song.

A tag is said only from a share that no deciding clip reached of which the word is wrong. The
deciding clips are GTZAN's training clips (published taggrams, and the clips whose audio is there),
spoken sentences and sung songs; GTZAN's validation clips, by other artists, report.
``python -m musrec.evaluate.tags DATA --write`` stores the shares that the package ships.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musrec.audio import decode, descriptors
from musrec.audio.tagger import TAGS, Tagger, load
from musrec.evaluate import tables
from musrec.evaluate.report import Cell, Report, from_shell
from musrec.model import NotFound

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.model import FloatArray

FEWEST = 10
"""Right clips that must remain above a share before it counts as measured. Decided."""

UNCHECKED = 0.5
"""Least share of a tag that no label can check, or that too few clips carry. Decided."""

SUNG = "sung"
SPOKEN = "spoken"

_GUITARS = ("rock", "metal")
RIGHT: Mapping[str, tuple[str, ...]] = {
    "blues": ("blues",),
    "country": ("country",),
    "jazz": ("jazz",),
    "Hip-Hop": ("hiphop",),
    "metal": ("metal",),
    "heavy metal": ("metal",),
    "pop": ("pop",),
    **dict.fromkeys(("rock", "alternative", "alternative rock", "hard rock", "punk"), _GUITARS),
    "dance": ("disco", "pop", "hiphop"),
    "rnb": ("pop", "hiphop"),
    "instrumental": ("classical", "jazz"),
    "acoustic": ("blues", "country", "classical", "jazz"),
}
"""Tag to the labels of which it is right, or at least not wrong. No label decides other tags."""


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Clips with what they are: labels (n,), and the tagger's shares (n, 50)."""

    labels: NDArray[np.str_]
    shares: FloatArray


def thresholds(clips: Labelled) -> dict[str, tuple[float, int]]:
    """Return each tag's least share, rounded up to two decimals, and the right clips above it.

    The count is 0 where the tag has no measured share.
    """
    found = {}
    for column, tag in enumerate(TAGS):
        share, count = UNCHECKED, 0
        if tag in RIGHT:
            right = np.isin(clips.labels, RIGHT[tag])
            # Sung words say nothing about a genre.
            wrong = ~right & ((clips.labels != SUNG) | (tag == "instrumental"))
            highest = float(clips.shares[wrong, column].max(initial=0.0))
            least = float(np.floor(100 * highest + 1) / 100)
            count = int(np.count_nonzero(clips.shares[right, column] >= least))
            share = least if count >= FEWEST else max(least, UNCHECKED)
            count = count if count >= FEWEST else 0
        found[tag] = (round(share, 2), count)
    return found


def run(data: Path, tagger: Tagger) -> Report:
    """Measure the precision of every tag that labels can check, on artists that decided nothing.

    Parameters
    ----------
    data : Path
        Folder with ``gtzan``, ``jamendo`` and ``speech``.
    tagger : Tagger

    Raises
    ------
    NotFound
        The tables or the audio are missing.
    """
    decided = thresholds(deciding(data, tagger))
    unseen = reporting(data, tagger)
    rows: list[tuple[Cell, ...]] = []
    for tag in (tag for tag in TAGS if tag in RIGHT):
        share, count = decided[tag]
        shares = unseen.shares[:, TAGS.index(tag)]
        right = np.isin(unseen.labels, RIGHT[tag])
        before, after = (
            f"{np.count_nonzero(right & (shares >= least))} of {np.count_nonzero(shares >= least)}"
            for least in (0.1, share)
        )
        rows.append((tag, ", ".join(RIGHT[tag]), count or None, share, before, after))
    return Report(
        title="From which share a tag is said",
        protocol=(
            "GTZAN's training clips, spoken sentences and sung songs decide: a tag is said from the"
            " share that no clip of a wrong genre reaches, if at least"
            f" {FEWEST} right clips lie above it, and from {UNCHECKED:.0%} otherwise."
            f" {len(unseen.labels)} validation clips by other artists, heard here from 2 to 20 s,"
            " report how many of the clips with the tag are of a right genre."
        ),
        columns=("tag", "right of", "right clips", "said from", "right from 0.1", "right as said"),
        rows=tuple(rows),
        notes=(
            f"All other tags are said from {UNCHECKED:.0%}: no label here can check them.",
            "No right clips: too few were left, so that the share is not measured.",
        ),
    )


def deciding(data: Path, tagger: Tagger) -> Labelled:
    """Return the clips that decide."""
    table = tables.load(data / "gtzan").split("train")
    table = table.rows(table.tagged)
    genres = dict(zip(table.clips.tolist(), table.genres.tolist(), strict=True))
    heard = [(genres[p.stem], p) for p in _audio(data / "gtzan" / "audio") if p.stem in genres]
    heard += [(SPOKEN, path) for path in _audio(data / "speech")]
    heard += [(SUNG, path) for path in _audio(data / "jamendo")]
    more = _hear(heard, tagger)
    return Labelled(
        np.concatenate([table.genres, more.labels]), np.concatenate([table.tag_mean, more.shares])
    )


def reporting(data: Path, tagger: Tagger) -> Labelled:
    """Return the validation clips whose audio is there, the longest cut of each."""
    table = tables.load(data / "gtzan")
    held = table.splits != "train"
    genres = dict(zip(table.clips[held].tolist(), table.genres[held].tolist(), strict=True))
    paths = [*_audio(data / "gtzan" / "snippets"), *_audio(data / "gtzan" / "audio_more")]
    best = {path.stem: path for path in paths if path.stem in genres}
    return _hear([(genres[clip], path) for clip, path in sorted(best.items())], tagger)


def _audio(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}.", "Name the folder that holds gtzan/.")
    return sorted(path for path in folder.iterdir() if path.suffix in (".flac", ".mp3"))


def _hear(clips: Iterable[tuple[str, Path]], tagger: Tagger) -> Labelled:
    labels, shares = [], []
    for label, path in clips:
        start = _first_line(path) if label == SUNG else 0.0
        y = decode.decode(path.read_bytes(), seconds=40, start=start).y
        labels.append(label)
        shares.append(tagger.tag(y).mean)
    return Labelled(np.array(labels), np.stack(shares))


def _first_line(path: Path) -> float:
    """Return the second at which the singing of a song starts."""
    with path.with_name("sung_lines.tsv").open(encoding="utf-8") as stream:
        starts = [
            float(row["start_s"])
            for row in csv.DictReader(stream, delimiter="\t")
            if row["file"] == path.name
        ]
    return min(starts, default=0.0)


def write(data: Path) -> None:
    """Store the shares that the package ships."""
    found = thresholds(deciding(data, load()))
    path = Path(descriptors.__file__).with_name("said.json")
    shares = {tag: share for tag, (share, _) in found.items()}
    path.write_text(json.dumps(shares, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(from_shell(__doc__, lambda data: [run(data, load())], write))
