"""Files built to take long: small to send, and costly to read for whoever has no bounds.

All are of genuine sound where the format allows, so that nothing but the bounds can refuse them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from io import BytesIO
from typing import Any

import av
import numpy as np

RATE = 48_000
SEED = 13


def sound(codec: str, form: str, seconds: float = 5.0, **options: str) -> bytes:
    """Return seeded noise in a container."""
    file = BytesIO()
    noise = np.random.default_rng(SEED).normal(0, 3_000, int(RATE * seconds)).astype(np.int16)
    with av.open(file, "w", format=form, options=options) as container:
        stream: Any = container.add_stream(codec, RATE, layout="mono")
        resampler = av.AudioResampler(stream.format or "s16", "mono", RATE, 960)
        for start in range(0, noise.size, 960):
            frame = av.AudioFrame.from_ndarray(noise[None, start : start + 960], "s16", "mono")
            frame.sample_rate, frame.pts = RATE, start
            for part in resampler.resample(frame):
                container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return file.getvalue()


# RIFF, AIFF -------------------------------------------------------------------------------------


def _wav(chunks: bytes) -> bytes:
    whole = sound("pcm_s16le", "wav", 2.0)
    body = b"WAVE" + whole[12:36] + chunks + whole[whole.index(b"data") :]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def riff_lists(count: int = 100_000) -> bytes:
    """WAV with LIST chunks."""
    info = b"INFOINAM" + struct.pack("<I", 2) + b"a\0"
    return _wav((b"LIST" + struct.pack("<I", len(info)) + info) * count)


def riff_names(count: int = 60_000) -> bytes:
    """WAV with one LIST of as many different texts."""
    texts = b"".join(b"%04X" % number + struct.pack("<I", 2) + b"a\0" for number in range(count))
    return _wav(b"LIST" + struct.pack("<I", len(texts) + 4) + b"INFO" + texts)


def riff_cues(count: int = 15_000) -> bytes:
    """WAV with cue points, each labelled."""
    cues = b"".join(struct.pack("<IIIIII", n, n, 0x61746164, 0, 0, n) for n in range(count))
    labels = b"".join(b"labl" + struct.pack("<II", 6, n) + b"a\0" for n in range(count))
    return _wav(
        b"cue "
        + struct.pack("<II", len(cues) + 4, count)
        + cues
        + b"LIST"
        + struct.pack("<I", len(labels) + 4)
        + b"adtl"
        + labels
    )


def aiff_texts(count: int = 100_000) -> bytes:
    """AIFF with annotations."""
    whole = sound("pcm_s16be", "aiff", 2.0)
    body = whole[8:12] + (b"ANNO" + struct.pack(">I", 2) + b"ab") * count + whole[12:]
    return b"FORM" + struct.pack(">I", len(body)) + body


def aiff_empty(count: int = 400_000) -> bytes:
    """AIFF with empty chunks of an unknown kind."""
    whole = sound("pcm_s16be", "aiff", 2.0)
    body = whole[8:12] + b"junk\0\0\0\0" * count + whole[12:]
    return b"FORM" + struct.pack(">I", len(body)) + body


# ID3, APE ----------------------------------------------------------------------------------------


def _synchsafe(size: int) -> bytes:
    return bytes(size >> shift & 127 for shift in (21, 14, 7, 0))


def _id3(frames: bytes) -> bytes:
    return b"ID3\x04\0\0" + _synchsafe(len(frames)) + frames


def _frame(name: bytes, content: bytes) -> bytes:
    return name + _synchsafe(len(content)) + b"\0\0" + content


def id3_texts(count: int = 60_000) -> bytes:
    """MP3 with texts of the member's own."""
    frames = b"".join(_frame(b"TXXX", b"\0%05d\0v" % number) for number in range(count))
    return _id3(frames) + sound("mp3", "mp3")


def id3_tags(count: int = 20_000) -> bytes:
    """MP3 behind ID3 tags one after the other."""
    return _id3(_frame(b"TIT2", b"\0a")) * count + sound("mp3", "mp3")


def id3_chapters(count: int = 900) -> bytes:
    """MP3 with chapters, each with texts inside."""
    inner = b"".join(_frame(b"TXXX", b"\0%05d\0v" % number) for number in range(60))
    frames = b"".join(
        _frame(b"CHAP", b"c%04d\0" % number + struct.pack(">IIII", 0, 1000, 0, 0) + inner)
        for number in range(count)
    )
    return _id3(frames) + sound("mp3", "mp3")


def id3_names(count: int = 50_000) -> bytes:
    """MP3 whose one frame names artists without end."""
    names = b"\3" + b"\0".join(b"Artist %05d" % number for number in range(count))
    return _id3(_frame(b"TPE1", names)) + sound("mp3", "mp3")


def id3_picture(size: int = 20_000_000) -> bytes:
    """MP3 with a huge cover."""
    picture = b"\0image/png\0\3\0\x89PNG\r\n\x1a\n" + bytes(size)
    return _id3(_frame(b"APIC", picture)) + sound("mp3", "mp3")


def ape_items(count: int = 900) -> bytes:
    """MP3 before an APE tag of many items without an end to their names."""
    item = struct.pack("<II", 0, 0) + b"K" * 1_000
    body = item * count
    foot = b"APETAGEX" + struct.pack("<IIII", 2000, len(body) + 32, 2**31, 0) + bytes(8)
    return sound("mp3", "mp3") + body + foot


# Ogg, FLAC ---------------------------------------------------------------------------------------


def _page(body: bytes, serial: int, number: int, kind: int, granule: int = 0) -> bytes:
    laces = bytes([255] * (len(body) // 255) + [len(body) % 255])
    page = b"OggS\0" + bytes([kind]) + struct.pack("<qIII", granule, serial, number, 0)
    page += bytes([len(laces)]) + laces + body
    return page[:22] + struct.pack("<I", _crc(page)) + page[26:]


_CRCS = [0] * 256
for _byte in range(256):
    _value = _byte << 24
    for _ in range(8):
        _value = (_value << 1 ^ (0x04C11DB7 if _value & 0x80000000 else 0)) & 0xFFFFFFFF
    _CRCS[_byte] = _value


def _crc(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc = (crc << 8 & 0xFFFFFFFF) ^ _CRCS[crc >> 24 ^ byte]
    return crc


_OPUS = b"OpusHead\1\1\0\0" + struct.pack("<IhB", RATE, 0, 0)
_OPUS_TAGS = b"OpusTags" + struct.pack("<II", 0, 0)


def ogg_empty(count: int = 60_000) -> bytes:
    """Opus with pages that hold nothing."""
    start = _page(_OPUS, 1, 0, 2) + _page(_OPUS_TAGS, 1, 1, 0)
    empty = _page(b"", 1, 2, 0)
    return start + empty * count + sound("libopus", "ogg")


def ogg_chained(count: int = 8_000) -> bytes:
    """Opus streams one behind the other, each with its own head."""
    return sound("libopus", "ogg", 1.0) + b"".join(
        _page(_OPUS, serial, 0, 2) + _page(_OPUS_TAGS, serial, 1, 0) + _page(b"\xf8", serial, 2, 4)
        for serial in range(2, count)
    )


def ogg_beside(count: int = 8_000) -> bytes:
    """Opus streams that all begin at once."""
    heads = b"".join(_page(_OPUS, serial, 0, 2) for serial in range(2, count))
    return heads + sound("libopus", "ogg")


def ogg_later_comments(count: int = 60_000) -> bytes:
    """A second Opus stream, whose comments are many."""
    texts = b"".join(struct.pack("<I", 8) + b"K%05d=v" % number for number in range(count))
    tags = b"OpusTags" + struct.pack("<II", 0, count) + texts
    pages = [_page(_OPUS, 2, 0, 2)]
    for number, start in enumerate(range(0, len(tags), 65_025), start=1):
        part = tags[start : start + 65_025]
        laces = bytes([255] * 255)
        if len(part) < 65_025:
            pages.append(_page(part, 2, number, int(number > 1)))
            continue
        page = b"OggS\0" + bytes([int(number > 1)]) + struct.pack("<qIII", -1, 2, number, 0)
        page += bytes([255]) + laces + part
        pages.append(page[:22] + struct.pack("<I", _crc(page)) + page[26:])
    return sound("libopus", "ogg", 1.0) + b"".join(pages) + sound("libopus", "ogg", 1.0)


def _flac(blocks: bytes) -> bytes:
    whole = sound("flac", "flac")
    return whole[:4] + b"\0" + whole[5:42] + blocks + b"\x81\0\0\0" + _frames(whole)


def _frames(whole: bytes) -> bytes:
    at = 4
    while True:
        last, size = whole[at] & 0x80, int.from_bytes(whole[at + 1 : at + 4], "big")
        at += 4 + size
        if last:
            return whole[at:]


def _comments(count: int) -> bytes:
    texts = b"".join(struct.pack("<I", 8) + b"K%05d=v" % number for number in range(count))
    return struct.pack("<II", 0, count) + texts


def _block(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + len(content).to_bytes(3, "big") + content


def flac_comments(count: int = 60_000) -> bytes:
    """FLAC with many comments."""
    return _flac(_block(4, _comments(count)))


def flac_second_comments(count: int = 60_000) -> bytes:
    """FLAC whose second block of comments is the long one."""
    return _flac(_block(4, _comments(1)) + _block(4, _comments(count)))


def flac_comment_blocks(count: int = 900) -> bytes:
    """FLAC with many blocks of comments."""
    return _flac(
        b"".join(
            _block(
                4,
                struct.pack("<II", 0, 60)
                + b"".join(
                    struct.pack("<I", 11) + b"K%04d%04d=v" % (one, two) for two in range(60)
                ),
            )
            for one in range(count)
        )
    )


def flac_pictures(count: int = 20_000) -> bytes:
    """FLAC with many covers."""
    picture = struct.pack(">II", 3, 9) + b"image/png" + bytes(20) + struct.pack(">I", 8)
    return _flac(_block(6, picture + b"\x89PNG\r\n\x1a\n") * count)


def flac_padding(count: int = 500_000) -> bytes:
    """FLAC with empty blocks of padding."""
    return _flac(b"\1\0\0\0" * count)


# MP4 ---------------------------------------------------------------------------------------------


def _atom(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + kind + content


def mp4_fragments(count: int = 30_000) -> bytes:
    """MP4 in fragments of one byte of sound."""
    whole = sound("aac", "mp4", movflags="frag_keyframe+empty_moov+default_base_moof")
    start = whole.index(b"moof") - 4
    parts = []
    for number in range(count):
        run = _atom(b"trun", struct.pack(">IIiI", 0x201, 1, 96, 1))
        track = _atom(b"traf", _atom(b"tfhd", struct.pack(">II", 0x020000, 1)) + run)
        head = _atom(b"mfhd", struct.pack(">II", 0, number))
        parts.append(_atom(b"moof", head + track) + _atom(b"mdat", b"\x21"))
    return whole[:start] + b"".join(parts)


def mp4_empty_fragments(count: int = 60_000) -> bytes:
    """MP4 in fragments without anything in them."""
    whole = sound("aac", "mp4", movflags="frag_keyframe+empty_moov+default_base_moof")
    start = whole.index(b"moof") - 4
    empty = _atom(
        b"moof",
        _atom(b"mfhd", bytes(8)) + _atom(b"traf", _atom(b"tfhd", struct.pack(">II", 0x020000, 1))),
    )
    return whole[:start] + empty * count + whole[start:]


def _into(whole: bytes, path: tuple[bytes, ...], content: bytes) -> bytes:
    """Put content at the end of an atom, and correct all sizes on the way; moov must be last."""
    at, end = 0, len(whole)
    spots = []
    for kind in path:
        while whole[at + 4 : at + 8] != kind:
            at += int.from_bytes(whole[at : at + 4], "big")
        spots.append(at)
        end = at + int.from_bytes(whole[at : at + 4], "big")
        at += 8
    out = bytearray(whole[:end] + content + whole[end:])
    for spot in spots:
        size = int.from_bytes(out[spot : spot + 4], "big") + len(content)
        out[spot : spot + 4] = struct.pack(">I", size)
    return bytes(out)


def mp4_edits(count: int = 100_000) -> bytes:
    """MP4 with an edit list of many cuts."""
    edits = b"".join(struct.pack(">IiI", 1, number % 200, 0x10000) for number in range(count))
    content = _atom(b"edts", _atom(b"elst", struct.pack(">II", 0, count) + edits))
    whole = sound("aac", "mp4").replace(b"edts", b"free")
    return _into(whole, (b"moov", b"trak"), content)


def mp4_tags(count: int = 30_000) -> bytes:
    """MP4 with tags of the member's own."""
    atoms = []
    for number in range(count):
        parts = (
            _atom(b"mean", bytes(4) + b"com.example"),
            _atom(b"name", bytes(4) + b"K%05d" % number),
            _atom(b"data", struct.pack(">II", 1, 0) + b"v"),
        )
        atoms.append(_atom(b"----", b"".join(parts)))
    handler = _atom(b"hdlr", bytes(8) + b"mdirappl" + bytes(10))
    meta = _atom(b"meta", bytes(4) + handler + _atom(b"ilst", b"".join(atoms)))
    return _into(sound("aac", "mp4"), (b"moov",), _atom(b"udta", meta))


def mp4_tracks(count: int = 5_000) -> bytes:
    """MP4 with tracks that hold nothing."""
    head = _atom(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, RATE, 0, 0, 0))
    handler = _atom(b"hdlr", bytes(8) + b"soun" + bytes(13))
    track = _atom(b"trak", _atom(b"mdia", head + handler + _atom(b"minf", _atom(b"stbl", b""))))
    return _into(sound("aac", "mp4"), (b"moov",), track * count)


def mp4_nested(depth: int = 50_000) -> bytes:
    """MP4 with atoms in atoms in atoms."""
    inner = b""
    sizes = [8 * (level + 1) for level in range(depth)]
    inner = b"".join(struct.pack(">I", size) + b"udta" for size in reversed(sizes))
    return _into(sound("aac", "mp4"), (b"moov",), inner)


def mp4_atoms(count: int = 300_000) -> bytes:
    """MP4 with atoms that hold nothing."""
    return _into(sound("aac", "mp4"), (b"moov",), _atom(b"free", b"") * count)


# WebM --------------------------------------------------------------------------------------------


def _element(name: str, content: bytes) -> bytes:
    return bytes.fromhex(name) + (len(content) | 1 << 56).to_bytes(8, "big") + content


def _webm(clusters: bytes, more: bytes = b"") -> bytes:
    audio = _element("E1", _element("B5", struct.pack(">d", RATE)) + _element("9F", b"\1"))
    track = _element("D7", b"\1") + _element("73C5", b"\1") + _element("83", b"\2")
    track = _element("AE", track + _element("86", b"A_OPUS") + _element("63A2", _OPUS) + audio)
    info = _element("1549A966", _element("2AD7B1", (1_000_000).to_bytes(3, "big")))
    head = _element("1A45DFA3", _element("4282", b"webm"))
    return head + _element("18538067", info + _element("1654AE6B", track) + more + clusters)


def _cluster(blocks: bytes) -> bytes:
    return _element("1F43B675", _element("E7", b"\0") + blocks)


def webm_lacing(count: int = 8_000) -> bytes:
    """WebM with two million packets of one invalid byte."""
    laced = b"\x84\xff" + b"\xff" * 256
    return _webm(
        _cluster(
            b"".join(_element("A3", b"\x81" + struct.pack(">h", n) + laced) for n in range(count))
        )
    )


def webm_silent(count: int = 200_000) -> bytes:
    """WebM with packets of Opus that say one byte of silence, out of time."""
    blocks = b"".join(_element("A3", b"\x81\0\0\x80\xf8") for _ in range(count))
    return _webm(_cluster(blocks))


def webm_clusters(count: int = 200_000) -> bytes:
    """WebM with clusters that hold nothing."""
    return _webm(_cluster(b"") * count)


def webm_attachments(count: int = 60_000) -> bytes:
    """WebM with files attached."""
    one = _element(
        "61A7",
        _element("466E", b"a.png")
        + _element("4660", b"image/png")
        + _element("465C", b"x")
        + _element("46AE", b"\1"),
    )
    return _webm(_cluster(_element("A3", b"\x81\0\0\x80\xf8")), _element("1941A469", one * count))


def webm_tags(count: int = 60_000) -> bytes:
    """WebM with many tags."""
    tags = b"".join(
        _element(
            "7373",
            _element("63C0", b"")
            + _element("67C8", _element("45A3", b"K%05d" % n) + _element("4487", b"v")),
        )
        for n in range(count)
    )
    return _webm(_cluster(_element("A3", b"\x81\0\0\x80\xf8")), _element("1254C367", tags))


def webm_cues(count: int = 200_000) -> bytes:
    """WebM with an index that leads nowhere."""
    cue = _element(
        "BB",
        _element("B3", b"\1") + _element("B7", _element("F7", b"\1") + _element("F1", b"\xff")),
    )
    return _webm(_cluster(_element("A3", b"\x81\0\0\x80\xf8")), _element("1C53BB6B", cue * count))


# Bare streams ------------------------------------------------------------------------------------


def mp3_junk(size: int = 20_000_000) -> bytes:
    """MP3 with megabytes of noise between two frames."""
    whole = sound("mp3", "mp3")
    junk = np.random.default_rng(SEED).integers(0, 255, size, np.uint8).tobytes()
    return whole[: len(whole) // 2] + junk + whole[len(whole) // 2 :]


def aac_headers(count: int = 500_000) -> bytes:
    """AAC with frames that hold nothing but their head."""
    return sound("aac", "adts") + bytes.fromhex("fff14c4000fffc") * count


def mp3_headers(count: int = 200_000) -> bytes:
    """MP3 with frames of the smallest size."""
    frame = bytes.fromhex("fff31404") + bytes(20)
    return sound("mp3", "mp3") + frame * count


BUILT: tuple[Callable[[], bytes], ...] = (
    *(riff_lists, riff_names, riff_cues, aiff_texts, aiff_empty),
    *(id3_texts, id3_tags, id3_chapters, id3_names, id3_picture, ape_items),
    *(ogg_empty, ogg_chained, ogg_beside, ogg_later_comments),
    *(flac_comments, flac_second_comments, flac_comment_blocks, flac_pictures, flac_padding),
    *(mp4_fragments, mp4_empty_fragments, mp4_edits, mp4_tags, mp4_tracks, mp4_nested, mp4_atoms),
    *(webm_lacing, webm_silent, webm_clusters, webm_attachments, webm_tags, webm_cues),
    *(mp3_junk, aac_headers, mp3_headers),
)
