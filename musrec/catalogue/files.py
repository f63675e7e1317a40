"""Files of this machine: which to hear, their bytes, and who they say they are."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from musrec.audio import tags
from musrec.audio.formats import LARGEST
from musrec.audio.tags import Tags
from musrec.catalogue.model import AUDIO_SUFFIXES
from musrec.model import NotAudio, Track, track_id
from musrec.titles import read_file_name


def audio_files(paths: Iterable[Path]) -> tuple[list[Path], list[tuple[Path, str]]]:
    """List the audio files below some paths, in order, and what cannot be looked into."""
    files: list[Path] = []
    problems: list[tuple[Path, str]] = []

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
        for folder, below, names in os.walk(path, onerror=complain):
            below.sort()
            files += [Path(folder, name) for name in sorted(names) if _is_audio(name)]
    return list(dict.fromkeys(file.absolute() for file in files)), problems


def _is_audio(name: str) -> bool:
    return Path(name).suffix.lower() in AUDIO_SUFFIXES and not name.startswith(".")


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
    return path.read_bytes()


def track_of(said: Tags, name: str, digest: str) -> Track:
    """Say who a clip is: by its tags, else by its file name."""
    artist, title = read_file_name(readable(name))
    identities = {"sha256": digest}
    if said.isrc:
        identities["isrc"] = said.isrc
    return Track(
        id=track_id("sha256", digest),
        title=said.title or title,
        artists=said.artists or ((artist,) if artist else ()),
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

    On most systems a name is any bytes: what is not UTF-8 reads as "\ufffd".
    """
    whole = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return tags.clean(whole) or "untitled"
