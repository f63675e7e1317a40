"""Reads a data set from a folder, by its layout; nothing is downloaded.

GTZAN
    Files named ``<genre>.<number>.<ext>``, loose or in folders of genres. A ``clips.csv`` with the
    columns ``clip, artist, title, split`` above them names artists and parts (B. Sturm, "The GTZAN
    dataset: its contents, its faults, their effects on evaluation, and its future use", 2013);
    so do the fault-filtered lists ``train_filtered.txt``, ``valid_filtered.txt`` and
    ``test_filtered.txt`` (C. Kereliuk, B. Sturm, J. Larsen, "Deep learning and music adversaries",
    IEEE TMM 17, 2015), and then what they do not list is left out.
FMA
    ``fma_metadata/tracks.csv`` beside ``fma_small``, ``fma_medium``, ``fma_large`` or ``fma_full``
    (M. Defferrard et al., "FMA: a dataset for music analysis", ISMIR 2017), with its own parts.
Spotify
    A ``dataset.csv`` with the columns ``track_id`` and ``track_genre``, and clips named by track id
    anywhere below.
Folders
    Any other folder whose folders hold music: each is a label.
"""

from __future__ import annotations

import ast
import csv
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from musrec import titles
from musrec.formats import ENDINGS
from musrec.lab.model import Clip, DataSet, Fault
from musrec.model import MusrecError, NotFound

PARTS = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "test": "test",
}

_GTZAN = re.compile(r"([a-z&-]+)\.(\d{5})")
_FILTERED = ("train_filtered.txt", "valid_filtered.txt", "test_filtered.txt")
_FMA_SUBSETS = ("small", "medium", "large", "full")
"""Each holds those before it; a track names the smallest that it is in."""


def read(folder: Path, *, layout: str | None = None) -> DataSet:
    """Return the clips of a folder, and the rows and files that had to be left out.

    Parameters
    ----------
    layout : str, optional
        ``gtzan``, ``fma``, ``spotify`` or ``folders``; found out if it is not given.

    Raises
    ------
    NotFound
        There is no such folder, or no music in it.
    MusrecError
        A table of it cannot be read; the message names the file and what is wrong.
    """
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}.", "Name a folder that holds music.")
    name = layout or _layout(folder)
    try:
        reader = _READERS[name]
    except KeyError:
        known = ", ".join(_READERS)
        raise MusrecError(f"There is no layout {name!r}.", f"Use one of: {known}.") from None
    found = reader(folder)
    if not found.clips:
        faults = f" {len(found.faults)} entries were left out." if found.faults else ""
        raise NotFound(
            f"{folder} has no music that could be used as {name}.{faults}",
            "Put the clips of each genre into a folder of its own.",
        )
    return found


def _layout(folder: Path) -> str:
    if (folder / "fma_metadata").is_dir() or (folder / "tracks.csv").is_file():
        return "fma"
    if (folder / "dataset.csv").is_file():
        return "spotify"
    some = [path for path, _ in zip(_music(folder), range(200), strict=False)]
    if some and all(_GTZAN.match(path.name) for path in some):
        return "gtzan"
    return "folders"


def _music(folder: Path) -> Iterator[Path]:
    """Yield the music files below a folder in a stable order; links to folders are not followed."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for path in entries:
        if path.is_dir() and not path.is_symlink() and not path.name.startswith("."):
            yield from _music(path)
        elif path.suffix.lower() in ENDINGS and not path.name.startswith("."):
            yield path


# GTZAN --------------------------------------------------------------------------------------------


def _gtzan(folder: Path) -> DataSet:
    listed = _listed(folder)
    parts = _filtered(folder)
    clips: list[Clip] = []
    faults: list[Fault] = []
    seen: set[str] = set()
    for path in _music(folder):
        named = _GTZAN.match(path.name)
        if named is None:
            faults.append(Fault(str(path.relative_to(folder)), "not named <genre>.<number>"))
            continue
        name = named.group()
        row = listed.get(name, {})
        if parts and name not in parts:
            faults.append(Fault(name, "not in the fault-filtered lists"))
            continue
        unique = name if name not in seen else str(path.relative_to(folder).with_suffix(""))
        seen.add(name)
        clips.append(
            Clip(
                unique,
                path,
                row.get("genre") or named.group(1),
                row.get("artist", ""),
                row.get("title", ""),
                parts.get(name) or PARTS.get(row.get("split", ""), ""),
            )
        )
    faults += [
        Fault(name, "listed, but there is no such file") for name in sorted(listed.keys() - seen)
    ]
    return DataSet("gtzan", folder, tuple(clips), tuple(faults))


def _listed(folder: Path) -> dict[str, dict[str, str]]:
    """Return the rows of the nearest ``clips.csv`` by clip; empty if there is none."""
    for place in (folder, folder.parent):
        if (file := place / "clips.csv").is_file():
            return {row["clip"]: row for row in _rows(file, ("clip",))}
    return {}


def _filtered(folder: Path) -> dict[str, str]:
    parts = {}
    for name in _FILTERED:
        for place in (folder, folder.parent):
            if (file := place / name).is_file():
                part = PARTS[name.partition("_")[0]]
                for line in file.read_text("utf-8", "replace").split():
                    if named := _GTZAN.match(Path(line).name):
                        parts[named.group()] = part
                break
    return parts


# FMA ----------------------------------------------------------------------------------------------


def _fma(folder: Path) -> DataSet:
    tables = folder / "fma_metadata" if (folder / "fma_metadata").is_dir() else folder
    names, parents, top = _fma_genres(tables / "genres.csv")
    audio = [folder / f"fma_{subset}" for subset in _FMA_SUBSETS]
    audio = [place for place in audio if place.is_dir()]
    if not audio:
        raise NotFound(
            f"{folder} has no folder of clips.", "Put fma_small, fma_medium or fma_large there."
        )
    files = {path.stem: path for place in audio for path in _music(place)}
    here = {place.name.removeprefix("fma_") for place in audio}
    expected = set(_FMA_SUBSETS[: max(map(_FMA_SUBSETS.index, here)) + 1])
    clips: list[Clip] = []
    faults: list[Fault] = []
    for row in _fma_tracks(tables / "tracks.csv"):
        number = row["track_id"].zfill(6)
        path = files.pop(number, None)
        if path is None:
            if row.get("set.subset") in expected:
                faults.append(Fault(number, "listed, but there is no such file"))
            continue
        label = row.get("track.genre_top") or _fma_top(row.get("track.genres", ""), names, top)
        if not label:
            faults.append(Fault(number, "no genre in tracks.csv"))
            continue
        clips.append(
            Clip(
                number,
                path,
                label,
                row.get("artist.name", ""),
                row.get("track.title", ""),
                PARTS.get(row.get("set.split", ""), ""),
                _numbers(row, {"track.listens": "popularity", "track.duration": "duration"}),
            )
        )
    faults += [Fault(number, "not in tracks.csv") for number in sorted(files)]
    return DataSet("fma", folder, tuple(clips), tuple(faults), parents)


def _fma_tracks(file: Path) -> Iterator[dict[str, str]]:
    """Yield rows by ``group.column``; the header has three lines, the third naming the index."""
    with _opened(file) as lines:
        table = csv.reader(lines)
        try:
            groups, columns, index = next(table), next(table), next(table)
        except StopIteration:
            groups = columns = index = []
        if not index or index[0] != "track_id" or len(groups) != len(columns):
            raise MusrecError(
                f"{file} does not begin with the three header lines of FMA's tracks.csv.",
                "Use the file of fma_metadata.zip as it is.",
            )
        names = ["track_id", *(f"{a}.{b}" for a, b in zip(groups[1:], columns[1:], strict=True))]
        for row in table:
            if len(row) == len(names):
                yield dict(zip(names, row, strict=True))


def _fma_genres(file: Path) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Return titles by id, the parent's title by title, and the top level's title by id."""
    if not file.is_file():
        return {}, {}, {}
    rows = list(_rows(file, ("genre_id", "parent", "title", "top_level")))
    names = {row["genre_id"]: row["title"] for row in rows}
    parents = {row["title"]: names[row["parent"]] for row in rows if row["parent"] in names}
    return names, parents, {row["genre_id"]: names.get(row["top_level"], "") for row in rows}


def _fma_top(genres: str, names: Mapping[str, str], top: Mapping[str, str]) -> str:
    """Return the one top-level genre that all of a track's genres share, or nothing."""
    try:
        ids = [str(genre) for genre in ast.literal_eval(genres or "[]")]
    except (ValueError, SyntaxError):
        return ""
    found = {top.get(genre) or names.get(genre, "") for genre in ids} - {""}
    return found.pop() if len(found) == 1 else ""


# Spotify ------------------------------------------------------------------------------------------


def _spotify(folder: Path) -> DataSet:
    files = {path.stem: path for path in _music(folder)}
    clips: dict[str, Clip] = {}
    faults: list[Fault] = []
    absent = set()
    for row in _rows(folder / "dataset.csv", ("track_id", "track_genre")):
        track, genre = row["track_id"], row["track_genre"]
        path = files.get(track)
        if path is None or not genre:
            absent.add(track)
            continue
        if track in clips:  # the table lists a track once for each of its genres
            if clips[track].label != genre:
                faults.append(Fault(track, f"also listed as {genre}; {clips[track].label} is kept"))
            continue
        clips[track] = Clip(
            track,
            path,
            genre,
            row.get("artists", "").split(";")[0],
            row.get("track_name", ""),
            columns=_numbers(row, {}),
        )
    if absent:
        faults.append(Fault(f"{len(absent)} tracks", "listed, but there is no such file"))
    faults += [Fault(name, "not in dataset.csv") for name in sorted(files.keys() - clips.keys())]
    return DataSet("spotify", folder, tuple(clips.values()), tuple(faults))


# Folders ------------------------------------------------------------------------------------------


def _folders(folder: Path) -> DataSet:
    clips: list[Clip] = []
    faults: list[Fault] = []
    for path in _music(folder):
        inside = path.relative_to(folder)
        if len(inside.parts) == 1:
            faults.append(Fault(str(inside), "not in a folder, so it has no label"))
            continue
        artist, title = titles.read_file_name(path.name)
        clips.append(Clip(str(inside.with_suffix("")), path, inside.parts[0], artist, title))
    return DataSet("folders", folder, _unique(clips), tuple(faults))


def _unique(clips: Iterable[Clip]) -> tuple[Clip, ...]:
    """Give files that differ only in their suffix ids that differ too."""
    seen: dict[str, Clip] = {}
    for clip in clips:
        name = clip.id if clip.id not in seen else f"{clip.id}{clip.path.suffix}"
        seen[name] = Clip(name, clip.path, clip.label, clip.artist, clip.title)
    return tuple(seen.values())


_READERS: Mapping[str, Callable[[Path], DataSet]] = {
    "gtzan": _gtzan,
    "fma": _fma,
    "spotify": _spotify,
    "folders": _folders,
}
LAYOUTS = tuple(_READERS)


# Tables -------------------------------------------------------------------------------------------


def _rows(file: Path, needed: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """Yield the rows of a table as dictionaries of stripped text."""
    with _opened(file) as lines:
        table = csv.DictReader(lines)
        absent = set(needed) - set(table.fieldnames or ())
        if absent:
            raise MusrecError(
                f"{file} has no column {', '.join(sorted(absent))}.", "Check its first line."
            )
        for row in table:
            yield {name: (value or "").strip() for name, value in row.items() if name is not None}


@contextmanager
def _opened(file: Path) -> Iterator[TextIO]:
    """Open a table; raise `MusrecError` where it cannot be opened, read or parsed."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            yield stream
    except FileNotFoundError:
        raise NotFound(
            f"{file.parent} has no {file.name}.", "It belongs to the data set."
        ) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MusrecError(f"{file} cannot be read: {error}.") from None


def _numbers(row: Mapping[str, str], names: Mapping[str, str]) -> dict[str, float]:
    """Return the finite numbers of a row by column, renamed; all columns if none is named."""
    found = {}
    for column, name in (names or {column: column for column in row}).items():
        try:
            value = float(row.get(column, ""))
        except ValueError:
            continue
        if column and math.isfinite(value):
            found[name] = value
    return found
