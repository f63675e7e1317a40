"""Tags of every container, in whatever encoding they were written."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import av
import numpy as np
import pytest

from musrec.audio import tags
from musrec.audio.decode import decode
from musrec.audio.tags import Tags, clean, encoding_of


def encode(muxer: str, codec: str, metadata: dict[str, str]) -> bytes:
    out = BytesIO()
    with av.open(out, "w", format=muxer) as container:
        container.metadata.update(metadata)
        stream = container.add_stream(codec, rate=48_000)
        stream.layout = "stereo"
        stream.bit_rate = 128_000
        wave = 0.5 * np.sin(np.arange(96_000) * 0.05).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(np.stack([wave, wave]), format="fltp", layout="stereo")
        frame.sample_rate = 48_000
        size = stream.codec_context.frame_size or None
        resampler = av.AudioResampler(stream.format.name, "stereo", 48_000, size)
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            container.mux(stream.encode(part))
    return out.getvalue()


MP3 = encode("mp3", "libmp3lame", {})
BARE = MP3[MP3.index(b"\xff\xfb") :]


FLAC = encode("flac", "flac", {})
WAV = encode("wav", "pcm_s16le", {})
AIFF = encode("aiff", "pcm_s16be", {})


def seven(number: int) -> bytes:
    return bytes(number >> shift & 127 for shift in (21, 14, 7, 0))


def id3(frames: list[tuple[bytes, bytes]], version: int = 4) -> bytes:
    body = b"".join(
        name
        + (seven(len(text)) if version == 4 else struct.pack(">I", len(text)))
        + bytes(2)
        + text
        for name, text in frames
    )
    return b"ID3" + bytes([version, 0, 0]) + seven(len(body)) + body


def ape(items: dict[bytes, bytes]) -> bytes:
    body = b"".join(
        struct.pack("<II", len(value), 0) + key + b"\0" + value for key, value in items.items()
    )
    return body + b"APETAGEX" + struct.pack("<IIII8x", 2000, len(body) + 32, len(items), 0)


def chunks(order: str, *named: tuple[bytes, bytes]) -> bytes:
    return b"".join(
        name + struct.pack(order + "I", len(text)) + text + bytes(len(text) % 2)
        for name, text in named
    )


def flac(*comments: bytes) -> bytes:
    body = struct.pack("<I1sI", 1, b"x", len(comments))
    body += b"".join(struct.pack("<I", len(one)) + one for one in comments)
    block = b"\x04" + struct.pack(">I", len(body))[1:] + body
    return FLAC[:42] + block + FLAC[42:]  # behind "fLaC" and STREAMINFO


def wav(*texts: tuple[bytes, bytes]) -> bytes:
    return chunks("<", (b"RIFF", WAV[8:] + chunks("<", (b"LIST", b"INFO" + chunks("<", *texts)))))


def aiff(*texts: tuple[bytes, bytes]) -> bytes:
    return chunks(">", (b"FORM", AIFF[8:] + chunks(">", *texts)))


def asf(*authors: str) -> bytes:
    """Return Windows Media whose metadata library names authors (its specification, 4.7)."""

    def wide(text: str) -> bytes:
        return f"{text}\0".encode("utf-16-le")

    library = bytes.fromhex("941c23449894d149a1411d134e457054")
    name = wide("Author")
    body = struct.pack("<H", len(authors))
    for one in map(wide, authors):
        body += struct.pack("<HHHHI", 0, 0, len(name), 0, len(one)) + name + one
    record = library + struct.pack("<Q", 24 + len(body)) + body
    data = encode("asf", "wmav2", {"title": "Duet"})
    size, count = struct.unpack_from("<QI", data, 16)
    head = struct.pack("<QI", size + len(record), count + 1)
    return data[:16] + head + data[28:30] + record + data[30:]


@pytest.mark.parametrize(
    ("muxer", "codec"),
    [
        ("mp3", "libmp3lame"),
        ("wav", "pcm_s16le"),
        ("ogg", "libopus"),
        ("mp4", "aac"),
        ("mov", "aac"),
        ("matroska", "aac"),
        ("webm", "libopus"),
        ("wv", "wavpack"),
        ("asf", "wmav2"),
        ("tta", "tta"),
    ],
)
def test_every_container_says_who_it_is(muxer: Any, codec: Any) -> None:
    said = {"title": "Öde Straße 夜", "artist": "Anna Alpha; Bert Beta feat. Cleo"}
    found = decode(encode(muxer, codec, said)).tags
    assert found.title == said["title"]
    assert found.artists == ("Anna Alpha", "Bert Beta", "Cleo")
    assert found.duration == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize(
    ("muxer", "codec"),
    [("wav", "pcm_s16le"), ("ogg", "libopus"), ("aiff", "pcm_s16be"), ("mp4", "aac")],
)
def test_a_tag_before_any_container_is_read(muxer: Any, codec: Any) -> None:
    data = id3([(b"TIT2", b"\x03Duet"), (b"TPE1", b"\x03Anna")]) + encode(muxer, codec, {})
    found = decode(data).tags
    assert (found.title, found.artists) == ("Duet", ("Anna",))


def test_an_id3_chunk_of_aiff_names_several_artists() -> None:
    chunk = id3([(b"TIT2", b"\x03Duet"), (b"TPE1", b"\x03Anna Alpha\0Bert Beta")])
    chunk = b"ID3 " + struct.pack(">I", len(chunk)) + chunk + bytes(len(chunk) % 2)
    data = encode("aiff", "pcm_s16be", {}) + chunk
    found = decode(b"FORM" + struct.pack(">I", len(data) - 8) + data[8:]).tags
    assert (found.title, found.artists) == ("Duet", ("Anna Alpha", "Bert Beta"))


def test_album_genre_year_and_isrc_are_read() -> None:
    frames = {b"TALB": "Album", b"TCON": "(17)", b"TDRC": "1999-02-01", b"TSRC": "us-abc-12-34567"}
    tag = id3([(name, b"\x03" + text.encode()) for name, text in frames.items()])
    expected = Tags(album="Album", genre="Rock", year=1999, isrc="USABC1234567")
    found = decode(tag + BARE).tags
    assert Tags(*[getattr(found, name) for name in Tags.__slots__[:-1]]) == expected


@pytest.mark.parametrize(
    ("date", "year"),
    [("12.05.1977", 1977), ("20110504", 2011), ("0000", None), ("999999999", None), ("١٩٩٩", None)],
)
def test_years_are_found_in_dates(date: Any, year: Any) -> None:
    assert tags.read({"date": date}, b"").year == year


@pytest.mark.parametrize(
    "data",
    [
        id3([(b"TPE1", b"\x03Anna Alpha\0Bert Beta\0")]) + BARE,
        id3(
            [
                (
                    b"TPE1",
                    b"\x01"
                    + "Anna Alpha".encode("utf-16")
                    + bytes(2)
                    + "Bert Beta".encode("utf-16"),
                )
            ]
        )
        + BARE,
        id3([(b"TPE1", b"\x03Anna Alpha"), (b"TPE1", b"\x03Bert Beta")], 3) + BARE,
        id3([(b"TPE1", b"\0Anna Alpha/Bert Beta")], 3) + BARE,
        BARE + ape({b"Title": b"Duet", b"Artist": b"Anna Alpha\0Bert Beta"}),
        BARE + ape({b"Artist": b"Anna Alpha\0Bert Beta"}) + b"TAG" + bytes(125),
        BARE
        + ape({b"Artist": b"Anna Alpha\0Bert Beta"})
        + (b"TAG" + bytes(30) + b"Anna Alp").ljust(128, b"\0"),
        encode("wv", "wavpack", {}) + ape({b"Artist": b"Anna Alpha\0Bert Beta"}),
        id3(
            [
                (b"TPE1", b"\x03Anna Alpha x Bert Beta"),
                (b"TXXX", b"\x03ARTISTS\0Anna Alpha\0Bert Beta"),
            ]
        )
        + BARE,
        flac(b"ARTIST=Anna Alpha", b"artist=Bert Beta"),
        flac(b"ARTIST=Anna Alpha x Bert Beta", b"ARTISTS=Anna Alpha", b"ARTISTS=Bert Beta"),
        wav((b"IART", b"Anna Alpha\0"), (b"IART", b"Bert Beta\0")),
        aiff((b"AUTH", b"Anna Alpha"), (b"AUTH", b"Bert Beta")),
        encode("matroska", "aac", {"artist": "Anna Alpha", "albumm": "Bert Beta"}).replace(
            b"ALBUMM", b"ARTIST"
        ),
        asf("Anna Alpha", "Bert Beta"),
        encode("asf", "wmav2", {"artist": "Anna Alpha\\\\Bert Beta"}),
        encode("mp4", "aac", {"artist": "Anna Alpha; Bert Beta"}),
    ],
)
def test_several_artists_are_all_named(data: bytes) -> None:
    assert decode(data).tags.artists == ("Anna Alpha", "Bert Beta")


def test_several_artists_of_an_mp4_are_all_named() -> None:
    data = encode("mp4", "aac", {"artist": "Anna Alpha"})
    at = data.index(b"\xa9ART") - 4
    atom = data[at : at + int.from_bytes(data[at : at + 4], "big")]
    more = atom[8:16] + bytes(8) + b"Bert"
    more = struct.pack(">I", len(more)) + more[4:]
    assert tags._mp4_artists(struct.pack(">I", len(atom) + len(more)) + atom[4:] + more) == [
        "Anna Alpha",
        "Bert",
    ]


def id3_22(title: bytes, artist: bytes) -> bytes:
    frames = b"".join(
        name + struct.pack(">I", len(text))[1:] + text
        for name, text in ((b"TT2", b"\0" + title), (b"TP1", b"\0" + artist))
    )
    return b"ID3\x02\0\0" + seven(len(frames)) + frames + BARE


def id3_1(title: bytes, artist: bytes) -> bytes:
    return BARE + b"TAG" + title[:30].ljust(30, b"\0") + artist[:30].ljust(30, b"\0") + bytes(65)


def patched(muxer: str) -> Any:
    """Return a container's writer: texts of the same length in bytes are put in place of others."""

    def write(title: bytes, artist: bytes) -> bytes:
        said = {"title": "T" * len(title), "artist": "A" * len(artist)}
        data = encode(muxer, "aac", said)
        for name, text in (("title", title), ("artist", artist)):
            assert said[name].encode() in data
            data = data.replace(said[name].encode(), text)
        return data

    return write


TAGGED: dict[str, Any] = {
    "ID3v1": id3_1,
    "ID3v2.2": id3_22,
    "ID3v2.3": lambda t, a: id3([(b"TIT2", b"\0" + t), (b"TPE1", b"\0" + a)], 3) + BARE,
    "ID3v2.4": lambda t, a: id3([(b"TIT2", b"\3" + t), (b"TPE1", b"\3" + a)]) + BARE,
    "APE": lambda t, a: BARE + ape({b"Title": t, b"Artist": a}),
    "FLAC": lambda t, a: flac(b"TITLE=" + t, b"ARTIST=" + a),
    "MP4": patched("mp4"),
    "Matroska": patched("matroska"),
    "WAV": lambda t, a: wav((b"INAM", t), (b"IART", a + b"\0")),
    "AIFF": lambda t, a: aiff((b"NAME", t), (b"AUTH", a)),
}
UNDECLARED = [
    ("utf-8", "Déjà passé", "Zoë"),
    ("cp1251", "Лунная дорога", "Тихий ветер"),
    ("cp1251", "НА ЗАРЕ (Live)", "Ива"),
    ("koi8-r", "Лунная дорога", "Тихий ветер"),
    ("cp866", "Лунная дорога", "Тихий ветер"),
    ("mac_cyrillic", "Лунная дорога", "Тихий ветер"),
    ("cp932", "夜の歌", "カゼノウタ"),
    ("euc_jp", "さくらの花", "ヨルノ"),
    ("gb18030", "我的歌声里", "王小明"),
    ("cp949", "사랑의 노래", "봄바람"),
    ("cp949", "푸른밤거리로", "달빛"),
    ("big5", "我的歌聲裡", "王小明"),
    ("iso8859-7", "Το τραγούδι", "Μάνος Ελαιώνας"),
    ("cp1253", "Άσπρα καράβια", "Σαββίνα"),
    ("cp1255", "שיר של לילה", "רוח שקטה"),
    ("cp1256", "أغنية الليل", "الريح الهادئة"),
    ("cp874", "เพลงกลางคืน", "ลมเบา"),
    ("cp1250", "Wieczór żółty", "Dżem i łódka"),
    ("iso8859-2", "Wieża i łódź", "Śnieżna łąka"),
    ("cp1250", "Ptačí říše", "Modrý kůň"),
    ("cp1250", "Őszi fűzfák", "Kék tükör"),
    ("cp1254", "Gönül dağı", "Barış Çelik"),
    ("cp1252", "Für Björk", "Sigurður Æð"),
    ("cp1252", "ÄÖÜ", "Où est l’été – à Noël"),
    ("cp1252", "Þjóð", "Garçon"),
]


@pytest.mark.parametrize("container", TAGGED)
@pytest.mark.parametrize(("encoding", "title", "artist"), UNDECLARED)
def test_encodings_that_no_file_declared_are_recognised_in_every_container(
    encoding: str, title: str, artist: str, container: str
) -> None:
    raw = title.encode(encoding), artist.encode(encoding)
    said = decode(TAGGED[container](*raw)).tags
    if encoding == "cp1252" and set(title + artist) & set("’–"):
        assert said.title == title  # the artist's signs beyond Latin-1 are lost in ID3
    else:
        assert (said.title, said.artists) == (title, (artist,))


@pytest.mark.parametrize("encoding", ["utf-8", "cp932", "gb18030", "cp949", "big5"])
def test_a_character_that_id3v1_cuts_off_hides_no_other(encoding: str) -> None:
    titles = {
        "utf-8": "夜の歌をうたう風のなまえ",
        "cp932": "夜の歌をうたう風のなまえはだれか",
        "gb18030": "我的歌声里有你的名字和月亮代表",
        "cp949": "사랑의 노래를 부르는 봄날의 바람이",
        "big5": "我的歌聲裡有你的名字和月亮代表",
    }
    title = titles[encoding]
    for cut in (28, 29, 30):
        raw = title.encode(encoding)[:cut]
        said = decode(BARE + b"TAG" + raw.ljust(30, b"\0") + bytes(95)).tags
        assert said.title == raw.decode(encoding, "ignore").strip()


@pytest.mark.parametrize("container", ["ID3v2.4", "APE", "FLAC", "MP4", "Matroska", "WAV"])
@pytest.mark.parametrize(
    ("title", "artist"), [("Déjà vu", "Zoë"), ("夜の歌", "カゼ"), ("Лунная – live", "Ветер")]
)
@pytest.mark.parametrize("western", ["latin-1", "cp1252"])
def test_text_that_was_encoded_twice_is_read(
    title: str, artist: str, western: str, container: str
) -> None:
    def twice(text: str) -> bytes:
        raw = text.encode()
        gaps = western == "latin-1"
        return "".join(
            chr(byte) if gaps or byte in b"\x81\x8d\x8f\x90\x9d" else bytes([byte]).decode(western)
            for byte in raw
        ).encode()

    said = decode(TAGGED[container](twice(title), twice(artist))).tags
    assert (said.title, said.artists) == (title, (artist,))


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    ("title", "artist", "declared"),
    [
        ("Déjà vu", "Zoë", b"\0\1\2"),
        ("Лунная", "Ветер – live", b"\0\1\2"),
        ("夜の歌を", "風の歌う", b"\1\2"),  # nothing tells such text from Latin-1
    ],
)
def test_utf_16_is_read_without_its_mark_and_in_the_wrong_order(
    title: str, artist: str, declared: bytes, order: str
) -> None:
    texts = title.encode(order), artist.encode(order)
    for kind in declared:
        for version in (3, 4):
            frames = [
                (name, bytes([kind]) + text)
                for name, text in zip((b"TIT2", b"TPE1"), texts, strict=True)
            ]
            said = decode(id3(frames, version) + BARE).tags
            assert (said.title, said.artists) == (title, (artist,))


@pytest.mark.parametrize(
    "text",
    [
        "Face à face à la vie à la mort",
        "¿Qué será, será?",
        "You're Sixteen (You’re Beautiful And You’re Mine)",
        "Ad·ver·sary",
        "†‡†",
        "Ke£ha ¡Olé!",
        "Ágætis byrjun – Þursar",
        "Første crème brûlée",
        "São João é não",
        "Õhtu ööbik",
        "m³ · x²",
    ],
)
def test_western_text_stays_as_it_is(text: str) -> None:
    assert encoding_of(text.encode("cp1252")) == ""
    assert tags.read({"title": text}, b"").title == text


def test_text_beyond_latin_1_is_left_alone() -> None:
    assert tags.read({"title": "Ãðóïïà 夜"}, b"").title == "Ãðóïïà 夜"
    assert encoding_of(b"plain") == ""


@pytest.mark.parametrize(
    ("title", "artist"),
    [
        ("Track 01", "Unknown Artist"),
        ("Titel 3", "<unknown>"),
        ("Дорожка 2", "Неизвестный исполнитель"),
        ("トラック 4", "不明なアーティスト"),
        ("\u200b\u3164", "\u00ad\u2800 \ufeff"),
        ("\x1b\n\r\x07", "\u202e\u2066"),
    ],
)
def test_what_stands_for_no_name_is_none(title: str, artist: str) -> None:
    for container in ("FLAC", "ID3v2.4", "Matroska"):
        said = decode(TAGGED[container](title.encode(), artist.encode())).tags
        assert (said.title, said.artists) == ("", ()), container


@pytest.mark.parametrize("letter", ["x", "é", "夜"])
@pytest.mark.parametrize("container", [name for name in TAGGED if name != "ID3v1"])
def test_a_title_of_a_megabyte_is_cut_off(container: str, letter: str) -> None:
    said = decode(TAGGED[container](letter.encode() * 2**19, b"Anna")).tags
    assert said.title in ("", letter * tags.LONGEST)
    assert said.artists == ("Anna",)
    assert said.duration == pytest.approx(2, abs=0.1)


def test_hostile_text_becomes_one_short_line() -> None:
    assert clean("a\x1b[31m\r\n\0b\u202ec\ud800") == "a [31m b c\ufffd"
    assert len(clean("x" * 10_000)) == tags.LONGEST
    found = tags.read({"title": "\x07" * 50, "artist": ";".join(map(str, range(1000)))}, b"")
    assert found.title == ""
    assert len(found.artists) == tags.MOST_ARTISTS


def test_tags_survive_the_way_home_and_nothing_else_does() -> None:
    said = Tags("T", ("A", "B"), "C", "D", 1999, "USABC1234567")
    assert tags.unpack(tags.pack(said)) == said
    for wrong in (b"[]", b"{}", b'{"title": 1}', tags.pack(said).replace(b'"T"', b'"\\u0000"')):
        with pytest.raises(ValueError, match=r"."):
            tags.unpack(wrong)
