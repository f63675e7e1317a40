"""Which formats are heard: their file endings, first bytes and demuxers, in one list.

Folders are searched by ending, uploads are let in by ending, and the decoder goes by the first
bytes alone, whatever the name.
"""

from __future__ import annotations

import contextlib
import re
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
    Format(
        "WAV",
        "wav",
        ".wav .wave .bwf",
        tuple((head, 8, b"WAVE") for head in (b"RIFF", b"RIFX", b"RF64", b"BW64")),
    ),
    Format("Wave64", "w64", ".w64", _start(b"riff.\x91\xcf\x11")),
    Format("AIFF", "aiff", ".aif .aiff .aifc", ((b"FORM", 8, b"AIF"),)),
    Format("8SVX", "iff", ".8svx .iff", ((b"FORM", 8, b"8SVX"), (b"FORM", 8, b"16SV"))),
    Format("DSD", "iff", ".dff", ((b"FRM8", 12, b"DSD "),)),
    Format("DSD", "dsf", ".dsf", _start(b"DSD ")),
    Format("Core Audio", "caf", ".caf", _start(b"caff")),
    Format("AU", "au", ".au .snd", _start(b".snd")),
    Format("MP3", "mp3", ".mp3 .mp2 .mp1 .mpga", ()),  # no magic: `_bare_frames`
    Format("AAC", "aac", ".aac .adts", ()),
    Format("AAC", "loas", ".loas .latm", ()),
    Format("FLAC", "flac", ".flac", _start(b"fLaC")),
    Format("Ogg", "ogg", ".ogg .oga .ogv .opus .spx", _start(b"OggS")),
    Format("WebM", "matroska", ".webm .weba .mka .mkv", _start(b"\x1aE\xdf\xa3")),
    Format(
        "MP4",
        "mp4",
        ".m4a .m4b .m4r .mp4 .m4v .f4v .f4a .3gp .3g2 .3gpp",
        tuple((b"", 4, atom) for atom in (b"ftyp", b"styp", b"moof", b"sidx")),
    ),
    Format(
        "QuickTime",
        "mov",
        ".mov .qt",
        tuple(
            (b"", 4, atom)
            for atom in (b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"udta", b"uuid")
        ),
    ),
    Format("AVI", "avi", ".avi", ((b"RIFF", 8, b"AVI "),)),
    Format("Flash video", "flv", ".flv", _start(b"FLV\x01")),
    Format("MPEG transport stream", "mpegts", ".m2ts .mts", ()),
    Format(
        "MPEG",
        "mpeg",
        ".mpg .mpeg .vob",
        _start(*(b"\0\0\x01" + code for code in (b"\xba", b"\xbb", b"\xbd", b"\xc0", b"\xe0"))),
    ),
    Format("MXF", "mxf", ".mxf", _start(b"\x06\x0e+4\x02\x05\x01\x01")),
    Format("GXF", "gxf", ".gxf", _start(b"\0\0\0\0\x01\xbc")),
    Format("Windows recorded TV", "wtv", ".wtv", _start(b"\xb7\xd8\x00 7I\xda\x11")),
    Format("NUT", "nut", ".nut", _start(b"nut/multimedia container\0")),
    Format("RealMedia", "rm", ".rm .ra .rmvb", _start(b".RMF", b".ra\xfd")),
    Format("Sony OpenMG", "oma", ".oma .aa3", _start(b"ea3", b"EA3")),
    Format("WavPack", "wv", ".wv", _start(b"wvpk")),
    Format("True Audio", "tta", ".tta", _start(b"TTA1")),
    Format("Monkey's Audio", "ape", ".ape", _start(b"MAC ")),
    Format("Musepack", "mpc", ".mpc .mp+", _start(b"MP+")),
    Format("Musepack", "mpc8", "", _start(b"MPCK")),
    Format("TAK", "tak", ".tak", _start(b"tBaK")),
    Format("Shorten", "shn", ".shn", _start(b"ajkg")),
    Format("QOA", "qoa", ".qoa", _start(b"qoaf")),
    Format("Dolby Digital", "ac3", ".ac3", ()),
    Format("Dolby Digital Plus", "eac3", ".eac3 .ec3", ()),
    Format("Dolby TrueHD", "truehd", ".thd", ((b"", 4, b"\xf8ro\xba"),)),
    Format("MLP", "mlp", ".mlp", ((b"", 4, b"\xf8ro\xbb"),)),
    Format(
        "DTS",
        "dts",
        ".dts",
        _start(b"\x7f\xfe\x80\x01", b"\xfe\x7f\x01\x80", b"\x1f\xff\xe8\0", b"\xff\x1f\0\xe8"),
    ),
    Format("AMR", "amr", ".amr .awb", _start(b"#!AMR\n", b"#!AMR-WB\n")),
    Format("Windows Media", "asf", ".wma .asf .wmv", _start(b"0&\xb2u\x8ef\xcf\x11")),
    Format("Creative Voice", "voc", ".voc", _start(b"Creative Voice File\x1a")),
    Format("SoX", "sox", ".sox", _start(b".SoX", b"XoS.")),
    Format(
        "IRCAM",
        "ircam",
        ".sf .ircam",
        _start(*(b"d\xa3" + kind + b"\0" for kind in (b"\1", b"\2", b"\3", b"\4"))),
    ),
    Format("ADX", "adx", ".adx", ()),
)

ENDINGS = frozenset(ending for form in FORMATS for ending in form.endings.split())
"""Of the files that a folder is searched for; a file named outright is tried whatever its name."""

_BY_DEMUXER = {form.demuxer: form for form in FORMATS}

_PICTURES = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis", b"crx ")
"""Brands of ISO files (ISO 14496-12) that hold pictures."""

_OTHERS = (
    (0, b"#EXTM3U", "a playlist: it only says where music is"),
    (0, b"[playlist]", "a playlist: it only says where music is"),
    (0, b"PK\x03\x04", "a zip archive (or an office document)"),
    (0, b"PK\x05\x06", "an empty zip archive"),
    (0, b"Rar!", "a rar archive"),
    (0, b"7z\xbc\xaf", "a 7z archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"BZh", "a bzip2 archive"),
    (0, b"\xfd7zXZ", "an xz archive"),
    (0, b"(\xb5/\xfd", "a zstd archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\x89PNG", "a picture"),
    (0, b"\xff\xd8\xff", "a picture"),
    (0, b"GIF8", "a picture"),
    (0, b"II*\0", "a picture"),
    (0, b"MM\0*", "a picture"),
    (8, b"WEBP", "a picture"),
    (0, b"MThd", "a MIDI file: notes without sound"),
    (8, b"RMID", "a MIDI file: notes without sound"),
    (0, b"Extended Module: ", "a tracker module: notes and samples, which are not played here"),
    (0, b"IMPM", "a tracker module: notes and samples, which are not played here"),
    (44, b"SCRM", "a tracker module: notes and samples, which are not played here"),
    (1080, b"M.K.", "a tracker module: notes and samples, which are not played here"),
    (0, b"SNES-SPC700", "music for a games console, which is not played here"),
    (0, b"NESM\x1a", "music for a games console, which is not played here"),
    (0, b"PSID", "music for a home computer, which is not played here"),
    (0, b"RSID", "music for a home computer, which is not played here"),
    (0, b"Vgm ", "music for a games console, which is not played here"),
    (4, b"W\x90u6", "an Audible book, which is encrypted"),
    (0, b"RIFF", "a RIFF file with something other than sound in it"),
    (0, b"FORM", "an IFF file with something other than sound in it"),
    (0, b"FWS", "a Flash program"),
    (0, b"CWS", "a Flash program"),
    (0, b"SQLite format 3", "a database"),
    (0, b"MZ", "a program"),
    (0, b"\x7fELF", "a program"),
)
"""What else people send: where its first bytes stand, and what it is."""


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
    begin = sound_begins(data)
    head = data[begin : begin + 2048]
    if head[4:8] == b"ftyp" and head[8:12] in _PICTURES:
        raise NotAudio("This is a picture.", OTHER_FILE)
    if form := _by_magic(head) or _transport_stream(head):
        return form
    for at, magic, what in _OTHERS:
        if head.startswith(magic, at):
            raise NotAudio(f"This is {what}.", OTHER_FILE)
    if form := _bare_frames(data[begin : begin + _SEARCHED]) or _transport_stream(head, cut=True):
        return form
    if data.startswith(b"ID3"):  # behind such tags comes mp3, however damaged
        return _BY_DEMUXER["mp3"]
    raise NotAudio(f"This is not audio{_guess(data[:1024])}.", OTHER_FILE)


_SEARCHED = 65536
"""Bytes in which the first frame of a format without a header must begin."""


def _by_magic(head: bytes) -> Format | None:
    for form in FORMATS:
        for first, at, more in form.magic:
            if head.startswith(first) and head.startswith(more, at):
                return form
    return None


def _transport_stream(head: bytes, *, cut: bool = False) -> Format | None:
    """Recognise packets of 188 bytes, with 4 more before each on discs, 16 more behind on air.

    A recording may be cut in the middle of one.
    """
    for length, first in ((188, 0), (192, 4), (204, 0)):
        for at in range(length) if cut else (first,):
            if head[at : at + 4 * length + 1 : length] == b"G" * 5:
                return _BY_DEMUXER["mpegts"]
    return None


def _bare_frames(data: bytes) -> Format | None:
    """Recognise audio without a header by three frames, each where the previous one ends."""
    if data.startswith(b"\x0bw"):
        return _BY_DEMUXER["eac3" if len(data) > 5 and data[5] >> 3 > 10 else "ac3"]
    if data.startswith(b"\x80\0") and data[4:6] == b"\x03\x12":
        return _BY_DEMUXER["adx"]
    if (
        data[:1] == b"\x56" and len(data) > 2 and data[1] & 0xE0 == 0xE0
    ):  # LOAS: a syncword of 11 bits, then the length
        following = 3 + ((data[1] & 0x1F) << 8 | data[2])
        if data[following : following + 1] == b"\x56":
            return _BY_DEMUXER["loas"]
    at = data.find(b"\xff")
    while at >= 0:
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


def behind_id3(data: bytes, at: int = 0) -> int:
    """Return where a file goes on behind the ID3v2 tags that begin there, if any do."""
    while data.startswith(b"ID3", at):
        foot = data[at + 5] & 0x10 if len(data) > at + 5 else 0  # a flag: ten more bytes
        at += 10 + synchsafe(data[at + 6 : at + 10]) + (10 if foot else 0)
    return at


def sound_begins(data: bytes) -> int:
    """Return where a file goes on behind what may stand before any format.

    That is ID3 and APE tags, zeros, and the mark or blank lines that a web server put there.
    """
    at, before = 0, -1
    while at != before:
        before = at
        at = behind_id3(data, at)
        if data.startswith(b"APETAGEX", at):
            at += 32 + int.from_bytes(data[at + 12 : at + 16], "little")
        elif (blank := _BLANK.match(data, at)) and _by_magic(data[blank.end() : blank.end() + 64]):
            at = blank.end()
        elif zeros := _ZEROS.match(data, at):
            at = zeros.end()
            at -= next((own for own in (3, 4) if _by_magic(data[at - own : at + 64])), 0)
    return min(at, len(data))


_BLANK = re.compile(rb"(?:\xef\xbb\xbf|[\r\n\t ]){1,64}")
_ZEROS = re.compile(rb"\0{64,}")
"""More than a header begins with."""


def synchsafe(field: bytes) -> int:
    """Return the number in an ID3 field: seven bits in each byte."""
    value = 0
    for byte in field:
        value = value << 7 | byte & 0x7F
    return value
