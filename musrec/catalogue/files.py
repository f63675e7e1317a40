"""Files of this machine: which to hear, their bytes, and who they say they are."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from musrec.audio.decode import LARGEST
from musrec.catalogue.model import AUDIO_SUFFIXES
from musrec.model import NotAudio, NotFound, Track, track_id
from musrec.titles import read_file_name


def audio_files(paths: Iterable[Path]) -> tuple[list[Path], list[tuple[Path, str]]]:
    """List the audio files below some paths, in order, and what cannot be looked into."""
    files: list[Path] = []
    problems: list[tuple[Path, str]] = []

    def complain(error: OSError) -> None:
        problems.append((Path(error.filename), f"It cannot be opened: {error.strerror}."))

    for path in paths:
        if not path.is_dir():
            files.append(path)
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
        It is far larger than any song.
    """
    if path.stat().st_size > LARGEST:
        raise NotAudio(
            f"It is larger than {LARGEST // 2**20} MiB.", "Send a shorter excerpt of it."
        )
    return path.read_bytes()


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
    if path.suffix.lower() in AUDIO_SUFFIXES and "://" not in text:
        raise NotFound(f"There is no file at {text}.", "Check the path.")
    return None


def tags(data: bytes) -> dict[str, str]:
    """Read the tags of a file, and its length as ``seconds``."""
    import io

    import mutagen

    try:
        file = mutagen.File(io.BytesIO(data), easy=True)
    except mutagen.MutagenError:
        file = None
    if file is None:
        return {}
    tags = {key: str(values[0]).strip() for key, values in (file.tags or {}).items() if values}
    seconds = getattr(file.info, "length", None)
    return tags | ({"seconds": str(seconds)} if seconds else {})


def track_of(tags: Mapping[str, str], name: str, digest: str) -> Track:
    """Say who a clip is: by its tags, else by its file name."""
    artist, title = read_file_name(name)
    artist = tags.get("artist") or artist
    isrc = tags.get("isrc", "").replace("-", "").upper()
    identities = {"sha256": digest}
    if re.fullmatch(r"[A-Z]{2}[A-Z0-9]{3}\d{7}", isrc):
        identities["isrc"] = isrc
    year = tags.get("date", "")[:4]
    return Track(
        id=track_id("sha256", digest),
        title=tags.get("title") or title,
        artists=(artist,) if artist else (),
        album=tags.get("album") or None,
        genre=tags.get("genre") or None,
        year=int(year) if year.isdecimal() else None,
        isrc=identities.get("isrc"),
        duration=float(tags["seconds"]) if "seconds" in tags else None,
        identities=identities,
        provenance={"title": "tags" if tags.get("title") else "file name"},
    )
