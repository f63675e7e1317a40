"""Reads a data set from a folder, by its layout; nothing is downloaded.

GTZAN
    Files named ``<genre>.<number>.<ext>``, loose or in folders of genres. A ``clips.csv`` with the
    columns ``clip, artist, title, split`` above them names artists and parts (B. Sturm, "The GTZAN
    dataset: its contents, its faults, their effects on evaluation, and its future use", 2013).
    The fault-filtered lists ``train_filtered.txt``, ``valid_filtered.txt`` and
    ``test_filtered.txt`` (C. Kereliuk, B. Sturm, J. Larsen, "Deep learning and music adversaries",
    IEEE TMM 17, 2015) name parts. What the table or the lists do not name is left out.
FMA
    ``fma_metadata/tracks.csv`` beside ``fma_small``, ``fma_medium``, ``fma_large`` or ``fma_full``
    (M. Defferrard et al., "FMA: a dataset for music analysis", ISMIR 2017), with its own parts.
    ``genres.csv`` gives the hierarchy, ``features.csv`` published features, and ``echonest.csv``
    columns such as ``danceability``; each of the three may be absent.
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
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import numpy as np

from musrec import titles
from musrec.formats import ENDINGS
from musrec.lab.model import Clip, DataSet, Fault, Published
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
_NO_FILE = "listed, but there is no such file"
_FMA_SUBSETS = ("small", "medium", "large", "full")
"""Each holds those before it; a track names the smallest that it is in."""

_FMA_FEATURES = {
    "chroma_stft": "chroma",
    "rmse": "rms",
    "zcr": "zero_crossing_rate",
}
"""FMA's names of features to ours, where they differ."""

_COUNT = {3: "three", 4: "four"}

_ECHONEST = ("audio_features", "social_features")
"""The groups of ``echonest.csv`` that are numbers with a name."""


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
        One of its tables cannot be read; the message names the file and what is wrong.
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


def under(data: DataSet, genre: str) -> DataSet:
    """Return the clips of one genre, labelled by the genres right below it in the hierarchy.

    Raises
    ------
    MusrecError
        The data set has no hierarchy, or nothing below that genre.
    """
    below = sorted(child for child, parent in data.parents.items() if parent == genre)
    if not below:
        tops = sorted(set(data.parents.values()))
        raise MusrecError(
            f"Nothing is known below the genre {genre!r}.",
            f"Use one of: {', '.join(tops)}." if tops else "Only FMA has a hierarchy of genres.",
        )
    clips, faults = [], list(data.faults)
    for clip in data.clips:
        found = {
            name
            for each in clip.genres
            for name in _lineage(each, data.parents)
            if data.parents.get(name) == genre
        }
        if len(found) == 1:
            clips.append(replace(clip, label=found.pop()))
        elif genre == clip.label or genre in clip.genres or found:
            many = "more than one genre" if found else "no genre"
            faults.append(Fault(clip.id, f"{many} right below {genre}"))
    if not clips:
        raise NotFound(
            f"No clip of {data.folder} has just one of the genres below {genre}.",
            f"They are: {', '.join(below)}.",
        )
    return replace(data, clips=tuple(clips), faults=tuple(faults))


def _lineage(genre: str, parents: Mapping[str, str]) -> list[str]:
    """Return a genre and all above it; a circle in the table ends."""
    found = [genre]
    while (above := parents.get(found[-1])) and above not in found:
        found.append(above)
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


def _by_stem(paths: Iterable[Path], faults: list[Fault]) -> dict[str, Path]:
    """Return files by their name without suffix; of several, the first is kept."""
    files: dict[str, Path] = {}
    for path in paths:
        if path.stem in files:
            faults.append(Fault(path.name, f"a second file of {path.stem}"))
        else:
            files[path.stem] = path
    return files


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
        if parts and name not in parts:
            faults.append(Fault(name, "not in the fault-filtered lists"))
            continue
        if listed and name not in listed:
            faults.append(Fault(name, "not in clips.csv"))
            continue
        row = listed.get(name, {})
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
    wanted = (parts or listed).keys()
    faults += [Fault(name, _NO_FILE) for name in sorted(wanted - seen)]
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
    faults: list[Fault] = []
    files = _by_stem((path for place in audio for path in _music(place)), faults)
    here = {place.name.removeprefix("fma_") for place in audio}
    expected = set(_FMA_SUBSETS[: max(map(_FMA_SUBSETS.index, here)) + 1])
    clips: dict[str, Clip] = {}
    for row in _fma_rows(tables / "tracks.csv", 3, faults):
        number = row["track_id"].zfill(6)
        if number in clips:
            faults.append(Fault(number, "listed twice; the first row is kept"))
            continue
        path = files.pop(number, None)
        if path is None:
            if row.get("set.subset") in expected:
                faults.append(Fault(number, _NO_FILE))
            continue
        own = _fma_ids(row.get("track.genres_all") or row.get("track.genres", ""))
        label = row.get("track.genre_top") or _fma_top(own, names, top)
        if not label:
            faults.append(Fault(number, "no genre in tracks.csv"))
            continue
        clips[number] = Clip(
            number,
            path,
            label,
            row.get("artist.name", ""),
            row.get("track.title", ""),
            PARTS.get(row.get("set.split", ""), ""),
            _numbers(row, {"track.listens": "popularity", "track.duration": "duration"}),
            tuple(names[genre] for genre in own if genre in names),
        )
    faults += [Fault(number, "not in tracks.csv") for number in sorted(files)]
    echonest = _fma_echonest(tables / "echonest.csv", clips)
    return DataSet(
        "fma",
        folder,
        tuple(
            replace(clip, columns={**clip.columns, **echonest.get(number, {})})
            for number, clip in clips.items()
        ),
        tuple(faults),
        parents,
        _fma_features(tables / "features.csv", clips),
    )


def _fma_rows(
    file: Path, header: int, faults: list[Fault], *, only: Collection[str] | None = None
) -> Iterator[dict[str, str]]:
    """Yield rows of one of FMA's tables by ``group.column``, and the index as ``track_id``.

    Parameters
    ----------
    header : int
        Lines of it; the last one begins with ``track_id`` and holds nothing else.
    only : collection of str, optional
        Six-digit track ids; all other rows are skipped.
    """
    with _opened(file) as lines:
        table = csv.reader(lines)
        above = [line for _, line in zip(range(header), table, strict=False)]
        if (
            len(above) < header
            or above[-1][:1] != ["track_id"]
            or any(above[-1][1:])
            or len(set(map(len, above))) != 1
        ):
            raise MusrecError(
                f"{file} does not begin with the {_COUNT[header]} header lines of FMA's own.",
                "Use the file of fma_metadata.zip as it is.",
            )
        names = ["track_id", *(".".join(filter(None, each)) for each in zip(*above, strict=True))]
        del names[1]  # of the index itself
        if only is not None:  # features.csv of all FMA is a gigabyte: most of it is not parsed
            table = csv.reader(line for line in lines if line.partition(",")[0].zfill(6) in only)
        for row in table:
            if len(row) == len(names):
                yield dict(zip(names, row, strict=True))
            elif row:
                told = f"{len(row)} of {len(names)} columns in {file.name}"
                faults.append(Fault(row[0].zfill(6), told))


def _fma_features(file: Path, clips: Collection[str]) -> Published:
    """Return the published statistics of the clips at hand, renamed to ours."""
    if not file.is_file():
        return Published()
    names: tuple[str, ...] = ()
    values = {}
    for row in _fma_rows(file, 4, [], only=clips):
        number = row.pop("track_id").zfill(6)
        names = names or tuple(map(_feature_name, row))
        try:
            values[number] = np.array([float(value or "nan") for value in row.values()], np.float32)
        except ValueError:
            raise MusrecError(
                f"{file} has something other than numbers in the row of track {number}.",
                "Use the file of fma_metadata.zip as it is.",
            ) from None
    return Published(names, values)


def _feature_name(column: str) -> str:
    """Return our name of a published statistic: ``mfcc.mean.01`` is ``mfcc_0_mean``."""
    feature, _, rest = column.partition(".")
    moment, _, number = rest.partition(".")
    feature = _FMA_FEATURES.get(feature, feature)
    single = feature in ("rms", "zero_crossing_rate") or (
        feature.startswith("spectral_") and feature != "spectral_contrast"
    )
    if single or not number.isdigit():
        return f"{feature}_{moment}"
    return f"{feature}_{int(number) - 1}_{moment}"


def _fma_echonest(file: Path, clips: Collection[str]) -> dict[str, dict[str, float]]:
    """Return columns such as ``danceability`` by clip."""
    if not file.is_file():
        return {}
    return {
        row["track_id"].zfill(6): _numbers(
            row,
            {
                column: column.rpartition(".")[2]
                for column in row
                if any(f"{group}." in column for group in _ECHONEST)
            },
        )
        for row in _fma_rows(file, 4, [], only=clips)
    }


def _fma_genres(file: Path) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Return titles by id, the parent's title by title, and the top level's title by id."""
    if not file.is_file():
        return {}, {}, {}
    rows = list(_rows(file, ("genre_id", "parent", "title", "top_level")))
    names = {row["genre_id"]: row["title"] for row in rows}
    parents = {row["title"]: names[row["parent"]] for row in rows if row["parent"] in names}
    return names, parents, {row["genre_id"]: names.get(row["top_level"], "") for row in rows}


def _fma_ids(genres: str) -> list[str]:
    """Return the ids in a cell such as ``[12, 45]``."""
    try:
        return [str(genre) for genre in ast.literal_eval(genres or "[]")]
    except (ValueError, SyntaxError, TypeError):
        return []


def _fma_top(genres: Iterable[str], names: Mapping[str, str], top: Mapping[str, str]) -> str:
    """Return the one top-level genre that all of a track's genres share, or nothing."""
    found = {top.get(genre) or names.get(genre, "") for genre in genres} - {""}
    return found.pop() if len(found) == 1 else ""


# Spotify ------------------------------------------------------------------------------------------


def _spotify(folder: Path) -> DataSet:
    faults: list[Fault] = []
    files = _by_stem(_music(folder), faults)
    clips: dict[str, Clip] = {}
    absent: set[str] = set()
    unlabelled: set[str] = set()
    for row in _rows(folder / "dataset.csv", ("track_id", "track_genre")):
        track, genre = row["track_id"], row["track_genre"]
        path = files.get(track)
        if path is None:
            absent.add(track)
            continue
        if not genre:
            unlabelled.add(track)
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
        count = f"{len(absent)} track{'' if len(absent) == 1 else 's'}"
        faults.append(Fault(count, _NO_FILE))
    bare = unlabelled - clips.keys()
    faults += [Fault(name, "no genre in dataset.csv") for name in sorted(bare)]
    rest = files.keys() - clips.keys() - bare
    faults += [Fault(name, "not in dataset.csv") for name in sorted(rest)]
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
