"""Tables of clips: genre and artist, librosa statistics, and the tagger's outputs if available.

A folder of tables contains

``clips.csv``
    ``clip, genre, artist, title`` and optionally ``split``; artist and title may be empty.
``librosa_statistics.csv.gz`` (optional if there are taggrams)
    ``clip`` and one column per statistic, such as ``mfcc_1_mean`` (librosa's coefficient 1).
``musicnn_taggrams*.npz`` (optional, any number)
    ``X`` (rows, 50): tag probabilities of overlapping patches; ``IDS`` (rows,): the clip of each.

Everything is checked while it is read; an error names the file and the line.
"""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from musrec import archives
from musrec.audio.features import STATISTIC_NAMES
from musrec.model import MusrecError, NotFound

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.model import FloatArray

STATISTICS = "librosa_statistics.csv.gz"
N_TAGS = 50
LARGEST = 256 * 1024 * 1024
"""Bytes of one file, unpacked; more is refused."""

# The tables' own names where they differ from ours. Their tonnetz is librosa's default, made from a
# constant-Q chromagram and counted from one; our series of that name comes from the STFT.
_RENAMED = {
    "spectral_roll_of": "spectral_rolloff",
    **{f"tonnetz_{i + 1}": f"tonnetz_cq_{i}" for i in range(6)},
}


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """Clips as parallel rows.

    Attributes
    ----------
    folder : Path
    clips, genres, artists, titles, splits : NDArray of str, shape (n,)
        Empty if not known.
    columns : tuple of str, length c
        Names of `table`, as in the file.
    table : FloatArray, shape (n, c)
        Every statistic of the file.
    statistics : FloatArray, shape (n, len(STATISTIC_NAMES))
        The same under our names; NaN where the file has no such statistic or defines it otherwise,
        and throughout where there is no file.
    tag_mean, tag_std : FloatArray, shape (n, 50)
        Over the patches of each clip; NaN throughout for clips without a taggram.
    """

    folder: Path
    clips: NDArray[np.str_]
    genres: NDArray[np.str_]
    artists: NDArray[np.str_]
    titles: NDArray[np.str_]
    splits: NDArray[np.str_]
    columns: tuple[str, ...]
    table: FloatArray
    statistics: FloatArray
    tag_mean: FloatArray
    tag_std: FloatArray

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def tagged(self) -> NDArray[np.bool_]:
        """Which clips have a taggram, shape (n,)."""
        return np.asarray(np.isfinite(self.tag_mean).all(axis=1))

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Which clips have statistics, shape (n,)."""
        return np.asarray(np.isfinite(self.statistics).any(axis=1))

    @property
    def performers(self) -> NDArray[np.str_]:
        """Artist of each clip, for keeping artists apart, shape (n,).

        Clips of unknown artist count as one artist per genre: two of them may be by the same
        artist, so neither may help to recognise the other.
        """
        names = [
            " ".join(artist.casefold().split()) or f"? {genre}"
            for artist, genre in zip(self.artists, self.genres, strict=True)
        ]
        return np.array(names)

    def rows(self, which: NDArray[np.bool_] | NDArray[np.int_]) -> Tables:
        """Return some of the clips."""
        return replace(
            self,
            **{
                name: getattr(self, name)[which]
                for name in (
                    *("clips", "genres", "artists", "titles", "splits"),
                    *("table", "statistics", "tag_mean", "tag_std"),
                )
            },
        )

    def split(self, name: str) -> Tables:
        """Return the clips of one split; raise `NotFound` if there are none."""
        which = self.splits == name
        if not which.any():
            there = ", ".join(sorted(set(self.splits.tolist()) - {""})) or "none"
            raise NotFound(f"{self.folder} has no clips of the split {name!r}; it has: {there}.")
        return self.rows(which)


def load(folder: Path) -> Tables:
    """Read a folder of tables.

    Raises
    ------
    NotFound
        The folder or ``clips.csv`` is missing, or both the statistics and the taggrams are.
    MusrecError
        Something in a file is wrong; the message says what and where.
    """
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}.", "Name a folder that holds clips.csv.")
    who = _clips(folder / "clips.csv")
    clips = list(who)
    columns, table = _statistics(folder / STATISTICS, clips)
    mean, std = _tags(folder, clips)
    if not columns and np.isnan(mean).all():
        raise NotFound(
            f"{folder} has neither {STATISTICS} nor taggrams of the clips.",
            "Name a folder that holds one of them besides clips.csv.",
        )
    text = np.array([who[clip] for clip in clips], dtype=np.str_)
    return Tables(
        folder=folder,
        clips=np.array(clips),
        genres=text[:, 0],
        artists=text[:, 1],
        titles=text[:, 2],
        splits=text[:, 3],
        columns=columns,
        table=table,
        statistics=_ours(columns, table),
        tag_mean=mean,
        tag_std=std,
    )


def _clips(path: Path) -> dict[str, tuple[str, str, str, str]]:
    found: dict[str, tuple[str, str, str, str]] = {}
    with _open(path) as stream:
        rows = csv.DictReader(stream)
        absent = {"clip", "genre", "artist", "title"} - set(rows.fieldnames or ())
        if absent:
            raise MusrecError(f"{path} has no column {', '.join(sorted(absent))}.")
        for row in rows:
            clip, genre = (row["clip"] or "").strip(), (row["genre"] or "").strip()
            if not clip or not genre:
                raise MusrecError(f"{path}, line {rows.line_num}: clip or genre is empty.")
            if clip in found:
                raise MusrecError(f"{path}, line {rows.line_num}: {clip} is listed twice.")
            rest = ((row.get(name) or "").strip() for name in ("artist", "title", "split"))
            artist, title, split = rest
            found[clip] = (genre, artist, title, split)
    if not found:
        raise MusrecError(f"{path} holds no clips.")
    return found


def _statistics(path: Path, clips: list[str]) -> tuple[tuple[str, ...], FloatArray]:
    """Return the names of the columns, and one row per clip; no columns without a file."""
    if not path.exists():
        return (), np.empty((len(clips), 0), dtype=np.float32)
    found: dict[str, FloatArray] = {}
    with _open(path) as stream:
        rows = csv.reader(stream)
        head = next(rows, [])
        if len(head) < 2 or head[0] != "clip" or len(set(head)) != len(head):
            raise MusrecError(f"{path}: the first line is not 'clip' and the names of statistics.")
        for row in rows:
            where = f"{path}, line {rows.line_num}"
            if len(row) != len(head):
                raise MusrecError(f"{where}: {len(row)} cells instead of {len(head)}.")
            try:
                values = np.array(row[1:], dtype=np.float64)
            except ValueError:
                raise MusrecError(f"{where}: a cell is not a number.") from None
            if not np.isfinite(values).all():
                raise MusrecError(f"{where}: a number is not finite.")
            found[row[0]] = values.astype(np.float32)
    missing = [clip for clip in clips if clip not in found]
    if missing:
        raise MusrecError(
            f"{path} lacks {len(missing)} clips of clips.csv; the first is {missing[0]}."
        )
    return tuple(head[1:]), np.stack([found[clip] for clip in clips])


def _tags(folder: Path, clips: list[str]) -> tuple[FloatArray, FloatArray]:
    place = {clip: i for i, clip in enumerate(clips)}
    mean = np.full((len(clips), N_TAGS), np.nan, dtype=np.float32)
    std = mean.copy()
    for path in sorted(folder.glob("musicnn_taggrams*.npz")):
        try:
            with zipfile.ZipFile(path) as archive:
                if sum(part.file_size for part in archive.infolist()) > LARGEST:
                    raise MusrecError(f"{path} unpacks to more than {LARGEST >> 20} MiB.")
            x, ids = archives.read(path, "X", "IDS").values()
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise MusrecError(f"{path} cannot be read: it needs X and IDS ({error}).") from None
        if x.ndim != 2 or x.shape[1] != N_TAGS or ids.shape != (len(x),):
            raise MusrecError(f"{path}: X is {x.shape} and IDS {ids.shape}, not (n, 50) and (n,).")
        if not (np.isfinite(x).all() and x.min(initial=0) >= 0 and x.max(initial=0) <= 1):
            raise MusrecError(f"{path}: X holds values that are not probabilities.")
        # Files name the clip by a path such as blues/blues.00029.au.
        names = np.array([PurePosixPath(str(name)).stem for name in ids])
        for name in np.unique(names):
            if (row := place.get(str(name))) is not None:
                patches = x[names == name].astype(np.float64)
                mean[row], std[row] = patches.mean(axis=0), patches.std(axis=0)
    return mean, std


def _ours(columns: tuple[str, ...], table: FloatArray) -> FloatArray:
    out = np.full((len(table), len(STATISTIC_NAMES)), np.nan, dtype=np.float32)
    place = {name: i for i, name in enumerate(STATISTIC_NAMES)}
    for column, name in enumerate(columns):
        series, _, moment = name.rpartition("_")
        ours = place.get(f"{_RENAMED.get(series, series)}_{moment}")
        if ours is not None:
            out[:, ours] = table[:, column]
    if columns and np.isnan(out).all():
        raise MusrecError("None of the statistics has a name that I know.")
    return out


def _open(path: Path) -> io.StringIO:
    """Return the text of a file, which may be compressed by gzip."""
    if not path.is_file():
        raise NotFound(f"{path.parent} has no {path.name}.", "Name a folder of tables.")
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            data = stream.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise MusrecError(f"{path} unpacks to more than {LARGEST >> 20} MiB.")
        return io.StringIO(data.decode("utf-8-sig"), newline="")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise MusrecError(f"{path} cannot be read: {error}.") from None
