"""Files of this machine: which to hear, their bytes, and who they say they are."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from musrec.audio import tags
from musrec.audio.tags import Tags
from musrec.catalogue.model import FileStamp
from musrec.formats import ENDINGS, LARGEST
from musrec.model import Busy, NotAudio, NotFound, Track, track_id
from musrec.titles import artists_of, read_file_name


@dataclass(frozen=True, slots=True)
class Found:
    """An audio file below a folder, with its stamp; or what cannot be looked into, and why."""

    name: str
    stamp: FileStamp | None = None
    problem: str = ""

    @property
    def path(self) -> Path:
        """Where it is."""
        return Path(self.name)


def normalised(path: Path) -> Path:
    """Return the one name of a folder or file, however it was written; links are followed."""
    try:
        return path.expanduser().resolve()
    except (OSError, RuntimeError):  # links in a circle, or no such home folder
        return path.absolute()


def walk(paths: Iterable[Path], silent: Sequence[Path] = ()) -> Iterator[Found | Path]:
    """Yield the audio files below some paths as they are found, each folder in order.

    Each folder is announced by its path. Linked folders are looked into, and every folder once,
    though links lead in circles. Only audio files cost a look at the file itself.

    Parameters
    ----------
    silent : sequence of Path
        Folders that did not answer, in the order in which they were announced. They are passed
        over, and only what comes after the last of them is yielded.
    """
    names = list(dict.fromkeys(normalised(path) for path in paths))
    single = {str(name) for name in names if not name.is_dir()}
    met: set[tuple[int, int]] = set()
    closed = [str(folder) for folder in silent]
    for name in names:
        if str(name) in single:
            inside: Iterable[Found | Path] = [_found(str(name), name.stat)]
        else:
            inside = _below(str(name), met, single, closed)
        for found in inside:
            if not closed or isinstance(found, Path):
                yield found


def _below(
    folder: str, met: set[tuple[int, int]], single: set[str], closed: list[str]
) -> Iterator[Found | Path]:
    """Yield what `walk` does of one folder; folders that are passed over leave `closed`."""
    folders = [folder]
    while folders:
        folder = folders.pop()
        if folder in closed:
            closed.remove(folder)
            continue
        yield Path(folder)
        try:
            status = os.stat(folder)  # noqa: PTH116 - as fast as it can be
            if (identity := (status.st_dev, status.st_ino)) in met:
                continue
            met.add(identity)
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            yield Found(folder, problem=_unopened(error))
            continue
        below = []
        for entry in listed:
            if _is_folder(entry):
                below.append(entry.path)
            elif _is_audio(entry.name) and entry.path not in single:
                yield _found(entry.path, entry.stat)
        folders += reversed(below)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _found(name: str, stat: Callable[[], os.stat_result]) -> Found:
    try:
        return Found(name, FileStamp.of(name, stat()))
    except OSError as error:
        return Found(name, problem=_unopened(error))


def _unopened(error: OSError) -> str:
    return f"It cannot be opened: {error.strerror}."


def _is_audio(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in ENDINGS and not name.startswith(".")  # noqa: PTH122


def read_clip(path: Path) -> tuple[bytes, FileStamp]:
    """Read a file to be heard, with its stamp.

    Raises
    ------
    OSError
        It cannot be read.
    NotAudio
        It is far larger than any song, or no file: a pipe would have us wait for ever.
    Busy
        It changes while it is read.
    """
    before = path.stat()
    if not stat.S_ISREG(before.st_mode):
        raise NotAudio("It is not a file.")
    if before.st_size > LARGEST:
        raise NotAudio(
            f"It is larger than {LARGEST // 2**20} MiB.", "Send a shorter excerpt of it."
        )
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)  # one that grows without end is refused, too
    stamp = FileStamp.of(path)
    if stamp != FileStamp.of(path, before) or len(data) != stamp.size:
        raise Busy("It changed while it was read.", "Add it again once it is complete.")
    return data, stamp


def clip_at(text: str) -> tuple[bytes, str] | None:
    """Read the file that a text names; None if there is none, so that it must be a title.

    Returns
    -------
    tuple of bytes and str, or None
        The content and the file name.

    Raises
    ------
    NotFound
        It is a folder, cannot be read, or looks like the path of an audio file that is not there.
    NotAudio
        It is far larger than any song.
    """
    path = Path(text)
    with contextlib.suppress(RuntimeError):  # a title that begins with ~ but names no home folder
        path = path.expanduser()
    try:
        if path.is_dir():
            raise NotFound(f"{text} is a folder.", f"Index it first: musrec add {text}")
        if path.is_file():
            return read_clip(path)[0], path.name
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:  # as a long link is
            raise NotFound(f"{text} cannot be read: {error.strerror}.", "Check the file.") from None
    if path.suffix.lower() in ENDINGS and "://" not in text:
        raise NotFound(f"There is no file at {text}.", "Check the path.")
    return None


def track_of(said: Tags, name: str, digest: str) -> Track:
    """Say who a clip is: by its tags, else by its file name."""
    artist, title = read_file_name(readable(name))
    named = () if tags.is_nobody(artist) else artists_of([artist])
    identities = {"sha256": digest}
    if said.isrc:
        identities["isrc"] = said.isrc
    return Track(
        id=track_id("sha256", digest),
        title=said.title or title,
        artists=said.artists or named,
        album=said.album,
        genre=said.genre,
        year=said.year,
        isrc=said.isrc,
        duration=said.duration,
        identities=identities,
        provenance={"title": "tags" if said.title else "file name"},
    )


def readable(name: str) -> str:
    """Return a file name on one line, without control characters or halves of characters.

    On most systems a name is any bytes: those that are not UTF-8 are read as tags are.
    """
    with contextlib.suppress(UnicodeEncodeError):  # half a character, from the network
        name = tags.repaired(name)
    return tags.clean(name) or "untitled"
