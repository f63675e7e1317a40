"""Files of this machine: which to hear, their bytes, and who they say they are."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from musrec.audio import tags
from musrec.audio.tags import Tags
from musrec.formats import ENDINGS, LARGEST
from musrec.model import NotAudio, NotFound, Track, track_id
from musrec.titles import artists_of, read_file_name


def audio_files(paths: Iterable[Path]) -> tuple[list[Path], list[tuple[Path, str]]]:
    """List the audio files below some paths, in order, and what cannot be looked into."""
    files: list[Path] = []
    problems: list[tuple[Path, str]] = []
    walked: set[tuple[int, int]] = set()

    def complain(error: OSError) -> None:
        problems.append((Path(error.filename), f"It cannot be opened: {error.strerror}."))

    for path in paths:
        try:
            if not path.is_dir():
                files.append(path)
                continue
        except OSError as error:
            complain(error)
            continue
        for folder, below, names in os.walk(path, onerror=complain, followlinks=True):
            if not _is_first(folder, walked):  # links may lead in circles
                below.clear()
                continue
            below.sort()
            files += [Path(folder, name) for name in sorted(names) if _is_audio(name)]
    return list(dict.fromkeys(file.absolute() for file in files)), problems


def _is_first(folder: str, walked: set[tuple[int, int]]) -> bool:
    """Whether a folder was not walked before; whatever its name, it is one."""
    try:
        found = Path(folder).stat()
    except OSError:
        return False
    place = found.st_dev, found.st_ino
    if place in walked:
        return False
    walked.add(place)
    return True


def _is_audio(name: str) -> bool:
    return Path(name).suffix.lower() in ENDINGS and not name.startswith(".")


def read_clip(path: Path) -> bytes:
    """Read a file to be heard.

    Raises
    ------
    OSError
        It cannot be read.
    NotAudio
        It is far larger than any song, or no file: a pipe would have us wait for ever.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise NotAudio("It is not a file.")
    if found.st_size > LARGEST:
        raise NotAudio(
            f"It is larger than {LARGEST // 2**20} MiB.", "Send a shorter excerpt of it."
        )
    with path.open("rb") as file:
        return file.read(LARGEST + 1)  # one that grows without end is refused, too


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
            return read_clip(path), path.name
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
