"""Which formats are heard: their file endings, first bytes and demuxers, in one list.

Folders are searched by ending, uploads are let in by ending, and the decoder goes by the first
bytes alone, whatever the name.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from musrec.model import NotAudio

LARGEST = 512 * 1024 * 1024
"""Bytes; three hours at 320 kbit/s."""

AGAIN = "Download or export it again, and check that it plays."
OTHER_FILE = "Send an mp3, m4a, ogg, opus, flac, wav or webm file."


@dataclass(frozen=True, slots=True)
class Format:
    """One container.

    Attributes
    ----------
    label : str
        For people.
    demuxer : str
        ffmpeg's name of the one demuxer that may read it.
    endings : str
        Of file names, lower case, with a blank between them.
    magic : tuple of tuple (bytes, int, bytes)
        First bytes, and an offset with the bytes there: one such triple is enough.
    """

    label: str
    demuxer: str
    endings: str
    magic: tuple[tuple[bytes, int, bytes], ...]


def _start(*magic: bytes) -> tuple[tuple[bytes, int, bytes], ...]:
    return tuple((bytes_, 0, b"") for bytes_ in magic)


FORMATS = (
    Format("WAV", "wav", ".wav .wave .bwf", ((b"RIFF", 8, b"WAVE"), (b"RF64", 8, b"WAVE"))),
    Format("Wave64", "w64", ".w64", _start(b"riff.\x91\xcf\x11")),
    Format("AIFF", "aiff", ".aif .aiff .aifc", ((b"FORM", 8, b"AIF"),)),
    Format("Core Audio", "caf", ".caf", _start(b"caff")),
    Format("AU", "au", ".au .snd", _start(b".snd")),
    Format("MP3", "mp3", ".mp3 .mp2 .mp1 .mpga", ()),  # no magic: `_bare_frames`
    Format("AAC", "aac", ".aac .adts", ()),
    Format("FLAC", "flac", ".flac", _start(b"fLaC")),
    Format("Ogg", "ogg", ".ogg .oga .opus .spx", _start(b"OggS")),
    Format("WebM", "matroska", ".webm .weba .mka .mkv", _start(b"\x1aE\xdf\xa3")),
    Format("MP4", "mp4", ".m4a .m4b .m4r .mp4 .m4v .3gp .3g2 .3gpp", ((b"", 4, b"ftyp"),)),
    Format(
        "QuickTime",
        "mov",
        ".mov .qt",
        tuple((b"", 4, atom) for atom in (b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")),
    ),
    Format("WavPack", "wv", ".wv", _start(b"wvpk")),
    Format("True Audio", "tta", ".tta", _start(b"TTA1")),
    Format("Monkey's Audio", "ape", ".ape", _start(b"MAC ")),
    Format("Dolby Digital", "ac3", ".ac3", ()),
    Format("Dolby Digital Plus", "eac3", ".eac3 .ec3", ()),
    Format("AMR", "amr", ".amr .awb", _start(b"#!AMR\n", b"#!AMR-WB\n")),
    Format("Windows Media", "asf", ".wma .asf .wmv", _start(b"0&\xb2u\x8ef\xcf\x11")),
)

ENDINGS = frozenset(ending for form in FORMATS for ending in form.endings.split())
"""Of the files that a folder is searched for; a file named outright is tried whatever its name."""

_BY_DEMUXER = {form.demuxer: form for form in FORMATS}

_OTHERS = (
    (b"#EXTM3U", "a playlist: it only says where music is"),
    (b"[playlist]", "a playlist: it only says where music is"),
    (b"PK\x03\x04", "a zip archive (or an office document)"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"Rar!", "a rar archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"MThd", "a MIDI file: notes without sound"),
    (b"RIFF", "a RIFF file with something other than WAV in it"),
    (b"FLV", "a Flash video, which is not supported"),
    (b"MPCK", "a Musepack file, which is not supported"),
    (b"MP+", "a Musepack file, which is not supported"),
    (b"tBaK", "a TAK file, which is not supported"),
    (b"DSD ", "a DSD file, which is not supported"),
    (b"FRM8", "a DSD file, which is not supported"),
    (b"MZ", "a program"),
    (b"\x7fELF", "a program"),
)


def sniff(data: bytes) -> Format:
    """Return what a file is by its first bytes.

    Raises
    ------
    NotAudio
        The bytes are something else, too many, or none.
    """
    if not data:
        raise NotAudio("The file is empty.", AGAIN)
    if len(data) > LARGEST:
        raise NotAudio(
            f"The file is larger than {LARGEST // 2**20} MiB.", "Send a shorter excerpt of it."
        )
    if data.startswith(b"ID3"):
        return _behind_id3(data)
    if form := _by_magic(data[:64]):
        return form
    for magic, what in _OTHERS:
        if data.startswith(magic):
            raise NotAudio(f"This is {what}.", OTHER_FILE)
    if form := _bare_frames(data[:16384]):
        return form
    raise NotAudio(f"This is not audio{_guess(data[:1024])}.", OTHER_FILE)


def _by_magic(head: bytes) -> Format | None:
    for form in FORMATS:
        for first, at, more in form.magic:
            if head.startswith(first) and head.startswith(more, at):
                return form
    return None


def _behind_id3(data: bytes) -> Format:
    """Return what follows ID3 tags: mostly mp3, but some programs put them before other formats."""
    at = behind_id3(data)
    start = data[at : at + 16384]
    return _by_magic(start[:64]) or _bare_frames(start) or _BY_DEMUXER["mp3"]


def _bare_frames(data: bytes) -> Format | None:
    """Recognise audio without a header by three frames, each where the previous one ends."""
    if data.startswith(b"\x0bw"):
        return _BY_DEMUXER["eac3" if len(data) > 5 and data[5] >> 3 > 10 else "ac3"]
    at = data.find(b"\xff")
    while 0 <= at < 8192:
        position, names = at, set[str]()
        for _ in range(3):
            name, length = _frame(data[position : position + 6])
            names.add(name)
            position += length
        if names in ({"mp3"}, {"aac"}):
            return _BY_DEMUXER[names.pop()]
        at = data.find(b"\xff", at + 1)
    return None


_BITRATES = {  # kbit/s by (MPEG-1?, layer), index 1 to 14; ISO 11172-3 and 13818-3
    (True, 1): range(32, 449, 32),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


def _frame(header: bytes) -> tuple[str, int]:
    """Return name and length in bytes of the MPEG audio frame that begins here, or ``("", 0)``."""
    if len(header) < 6 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return "", 0
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    if layer == 4:  # no layer: AAC in ADTS
        length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
        return ("aac", length) if header[1] & 0xF6 == 0xF0 and length >= 7 else ("", 0)
    bitrate, rate = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or rate == 3 or not 1 <= bitrate <= 14:
        return "", 0
    first = version == 3
    hertz = (44_100, 48_000, 32_000)[rate] >> (0 if first else 1 if version == 2 else 2)
    bits = _BITRATES[first, layer][bitrate - 1] * 1000
    padding = header[2] >> 1 & 1
    if layer == 1:
        return "mp3", (12 * bits // hertz + padding) * 4
    return "mp3", (144 if first or layer == 2 else 72) * bits // hertz + padding


def _guess(head: bytes) -> str:
    text = head.lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<script")):
        return " but a web page"
    if text.startswith((b"http://", b"https://")):
        return " but a link"
    with contextlib.suppress(UnicodeDecodeError):
        if head[:-3].decode().isprintable() or b"\0" not in head:
            return " but text"
    return ""


def behind_id3(data: bytes) -> int:
    """Return where a file goes on behind its ID3v2 tags; 0 if it has none."""
    at = 0
    while data.startswith(b"ID3", at):
        at += 10 + synchsafe(data[at + 6 : at + 10])
    return at


def synchsafe(field: bytes) -> int:
    """Return the number in an ID3 field: seven bits in each byte."""
    value = 0
    for byte in field:
        value = value << 7 | byte & 0x7F
    return value
