"""Who a file says it is: its tags, read beside the decoder in the same process with limits.

ffmpeg's demuxers read the tags of every container. Three things they do not: they keep one artist
where ID3 and MP4 name several, they do not look for APE tags behind an mp3, and they hand on text
in whatever encoding it was written. Those are done here.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import re
import struct
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Literal

from musrec.formats import behind_id3, synchsafe
from musrec.titles import artists_of

LONGEST = 300
"""Characters of one value; the rest is cut off."""

MOST_ARTISTS = 16

MOST_COMMENTS = 1000
"""Comments of one file; ffmpeg's time grows with the square of their number."""

_MP4 = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")
_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}\d{7}")
_YEAR = re.compile(r"(?<!\d)(1\d{3}|20\d\d)(?!\d(?!\d{3}))")


@dataclass(frozen=True, slots=True)
class Tags:
    """What a file says of itself; "" and None where it says nothing.

    Attributes
    ----------
    title : str
    artists : tuple of str
        Main artist first.
    isrc : str or None
        Twelve letters and digits.
    duration : float or None
        Of the whole recording, seconds.
    """

    title: str = ""
    artists: tuple[str, ...] = ()
    album: str | None = None
    genre: str | None = None
    year: int | None = None
    isrc: str | None = None
    duration: float | None = None


def read(metadata: Mapping[str, str], data: bytes) -> Tags:
    """Return the tags of a file.

    Parameters
    ----------
    metadata : mapping of str to str
        As ffmpeg's demuxer read it; bytes that are not UTF-8 as surrogate escapes (PEP 383).
    data : bytes
        The whole file.
    """
    found = {key.casefold(): value for key, value in metadata.items()}
    ape = _ape(data)
    # An ID3v2 tag stands before the sound and was written last; ID3v1 cuts everything off.
    found = {**ape, **found} if data.startswith(b"ID3") else {**found, **ape}

    def first(*keys: str) -> str:
        return next((found[key] for key in keys if found.get(key)), "")

    named = _artists(data)
    if len(named) < 2 and (found.get("artists") or ape or not named):
        named = [first("artists", "artist", "author", "album_artist", "albumartist", "performer")]
    texts = {key: first(key) for key in ("title", "album", "genre")}
    for key, names in (("title", (b"TT2", b"TIT2")), ("album", (b"TAL", b"TALB"))):
        texts[key] = next(iter(_id3_texts(data, *names)), "") or texts[key]
    texts = {key: text[: 4 * LONGEST] for key, text in texts.items()}
    named = [name[: 4 * LONGEST] for name in named[: 4 * MOST_ARTISTS]]
    encoding = encoding_of(b"\n".join(filter(None, map(_raw, [*texts.values(), *named]))))
    title, album, genre = (clean(_repaired(text, encoding)) for text in texts.values())
    isrc = first("isrc", "tsrc").replace("-", "").strip().upper()
    year = _YEAR.search(first("date", "year", "tyer", "originaldate", "originalyear", "creation"))
    artists = artists_of(clean(_repaired(name, encoding)) for name in named)
    artists = tuple(name for name in artists if not is_nobody(name))
    return Tags(
        title="" if _NO_TITLE.fullmatch(title) else title,
        artists=artists[:MOST_ARTISTS],
        album=album or None,
        genre=genre or None,
        year=int(year[1]) if year else None,
        isrc=isrc if _ISRC.fullmatch(isrc) else None,
    )


def is_nobody(artist: str) -> bool:
    """Whether a program wrote it because it knew no artist."""
    return _NOBODY.fullmatch(artist) is not None


_NOBODY = re.compile(
    r"[<\[(]?(?:unknown(?: artist)?|various(?: artists)?|unbekannt\w*(?: interpret| künstler)?"
    r"|artiste inconnu|artista (?:desconocido|desconhecido|sconosciuto)|неизвестный исполнитель"
    r"|不明なアーティスト|未知艺术家|알 수 없는 아티스트)[>\])]?",
    re.IGNORECASE,
)
_NO_TITLE = re.compile(
    r"(?:(?:audio ?)?track|titel|piste|pista|traccia|faixa|дорожка|トラック|音轨|트랙)[ _]*\d+"
    r"|[<\[(]?(?:unknown|untitled)[>\])]?",
    re.IGNORECASE,
)


def prepare() -> None:
    """Load every codec that `read` may need, before files can no longer be opened."""
    bytewise = [encoding for script in _SCRIPTS for encoding in script.encodings]
    latin = [encoding for encoding, _, _ in _LATIN]
    utf = ("utf-8", "utf-16-le", "utf-16-be")
    for encoding in (*utf, "latin-1", "ascii", "cp1252", *bytewise, *latin, *_PLAUSIBLE):
        codecs.lookup(encoding)


def clean(text: str) -> str:
    """Return one short line of text that every database and terminal takes.

    Control characters, the invisible signs that turn the direction of writing, and halves of
    characters become spaces. Text of which nothing shows is "".
    """
    text = text[: 4 * LONGEST].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    text = "".join(" " if unprintable(sign) else sign for sign in text if sign not in _NO_WIDTH)
    text = unicodedata.normalize("NFC", " ".join(text.split()))[:LONGEST].strip()
    return text if any(map(_visible, text)) else ""


def _visible(sign: str) -> bool:
    return unicodedata.category(sign)[0] in "LNPS" and sign not in _BLANKS


def unprintable(sign: str) -> bool:
    """Whether a character would drive a terminal or turn text around instead of showing."""
    return unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") or sign in _DIRECTIONS


_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

_NO_WIDTH = frozenset("\u00ad\u200b\u2060\ufeff")
"""Nothing at all; the joiners of emoji and of Persian are not among them."""

_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that look like spaces."""


# Between the two processes ------------------------------------------------------------------------


def pack(tags: Tags) -> bytes:
    """Return tags as bytes for `unpack`."""
    return json.dumps(asdict(tags)).encode()


def unpack(packed: bytes) -> Tags:
    """Return tags from the bytes of a process that is not trusted.

    Raises
    ------
    ValueError
        They are not tags.
    """
    said: Any = json.loads(packed)
    try:
        words = {name: said[name] for name in ("title", "album", "genre", "isrc")}
        artists, year = said["artists"], said["year"]
        strings = [*filter(None, words.values()), *artists]
        fine = all(isinstance(text, str) and clean(text) == text for text in strings)
    except (KeyError, TypeError) as error:
        raise ValueError("not tags") from error
    if not fine or len(artists) > MOST_ARTISTS or not (year is None or type(year) is int):
        raise ValueError("not tags")
    return Tags(artists=tuple(artists), year=year, **words)


# What ffmpeg leaves out ---------------------------------------------------------------------------


def comments(data: bytes) -> int:
    """Return how many comments a file holds, or states to hold; 0 if unknown."""
    begin = behind_id3(data)
    found = sum(1 for _ in _id3_frames(data, 0))
    if data.startswith(b"fLaC", begin):
        return max(found, _flac_comments(data, begin + 4))
    if data.startswith(b"OggS", begin):
        heads = re.finditer(rb"OpusTags|\x03vorbis", data)
        return max(found, *(_count(data, head.end()) for head in heads), 0)
    if data.startswith(_CHUNKED):
        return max(found, _riff_texts(data), sum(1 for _ in _id3_frames(data, _id3_chunk(data))))
    if data.startswith(b"\x1aE\xdf\xa3"):  # Matroska: SimpleTag, then its TagName
        return sum(1 for _ in re.finditer(rb"\x67\xc8.{1,8}\x45\xa3", data, re.DOTALL))
    if data[4:8] in _MP4:  # atoms for what has no name of its own, and for QuickTime's keys
        free = re.finditer(rb"----.{4}(?:mean|name|data)", data, re.DOTALL)
        return sum(1 for _ in free) + data.count(b"mdta")
    return found


_CHUNKED = (b"RIFF", b"RF64", b"FORM")


def _flac_comments(data: bytes, at: int) -> int:
    """Return how many comments the blocks of a FLAC file state, which ffmpeg puts together."""
    count = 0
    while len(data) >= at + 4:
        kind, length = data[at], int.from_bytes(data[at + 1 : at + 4], "big")
        if kind & 0x7F == 4:
            count += _count(data, at + 4)
        if kind & 0x80:
            break
        at += 4 + length
    return count


def _riff_texts(data: bytes) -> int:
    """Return how many texts the LIST chunks of a WAV file hold."""
    count = 0
    for begin, end in _chunks(data):
        if data.startswith(b"LIST", begin - 8) and data.startswith(b"INFO", begin):
            count += sum(1 for _ in _chunks(data, begin + 4, end))
    return count


def _count(data: bytes, at: int) -> int:
    """Return the number of comments behind the name of the program that wrote them."""
    try:
        (length,) = struct.unpack_from("<I", data, at)
        (count,) = struct.unpack_from("<I", data, at + 4 + length)
    except struct.error:
        return 0
    return int(count)


def _artists(data: bytes) -> list[str]:
    """Return the artists of a file in its container's own way of naming several."""
    if named := _id3_artists(data):
        return named
    begin = behind_id3(data)
    if data[4:8] in _MP4:
        return _mp4_artists(data)
    if data.startswith(_CHUNKED, begin):
        return _chunk_artists(data[begin:])
    if data.startswith(b"\x1aE\xdf\xa3", begin):
        return _matroska_artists(data)
    if data.startswith(b"0&\xb2u\x8ef\xcf\x11", begin):
        return _asf_artists(data)
    return []


def _id3_artists(data: bytes) -> list[str]:
    """Return the artists of an ID3v2 tag: those of its list, if a program wrote one."""
    for text in _id3_texts(data, b"TXX", b"TXXX", split=False):
        what, _, values = text.partition("\0")
        if what.strip("\ufeff ").casefold() == "artists":
            return [name for value in values.split("\0") if (name := value.strip("\ufeff "))]
    return _id3_texts(data, b"TP1", b"TPE1")


def _chunk_artists(data: bytes) -> list[str]:
    """Return the artists of a WAV file's INFO lists, or of an AIFF file's AUTH chunks."""
    found: list[bytes] = []
    for begin, end in _chunks(data):
        if data.startswith(b"AUTH", begin - 8):
            found.append(data[begin:end])
        elif data.startswith(b"LIST", begin - 8) and data.startswith(b"INFO", begin):
            found += [
                data[at:to]
                for at, to in _chunks(data, begin + 4, end)
                if data.startswith(b"IART", at - 8)
            ]
    return _texts(found)


def _matroska_artists(data: bytes) -> list[str]:
    """Return the artists of the first tag of a Matroska file that names any (RFC 9559)."""
    places = islice(re.finditer(_TAGS, data), 4)  # the first is in the index of the file
    for place in places:
        _, begin, end = next(_elements(data, place.start(), len(data)), (b"", 0, 0))
        for tag, first, last in _elements(data, begin, end):
            found: list[bytes] = []
            for simple, at, to in _elements(data, first, last) if tag == _TAG else ():
                parts = dict[bytes, bytes]()
                for part, left, right in _elements(data, at, to) if simple == _SIMPLE_TAG else ():
                    parts[part] = data[left:right]
                if parts.get(_TAG_NAME, b"").upper() == b"ARTIST":
                    found.append(parts.get(_TAG_STRING, b""))
            if found:
                return _texts(found)
    return []


_TAGS, _TAG, _SIMPLE_TAG = b"\x12T\xc3g", b"ss", b"g\xc8"
_TAG_NAME, _TAG_STRING = b"E\xa3", b"D\x87"


def _elements(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield id, begin and end of the contents of EBML elements (RFC 8794)."""
    while at < end and data[at] >= 0x10:
        id_ = data[at : at + 9 - data[at].bit_length()]
        at += len(id_)
        if at >= end or not data[at]:
            return
        width = 9 - data[at].bit_length()
        size = int.from_bytes(data[at : at + width], "big") & ~(1 << 7 * width)
        begin = at + width
        at = min(begin + size, end)
        yield id_, begin, at


def _asf_artists(data: bytes) -> list[str]:
    """Return the values of the attributes named Author of a Windows Media file."""
    found: list[bytes] = []
    names = re.finditer(re.escape("Author\0".encode("utf-16-le")), data)
    for name in islice(names, 4 * MOST_ARTISTS):
        begin, end = name.span()
        if data[begin - 2 : begin] == b"\x0e\0":  # of the extended content description
            kind, length = data[end : end + 2], data[end + 2 : end + 4]
            begin = end + 4
        else:  # of the metadata library
            kind, length = data[begin - 6 : begin - 4], data[begin - 4 : begin]
            begin = end
        if kind == b"\0\0":
            size = min(int.from_bytes(length, "little"), 2**14)
            found.append(data[begin : begin + size].decode("utf-16-le", "replace").encode())
    return _texts(found)


def _texts(found: list[bytes]) -> list[str]:
    texts = [one[: 2**14].rstrip(b"\0").decode("utf-8", "surrogateescape") for one in found]
    return [text for text in texts if text.strip()]


def _id3_texts(data: bytes, *names: bytes, split: bool = True) -> list[str]:
    """Return the texts of such frames in an ID3v2 tag, at the beginning or in WAV or AIFF.

    Version 2.4 separates them by null characters, and some programs write a frame for each.
    """
    texts: list[str] = []
    begin = _id3_chunk(data) if data.startswith(_CHUNKED) else 0
    for name, text in _id3_frames(data, begin):
        if name in names and 1 < len(text) < 2**14:
            whole = _id3_text(text[0], text[1:])
            texts += whole.split("\0") if split else [whole]
    return [text.strip("\ufeff ") for text in texts if text.strip("\ufeff ")]


def _id3_text(encoding: int, raw: bytes) -> str:
    """Return the text of a frame: Latin-1 (0), UTF-16 (1, 2) or UTF-8 (3), if that is true."""
    if encoding in (1, 2):
        return _utf_16(raw)
    if len(raw) % 2 == 0 and _NO_TEXT.search(raw) and _USUAL.fullmatch(wide := _utf_16(raw)):
        return wide
    return raw.decode("latin-1") if encoding == 0 else raw.decode("utf-8", "surrogateescape")


_NO_TEXT = re.compile(rb"[\1-\x08\x0e-\x1f]|[^\0]\0[^\0]\0|\0[^\0]\0[^\0]")
_USUAL = re.compile(
    "[\0-\u06ff\u0900-\u0e7f\u2010-\u2026\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7a3\ufeff]+"
)


def _utf_16(raw: bytes) -> str:
    """Decode UTF-16 in the order that its mark states, else in that of the more usual signs."""
    texts = [raw.decode(encoding, "replace") for encoding in ("utf-16-le", "utf-16-be")]
    return max(
        texts, key=lambda text: (text.startswith("\ufeff"), sum(map(len, _USUAL.findall(text))))
    )


def _id3_frames(data: bytes, begin: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield names and contents of the frames of the ID3v2 tag that begins there (id3.org)."""
    head = data[begin : begin + 10]
    if len(head) < 10 or not head.startswith(b"ID3") or head[3] not in (2, 3, 4):
        return
    version, flags = head[3], head[5]
    body = data[begin + 10 : begin + 10 + synchsafe(head[6:10])]
    if flags & 0x80 and version < 4:
        body = body.replace(b"\xff\0", b"\xff")
    at = 0
    if flags & 0x40 and version > 2:  # an extended header
        at = 4 + int.from_bytes(body[:4], "big") if version == 3 else synchsafe(body[:4])
    name, header = (3, 6) if version == 2 else (4, 10)
    while len(body) >= at + header and body[at]:
        field = body[at + name : at + 2 * name]
        length = synchsafe(field) if version == 4 else int.from_bytes(field, "big")
        content = body[at + header : at + header + length]
        if version == 4 and body[at + 9] & 2:
            content = content.replace(b"\xff\0", b"\xff")
        if version == 4 and body[at + 9] & 1:  # its length, once more
            content = content[4:]
        yield body[at : at + name], content
        at += header + length


def _id3_chunk(data: bytes) -> int:
    """Return where the content of the ID3 chunk of a WAV or AIFF file begins."""
    for begin, _ in _chunks(data):
        if data[begin - 8 : begin - 4] in (b"id3 ", b"ID3 "):
            return begin
    return len(data)


def _chunks(data: bytes, at: int = 12, end: int | None = None) -> Iterator[tuple[int, int]]:
    """Yield where the contents of the chunks of a WAV or AIFF file begin and end."""
    order: Literal["little", "big"] = "big" if data.startswith(b"FORM") else "little"
    end = len(data) if end is None else min(end, len(data))
    while at + 8 <= end:
        length = int.from_bytes(data[at + 4 : at + 8], order)
        yield at + 8, at + 8 + length
        at += 8 + length + length % 2


def _mp4_artists(data: bytes) -> list[str]:
    """Return the artists of an MP4 file's ``©ART`` atom, which holds one data atom for each."""
    atom = data.find(b"\xa9ART")
    if atom < 4 or data[atom + 8 : atom + 12] != b"data":
        return []
    at, artists = atom + 4, list[str]()
    end = atom - 4 + min(int.from_bytes(data[atom - 4 : atom], "big"), 2**14)
    while at + 16 <= end and data[at + 4 : at + 8] == b"data":
        length = int.from_bytes(data[at : at + 4], "big")
        if length < 16:
            break
        artists.append(data[at + 16 : min(at + length, end)].decode("utf-8", "surrogateescape"))
        at += length
    return artists


def before_ape(data: bytes) -> int:
    """Return where the sound of an mp3 ends before an APE tag, with or without ID3v1 behind it."""
    end = len(data)
    if data[-128:-125] == b"TAG":
        end -= 128
    foot = data[max(0, end - 32) : end]
    if not foot.startswith(b"APETAGEX") or len(foot) < 32:
        return len(data)
    size, _, flags = struct.unpack_from("<III", foot, 12)
    return max(0, end - int(size) - 32 * int(flags >> 31))  # a header is not counted


def _ape(data: bytes) -> dict[str, str]:
    """Return the items of an APE tag behind an mp3."""
    begin = before_ape(data)
    at = data.rfind(b"APETAGEX", begin)
    if begin == len(data) or at < 0:
        return {}
    size, count = struct.unpack_from("<II", data, at + 12)
    body = data[max(0, at + 32 - min(size, 2**21)) : at]
    items: dict[str, str] = {}
    at = 0
    for _ in range(min(count, MOST_COMMENTS)):
        stop = body.find(b"\0", at + 8)
        if stop < 0:
            break
        length, flags = struct.unpack_from("<II", body, at)
        if flags & 6 == 0:  # text in UTF-8
            key = body[at + 8 : stop].decode("ascii", "replace").casefold()
            value = body[stop + 1 : stop + 1 + length].decode("utf-8", "surrogateescape")
            items.setdefault(key, value.replace("\0", ";"))
        at = stop + 1 + length
    return items


# Text in an undeclared encoding -------------------------------------------------------------------
# Statistics of whole documents (charset-normalizer, chardet) guess wrong on half of all titles,
# which are too short for them. Other scripts are told from Western text by rules that hardly any
# Western name meets; in doubt the text stays as it is.


@dataclass(frozen=True, slots=True)
class _Script:
    """A script with encodings of one byte per character.

    Attributes
    ----------
    encodings : tuple of str
    letters : str
        In lower case, the most frequent first.
    word : str
        Regular expression of a word in lower case.
    """

    encodings: tuple[str, ...]
    letters: str
    word: str


_SCRIPTS = (
    _Script(
        ("cp1251", "koi8-u", "cp866", "mac_cyrillic", "iso8859-5"),
        "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфёіїєґўъ",
        "(?!ы|.*[аеёиоуыэюя]{4})(?!(?:.*[аеёиоуыэюяй])?[ьъ]).*",
    ),
    _Script(("cp1253", "iso8859-7"), "αοιετνσηυρπκμλςωίάόδγέήθώχφβύξζψϊϋΐΰ", "[^ςΐΰ][^ς]*ς?"),
    _Script(("cp1255",), "יוהלאמרתבשנדכעחקםפגצןזטסךףץ", "[^םןךףץ]*[םןךףץ]?"),
    _Script(("cp1256",), "ايلمنرتوهبعدسفحكقةشجأصخىطضزثءغذئآإظؤپچژگ", "[^ةى]*[ةى]?"),
    _Script(
        ("cp874",),
        "านรอเกงมัยล่ว้ดทสตะิปบคีหแจชพุขื์ูไโใ็ศธึณษซผถำฟภญฉฐฎฏฬฆ",
        "(?=.{5})(?:[เแโใไ]?[ก-ฮ][ัิ-ู็]?[่-๋]?์?[ะาำ]?)+",
    ),
)
_QUOTES = frozenset("«»–—№“”„…’ ·\u200e\u200f،؟")


def _fits(script: _Script, text: str) -> float:
    """Return how rare the letters of a text are in a script: their mean rank, 0 to 1.

    1 where it is not in that script: in whole words, in ordinary letters and case.
    """
    runs = re.findall(rf"[{script.letters}{script.letters.upper()}]+", text)
    letters = "".join(runs)
    foreign = sum(not sign.isascii() and sign not in _QUOTES for sign in text) - len(letters)
    if (
        foreign
        or len(set(letters)) < 3
        or 2 * sum(len(run) for run in runs if len(run) > 2) < max(len(letters), 3)
    ):
        return 1.0
    if re.search(rf"[a-zA-Z][{letters}]|[{letters}][a-zA-Z]", text):
        return 1.0
    ordinary = [
        run in (run.lower(), run.upper(), run.capitalize())
        and re.fullmatch(script.word, run.lower()) is not None
        for run in runs
    ]
    if sum(ordinary) < 0.8 * len(runs):
        return 1.0
    ranks = [script.letters.find(sign) for sign in letters.lower().replace("ς", "σ")]
    return sum(ranks) / len(ranks) / len(script.letters)


_COMMON_ENOUGH = 0.4
"""Mean rank of the letters of a text: 0.2 to 0.35 in its own script, about 0.5 in any other."""

_CLEARLY = 0.04
"""Difference of mean ranks from which one script is likelier than another."""


_RARE = 0.06
"""What an encoding of old systems is behind the others at the same mean rank."""


def _script_of(raw: bytes) -> str:
    """Return the encoding of the script that a text is clearly in, or ""."""
    ranks: list[float] = []
    best = 1.0, ""
    for script in _SCRIPTS:
        found: list[tuple[int, float, str]] = []
        for encoding in script.encodings:
            try:
                text = raw.decode(encoding)
            except UnicodeDecodeError:
                continue
            if (rank := _fits(script, text)) <= _COMMON_ENOUGH:
                letters = sum(sign.isalpha() for sign in text)
                rank += _RARE * (encoding in ("cp866", "mac_cyrillic", "iso8859-5"))
                found.append((-letters, rank, encoding))
        if found:
            _, rank, encoding = min(found)
            ranks.append(rank)
            best = min(best, (rank, encoding))
    ranks.sort()
    return best[1] if len(ranks) == 1 or (ranks and ranks[1] - ranks[0] > _CLEARLY) else ""


# Latin letters of Central Europe and Turkey: all that are not ASCII, and what their text looks like
# in the Western encoding, as no text that is in it looks.
_LATIN = (
    ("cp1250", "ąćęłńóśźż", "[a-z][¹³¿](?=[a-z])|[¹³][a-z]*[¿œŸ¹³]"),
    ("iso8859-2", "ąćęłńóśźż", "[a-z][±¶¼³¿](?=[a-z])|[±¶¼].*[³¿±¶¼]|[³¿].*[±¶¼]"),
    ("cp1250", "áčďéěíňóřšťúůýž", "ø\\w*[èìùšžý]|[èìùšžý]\\w*ø|[èìùø].*[šž]|[šž].*[èìùø]"),
    ("cp1250", "áéíóöőúüű", "(?=.*[õû])(?=.*[áéíóú])(?=.*[öü])"),
    ("cp1254", "çğıöşüâîûi̇", "(?=.*[þðý])(?=.*[üç])"),
)


def _latin_of(raw: bytes) -> str:
    """Return the encoding of Latin letters that a text is clearly in, or "" for the Western one."""
    western = raw.decode("cp1252", "replace")
    for encoding, letters, looks in _LATIN:
        if re.search(looks, western, re.IGNORECASE | re.DOTALL):
            try:
                text = raw.decode(encoding)
            except UnicodeDecodeError:
                continue
            if all(sign.isascii() or sign in _QUOTES or sign in letters for sign in text.lower()):
                return encoding
    return ""


_COMMON_HANGUL = frozenset(
    "가이는다사랑에나의하고지그너을리도를기서한내해아어라수날밤봄비눈꽃은로일자시없안있마대오우"
    "보게게인만길여정전당신말화물별바람소노래원세주여행처럼잊면진못거야무두모네게요까것들때"
)


def encoding_of(raw: bytes) -> str:
    """Return the encoding that a file's text is clearly in; "" if none is clear.

    Parameters
    ----------
    raw : bytes
        All its texts that may be in one, joined.
    """
    if raw.isascii():
        return ""
    with contextlib.suppress(UnicodeDecodeError):
        _decoded(raw, "utf-8")
        return "utf-8"
    if script := _script_of(raw):
        return script
    for encoding, plausible in _PLAUSIBLE.items():
        try:
            text = _decoded(raw, encoding)
        except UnicodeDecodeError:
            continue
        # A sign inside a Latin word is an accented letter of another encoding.
        inside = re.findall(r"[a-zA-Z][^\0-\x7f]|[^\0-\x7f][a-z]", text)
        if plausible(text) and len(inside) <= sum(not sign.isascii() for sign in text) / 3:
            return encoding
    return _latin_of(raw)


def _decoded(raw: bytes, encoding: str) -> str:
    """Decode bytes whose last character may be cut off, as ID3v1 does; else raise."""
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        whole = raw[: error.start]
        if error.end < len(raw) or whole.isascii():
            raise
        return whole.decode(encoding)


def _wide(text: str, encoding: str) -> Iterator[tuple[str, bytes]]:
    return ((sign, sign.encode(encoding)) for sign in text if not sign.isascii())


def _is_kana(sign: str) -> bool:
    return "\u3041" <= sign <= "\u30fe"


def _is_japanese(text: str) -> bool:
    """Whether it is in kana and the kanji of JIS level 1 (Shift JIS)."""
    fine = [_is_kana(sign) or 0x81 <= raw[0] <= 0x97 for sign, raw in _wide(text, "cp932")]
    wide = all(len(raw) == 2 for _, raw in _wide(text, "cp932"))
    return wide and len(fine) >= 2 and sum(fine) >= 0.9 * len(fine)


def _is_japanese_euc(text: str) -> bool:
    fine = [0xA1 <= raw[0] <= 0xCF for _, raw in _wide(text, "euc_jp")]
    kana = sum(_is_kana(sign) for sign in text)
    return kana >= 2 and kana >= 0.3 * len(fine) and all(fine)


def _is_korean(text: str) -> bool:
    """Whether it is in Hangul syllables, many of them ordinary ones."""
    signs = [
        (sign, raw)
        for sign, raw in _wide(text, "cp949")
        if len(raw) == 2 and not 0xA1 <= raw[0] <= 0xA3
    ]
    if len(signs) < 2 or not all(0xB0 <= raw[0] <= 0xC8 and raw[1] >= 0xA1 for _, raw in signs):
        return False
    # Of six Chinese characters, at least one is mostly beyond the rows of Hangul.
    share = 1 / 3 if len(signs) < 6 else 1 / 6
    return sum(sign in _COMMON_HANGUL for sign, _ in signs) >= share * len(signs)


def _is_chinese(text: str, encoding: str, low: int, high: int, trail: int) -> bool:
    """Whether it is in the more common half of the characters."""
    signs = [raw for _, raw in _wide(text, encoding) if len(raw) != 2 or not 0xA1 <= raw[0] <= 0xA3]
    fine = sum(len(raw) == 2 and low <= raw[0] <= high and raw[1] >= trail for raw in signs)
    return len(signs) >= 2 and fine >= 0.9 * len(signs)


_PLAUSIBLE: Mapping[str, Callable[[str], bool]] = {
    "cp932": _is_japanese,
    "euc_jp": _is_japanese_euc,
    "cp949": _is_korean,
    "gb18030": lambda text: _is_chinese(text, "gb18030", 0xB0, 0xD7, 0xA1),
    "big5": lambda text: _is_chinese(text, "big5", 0xA4, 0xC6, 0x40),
}


def _raw(text: str) -> bytes:
    """Return the bytes of a text that may be in another encoding than its file declared."""
    if text.isascii():
        return b""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        if re.search("[\udc80-\udcff]", text):
            return text.encode("utf-8", "surrogateescape")
        return b""  # letters beyond Latin-1, so it was decoded rightly


def _encoded_twice(text: str) -> str:
    """Return a text whose UTF-8 was taken for the Western encoding of Windows; "" if it was not."""
    try:
        raw = b"".join(sign.encode("latin-1" if sign < "\u0100" else "cp1252") for sign in text)
        return "" if raw.isascii() else raw.decode()
    except UnicodeError:
        return ""


def repaired(text: str) -> str:
    """Return a text that may be in another encoding than it was decoded by; else as it is.

    Bytes that were not UTF-8 are expected as surrogate escapes, as names of files have them.
    """
    return _repaired(text, "")


def _repaired(text: str, encoding: str) -> str:
    if twice := _encoded_twice(text):
        return twice
    raw = _raw(text)
    if not raw:
        return text
    fallback = "cp1252" if re.search("[\udc80-\udcff]", text) else ""
    for candidate in (encoding, encoding_of(raw), fallback):
        if candidate:
            try:
                return _decoded(raw, candidate)
            except UnicodeDecodeError:
                continue
    return text
