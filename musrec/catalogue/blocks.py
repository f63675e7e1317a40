"""Columns in files: numbers and texts of many songs, mapped into memory and added to at the end.

One folder holds one file per column, and a manifest that says how many rows are valid. The database
stays the truth: what is damaged, or was half written when a process died, is computed again from
it.

- A writer holds ``lock``, reads what others have added, writes its rows after them, and replaces
  the manifest as a whole. Rows beyond those of the manifest do not exist.
- Files grow in steps, sparse at their end, so that a mapping is good for many songs to come. What
  is written to a file shows in every mapping of it, in every process.
- The manifest keeps a CRC-32 of every stretch of each column, and `damaged` compares them.
- Each recipe (versions, models, settings) has a folder of its own. Whoever opens one holds
  ``open``, and removes the folders that nobody holds.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import shutil
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from musrec import archives

if sys.platform != "win32":  # where the columns stay in memory
    import fcntl

if TYPE_CHECKING:
    from numpy.typing import NDArray

STRETCH = 4_096
"""Rows of a column under one checksum."""

TEXT_STRETCH = 1 << 20
"""Bytes of a text under one checksum."""

ROOM = 1_024
"""The fewest rows that a file grows by; a large one grows by a quarter."""

MANIFEST = "manifest"


@dataclass(frozen=True, slots=True)
class Column:
    """Type of a column's numbers, and how many each row has; 0 for one that is no array."""

    dtype: str
    width: int = 0


class _File:
    """The numbers of one column: in a mapped file, or in memory without a path."""

    def __init__(self, path: Path | None, column: Column, stretch: int) -> None:
        self._path, self._stretch = path, stretch
        self._dtype = np.dtype(column.dtype)
        self._shape = (column.width,) if column.width else ()
        self._row_bytes = self._dtype.itemsize * max(column.width, 1)
        self._all: NDArray[Any] = np.empty((0, *self._shape), self._dtype)
        self.length = 0
        self.checks: list[int] = []

    @property
    def values(self) -> NDArray[Any]:
        """The valid rows; what is appended later shows in later views only."""
        return self._all[: self.length]

    def adopt(self, length: int, checks: list[int]) -> None:
        """Take in what a manifest says; raises ValueError if the file is too short for it."""
        if self._path is not None and length > len(self._all):
            self._map()
        if length > len(self._all):
            raise ValueError(f"{self._path} has fewer rows than its manifest says")
        self.length, self.checks = length, list(checks)

    def append(self, values: NDArray[Any]) -> None:
        values = np.ascontiguousarray(values, self._dtype).reshape(-1, *self._shape)
        start, end = self.length, self.length + len(values)
        if end > len(self._all):
            self._grow(end + max(ROOM, end // 4))
        self._put(start, values)
        at = start
        while at < end:
            stretch, stop = at // self._stretch, min(end, (at // self._stretch + 1) * self._stretch)
            before = self.checks.pop() if at % self._stretch else 0
            self.checks.append(zlib.crc32(_bytes(values[at - start : stop - start]), before))
            assert len(self.checks) == stretch + 1
            at = stop
        self.length = end

    def replace(self, row: int, values: NDArray[Any]) -> None:
        """Write over some rows, all of which are valid."""
        values = np.ascontiguousarray(values, self._dtype).reshape(-1, *self._shape)
        self._put(row, values)
        last = max(row + len(values) - 1, row)
        for stretch in range(row // self._stretch, last // self._stretch + 1):
            self.checks[stretch] = self._check(stretch)

    def damaged(self) -> list[slice]:
        """Return the stretches that are not as they were written."""
        return [
            slice(at * self._stretch, min((at + 1) * self._stretch, self.length))
            for at, check in enumerate(self.checks)
            if self._check(at) != check
        ]

    def sync(self) -> None:
        if self._path is not None and self._path.exists():
            with self._path.open("rb") as file:
                os.fsync(file.fileno())

    def _check(self, stretch: int) -> int:
        part = slice(stretch * self._stretch, min((stretch + 1) * self._stretch, self.length))
        return zlib.crc32(_bytes(self._all[part]))

    def _put(self, row: int, values: NDArray[Any]) -> None:
        if self._path is None:
            self._all[row : row + len(values)] = values
            return
        left = _bytes(values)
        with self._path.open("r+b", buffering=0) as file:
            file.seek(row * self._row_bytes)
            while left:
                left = left[file.write(left) :]

    def _grow(self, rows: int) -> None:
        if self._path is None:
            before, self._all = self._all, np.empty((rows, *self._shape), self._dtype)
            self._all[: self.length] = before[: self.length]
            return
        with self._path.open("ab") as file:
            os.ftruncate(file.fileno(), rows * self._row_bytes)
        self._map()

    def _map(self) -> None:
        assert self._path is not None
        size = self._path.stat().st_size if self._path.exists() else 0
        if rows := size // self._row_bytes:
            shape = (rows, *self._shape)
            self._all = np.asarray(np.memmap(self._path, self._dtype, "r", shape=shape))


class Texts:
    """The texts of one generation."""

    def __init__(self, files: Mapping[str, _File]) -> None:
        self._files = files

    def one(self, name: str, row: int) -> str:
        """Return the text of a row."""
        at, size = (int(self._files[f"{name}.{of}"].values[row]) for of in ("at", "size"))
        return self._files[name].values[at : at + size].tobytes().decode()

    def some(self, name: str, rows: NDArray[np.intp]) -> list[str]:
        """Return the texts of some rows."""
        starts, sizes = (self._files[f"{name}.{of}"].values[rows] for of in ("at", "size"))
        whole, ends = _bytes(self._files[name].values), (starts + sizes).tolist()
        return [str(whole[at:end], "utf-8") for at, end in zip(starts.tolist(), ends, strict=True)]

    def all(self, name: str, first: int = 0) -> list[str]:
        """Return the texts of all rows from `first`."""
        starts, sizes = (self._files[f"{name}.{of}"].values[first:] for of in ("at", "size"))
        if not len(starts):
            return []
        lowest = int(starts.min())
        whole = self._files[name].values[lowest:].tobytes()
        ends = (starts + sizes - lowest).tolist()
        return [
            whole[at:end].decode() for at, end in zip((starts - lowest).tolist(), ends, strict=True)
        ]


class Blocks:
    """Columns of one recipe, by name; see the module.

    Attributes
    ----------
    rows : int
        How many rows are valid.
    facts : dict
        What else is known of them, as JSON; committed with them.
    arrays : dict of str to NDArray
        The same, as arrays.
    generation : str
        Changes if rows have moved or vanished: rows of another generation mean nothing here.
    """

    def __init__(
        self, folder: Path | None, columns: Mapping[str, Column], texts: Iterable[str]
    ) -> None:
        if sys.platform == "win32":
            folder = None
        self._folder, self._texts = folder, tuple(texts)
        self._columns = {
            **columns,
            **{f"{name}.at": Column("<i8") for name in self._texts},
            **{f"{name}.size": Column("<i4") for name in self._texts},
        }
        self.facts: dict[str, Any] = {}
        self.arrays: dict[str, NDArray[Any]] = {}
        self._files: dict[str, _File] = {}
        self._held: IO[bytes] | None = None
        self._seen = b""
        if folder is not None:
            for each in (folder.parent, folder):  # nobody else's business
                each.mkdir(0o700, parents=True, exist_ok=True)
        self._begin()
        if folder is not None:
            self._held = (folder / "open").open("ab")
            fcntl.flock(self._held, fcntl.LOCK_SH)
            _sweep(folder)
            self._read()

    def close(self) -> None:
        """Let others remove the folder once no process uses it."""
        if self._held is not None:
            self._held.close()

    @property
    def recipe(self) -> str:
        """What the columns are made by, as their folder is named; "" in memory."""
        return "" if self._folder is None else self._folder.name

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns of numbers."""
        return tuple(self._columns)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._files[name].values

    def bound(self) -> Texts:
        """Return the texts of this generation: they stay when another one begins."""
        return Texts(self._files)

    def text(self, name: str, row: int) -> str:
        """Return the text of a row."""
        return self.bound().one(name, row)

    def texts(self, name: str, first: int = 0) -> list[str]:
        """Return the texts of all rows from `first`."""
        return self.bound().all(name, first)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Let this process alone write; what it does not commit is as if it had not been."""
        if self._folder is None:
            yield
            return
        with (self._folder / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._read()
            try:
                yield
            except BaseException:
                self._seen = b""
                self._read()
                raise

    def append(self, numbers: Mapping[str, NDArray[Any]], texts: Mapping[str, list[str]]) -> None:
        """Add rows at the end; `numbers` and `texts` name every column."""
        for name, values in self._written(numbers, texts).items():
            self._files[name].append(values)
        self.rows = len(next(iter(self._files.values())).values)

    def replace(
        self, row: int, numbers: Mapping[str, NDArray[Any]], texts: Mapping[str, list[str]]
    ) -> None:
        """Write over rows; columns that are not named stay."""
        for name, values in self._written(numbers, texts).items():
            if name in texts:
                self._files[name].append(values)
            else:
                self._files[name].replace(row, values)

    def keep(self, rows: NDArray[np.intp]) -> None:
        """Keep only these rows, in a new generation."""
        old, facts, arrays = self._files, self.facts, self.arrays
        self._begin()
        self.facts, self.arrays = facts, arrays
        for start in range(0, len(rows), STRETCH):
            part = rows[start : start + STRETCH]
            texts = {}
            for name in self._texts:
                spans = (old[f"{name}.{of}"].values[part].tolist() for of in ("at", "size"))
                whole = old[name].values
                texts[name] = [
                    whole[a : a + n].tobytes().decode() for a, n in zip(*spans, strict=True)
                ]
            numbers = {
                name: old[name].values[part]
                for name in self._columns
                if name.partition(".")[0] not in self._texts
            }
            self.append(numbers, texts)

    def reset(self) -> None:
        """Begin a new generation without rows."""
        self._begin()

    def commit(self, *, sync: bool = False) -> None:
        """Make the rows valid, in every process and after a restart.

        Parameters
        ----------
        sync : bool
            Wait until the columns are on the disk: without, a power cut damages the newest rows.
        """
        if self._folder is None:
            return
        header = {
            "generation": self.generation,
            "rows": self.rows,
            "facts": self.facts,
            "files": {name: [file.length, file.checks] for name, file in self._files.items()},
        }
        if sync:
            for file in self._files.values():
                file.sync()
        packed = io.BytesIO()
        said = np.frombuffer(json.dumps(header).encode(), np.uint8)
        np.savez(packed, allow_pickle=False, header=said, **self.arrays)
        body = packed.getvalue()
        written = zlib.crc32(body).to_bytes(4, "little") + body
        partial = self._folder / f"{MANIFEST}.part"
        with partial.open("wb") as out:
            out.write(written)
            out.flush()
            os.fsync(out.fileno())
        partial.replace(self._folder / MANIFEST)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._seen = written[:4]
        for other in self._folder.iterdir():
            if other.is_dir() and other.name != self.generation:
                shutil.rmtree(other, ignore_errors=True)  # mappings of it stay good

    def damaged(self, names: Iterable[str] | None = None) -> dict[str, NDArray[np.intp]]:
        """Return the rows of each column (by default of all) that are not as they were written."""
        found = {}
        for name in self._files.keys() & (self._files if names is None else set(names)):
            parts = self._files[name].damaged()
            if not parts:
                continue
            if name not in self._texts:
                rows = [np.arange(part.start, part.stop) for part in parts]
            else:
                starts, sizes = self[f"{name}.at"], self[f"{name}.size"]
                rows = [
                    np.flatnonzero((starts < part.stop) & (starts + sizes > part.start))
                    for part in parts
                ]
            found[name] = np.unique(np.concatenate(rows))
        return found

    def _written(
        self, numbers: Mapping[str, NDArray[Any]], texts: Mapping[str, list[str]]
    ) -> dict[str, NDArray[Any]]:
        values = dict(numbers)
        for name, of in texts.items():
            coded = [text.encode(errors="replace") for text in of]
            sizes = np.array([len(each) for each in coded], np.int64)
            values[f"{name}.at"] = self._files[name].length + np.cumsum(sizes) - sizes
            values[f"{name}.size"] = sizes
            values[name] = np.frombuffer(b"".join(coded), np.uint8)
        return values

    def _begin(self, generation: str | None = None) -> None:
        self.generation = generation or secrets.token_hex(4)
        self.rows = 0
        self.facts, self.arrays = {}, {}
        place = None if self._folder is None else self._folder / self.generation
        if place is not None:
            place.mkdir(0o700, parents=True, exist_ok=True)

        def at(name: str) -> Path | None:
            return None if place is None else place / name

        self._files = {
            **{name: _File(at(name), each, STRETCH) for name, each in self._columns.items()},
            **{name: _File(at(name), Column("u1"), TEXT_STRETCH) for name in self._texts},
        }

    def _read(self) -> None:
        """Take in the manifest; begin a new generation if there is none that can be used."""
        assert self._folder is not None
        try:
            written = (self._folder / MANIFEST).read_bytes()
            if written[:4] == self._seen:
                return
            if zlib.crc32(written[4:]).to_bytes(4, "little") != written[:4]:
                raise ValueError("the manifest is damaged")
            arrays = archives.read(io.BytesIO(written[4:]))
            header = json.loads(arrays.pop("header").tobytes())
            if header["generation"] != self.generation:
                self._begin(header["generation"])
            for name, file in self._files.items():
                file.adopt(*header["files"][name])
            self.rows, self.facts, self.arrays = header["rows"], header["facts"], arrays
            self._seen = written[:4]
        except (OSError, ValueError, KeyError, EOFError):
            self._begin()
            self._seen = b""


def _bytes(values: NDArray[Any]) -> memoryview:
    flat: Any = values.reshape(-1).view(np.uint8)
    return memoryview(flat)


def _sweep(folder: Path) -> None:
    """Remove the folders of other recipes that no process has open."""
    for other in folder.parent.iterdir():
        if other == folder or not (other / "open").exists():
            continue
        with (other / "open").open("ab") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            shutil.rmtree(other, ignore_errors=True)
