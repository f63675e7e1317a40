"""``musrec evaluate described``: ten songs in words, beside what labels say of them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from musrec import wording
from musrec.audio.descriptors import marks, said_tags
from musrec.audio.listen import listen
from musrec.evaluate import tables
from musrec.evaluate.report import Cell, Report
from musrec.model import NotFound
from musrec.space import genre_said, profile

if TYPE_CHECKING:
    from musrec.model import Analysis

MARKS, TAGS = 4, 3
"""Words for the sound, and tags, that are named at most."""

SURE = 0.5
"""Confidence below which a tempo is said with "perhaps"."""


def run(data: Path) -> Report:
    """Describe one clip of each genre: the first that decided nothing, if there is one.

    Parameters
    ----------
    data : Path
        Folder with ``gtzan``: tables, ``audio_more`` and ``annotations``.

    Raises
    ------
    NotFound
        There is no audio.
    """
    folder = data / "gtzan"
    table = tables.load(folder)
    chosen: dict[str, int] = {}
    for row in sorted(range(len(table)), key=lambda row: (table.splits[row] == "train", row)):
        if (folder / "audio_more" / f"{table.clips[row]}.flac").is_file():
            chosen.setdefault(str(table.genres[row]), row)
    if not chosen:
        raise NotFound(f"There is no audio in {folder / 'audio_more'}.", "Name another folder.")
    tempi, keys = (_labels(folder, *label) for label in (("tempo", "bpm"), ("key_lerch", "key")))
    rows: list[tuple[Cell, ...]] = []
    for genre, row in sorted(chosen.items()):
        clip = str(table.clips[row])
        sound = (folder / "audio_more" / f"{clip}.flac").read_bytes()
        named = " — ".join(
            str(name) for name in (table.titles[row], table.artists[row]) if str(name)
        )
        bpm = tempi.get(clip)
        labels = (genre, f"{float(bpm):.0f} BPM" if bpm else "", keys.get(clip, ""))
        rows.append(
            (
                named or clip,
                ", ".join(filter(None, labels)),
                in_words(listen(sound, digest="").analysis),
                "yes" if table.splits[row] == "train" else "no",
            )
        )
    return Report(
        title="Ten songs in words",
        protocol=(
            "One clip of 15 to 30 s of each genre, the first of those that decided nothing where"
            " there is one. Labelled: GTZAN's genre, tempo and key."
        ),
        columns=("song", "labelled", "described", "in training"),
        rows=tuple(rows),
        notes=("Tempo: half or double of a label is the octave that others may count.",),
    )


def in_words(analysis: Analysis) -> str:
    """Return everything that is said of a song, in one line."""
    heard = profile(analysis)
    said = [genre_said(heard.genres, tagged=analysis.tag_mean is not None) or "genre unsure"]
    if heard.instruments:
        said.append("with " + wording.instruments(heard.instruments))
    if analysis.voice:
        said.append("voice: " + wording.voice(analysis.voice))
    if (rhythm := analysis.rhythm) and rhythm.tempo:
        perhaps = "" if rhythm.confidence >= SURE else "perhaps "
        said.append(perhaps + wording.tempo(rhythm.tempo))
    if analysis.harmony:
        said.append(wording.key(analysis.harmony))
    said.append(wording.sound(marks(heard.percentiles)[:MARKS]))
    if tags := list(said_tags(heard.tags))[:TAGS]:
        said.append("tags: " + ", ".join(tags))
    return "; ".join(filter(None, said)).replace("\N{NO-BREAK SPACE}", " ")


def _labels(folder: Path, name: str, column: str) -> dict[str, str]:
    path = folder / "annotations" / f"{name}.tsv"
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as stream:
        return {row["clip"]: row[column] for row in csv.DictReader(stream, delimiter="\t")}
