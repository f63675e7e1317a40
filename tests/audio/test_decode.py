"""Any bytes give samples, or a sentence that says what they are instead."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from musrec import formats
from musrec.audio import decode as decoding
from musrec.audio.decode import decode
from musrec.model import SAMPLE_RATE, NotAudio
from tests.support import hostile

CODECS = {  # suffix: muxer, encoder, rate
    "wav": ("wav", "pcm_s16le", 44_100),
    "aiff": ("aiff", "pcm_s16be", 44_100),
    "flac": ("flac", "flac", 44_100),
    "mp3": ("mp3", "libmp3lame", 44_100),
    "ogg": ("ogg", "vorbis", 44_100),
    "opus": ("ogg", "libopus", 48_000),
    "m4a": ("mp4", "aac", 44_100),
    "aac": ("adts", "aac", 44_100),
    "webm": ("webm", "libopus", 48_000),
}
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def tone(seconds: float, rate: int, hertz: float = 440.0) -> np.ndarray:
    """Two channels: the tone at half scale, and silence."""
    wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)
    return np.stack([wave, 0 * wave]).astype(np.float32)


def encode(suffix: str, seconds: float = 5.0, *, video: bool = False, sound: bool = True) -> bytes:
    muxer, codec, rate = CODECS[suffix]
    out = BytesIO()
    with av.open(out, "w", format=muxer) as container:
        if sound:
            stream = container.add_stream(codec, rate=rate)
            assert isinstance(stream, av.AudioStream)
            stream.layout = "stereo"
            stream.options = {"strict": "experimental"}  # ffmpeg's own vorbis
            if codec == "wmav2":  # its default is not allowed
                stream.bit_rate = 128_000
        if video:
            pictures = container.add_stream("mpeg4", rate=10)
            pictures.width = pictures.height = 64
            for number in range(int(seconds * 10)):
                picture = np.full((64, 64, 3), number % 256, np.uint8)
                image = av.VideoFrame.from_ndarray(picture, format="rgb24")
                container.mux(pictures.encode(image))
            container.mux(pictures.encode(None))
        if sound:
            assert isinstance(stream, av.AudioStream)
            resampler = av.AudioResampler(stream.format.name, "stereo", rate, stream.frame_size)
            frame = av.AudioFrame.from_ndarray(tone(seconds, rate), format="fltp", layout="stereo")
            frame.sample_rate = rate
            for part in [*resampler.resample(frame), *resampler.resample(None), None]:
                container.mux(stream.encode(part))
    return out.getvalue()


def wav(samples: np.ndarray, rate: int, channels: int = 1) -> bytes:
    """Float samples, as they are."""
    body = samples.astype("<f4").tobytes()
    form = struct.pack("<HHIIHH", 3, channels, rate, rate * 4 * channels, 4 * channels, 32)
    chunks = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(body))
    return b"RIFF" + struct.pack("<I", len(chunks) + len(body)) + chunks + body


def flac_of_hours(hours: float) -> bytes:
    """A stream of constant blocks: a few hundred kilobytes for days of sound (RFC 9639)."""

    def table(bits: int, polynomial: int) -> list[int]:
        rows = []
        for byte in range(256):
            value = byte << (bits - 8)
            for _ in range(8):
                value = (value << 1) ^ (polynomial if value >> (bits - 1) & 1 else 0)
            rows.append(value & ((1 << bits) - 1))
        return rows

    crc8, crc16 = table(8, 0x07), table(16, 0x8005)
    rate, block = 8000, 65535
    blocks = int(hours * 3600 * rate / block)
    info = struct.pack(">HH3s3s", block, block, bytes(3), bytes(3))
    info += (rate << 44 | 15 << 36 | blocks * block).to_bytes(8, "big") + bytes(16)
    out = bytearray(b"fLaC\x80" + len(info).to_bytes(3, "big") + info)
    for number in range(blocks):
        frame = bytearray(b"\xff\xf8\x70\x08")
        frame += chr(number).encode("utf-8", "surrogatepass") + struct.pack(">H", block - 1)
        check = 0
        for byte in frame:
            check = crc8[check ^ byte]
        frame += bytes([check, 0]) + struct.pack(">h", number % 3)
        check = 0
        for byte in frame:
            check = (check << 8 & 0xFFFF) ^ crc16[check >> 8 ^ byte]
        out += frame + check.to_bytes(2, "big")
    return bytes(out)


def loudest_frequency(y: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(y * np.hanning(y.size))).argmax() * SAMPLE_RATE / y.size)


# What can be heard


@pytest.mark.parametrize("suffix", CODECS)
def test_every_format_gives_the_channels_that_sound(suffix: str) -> None:
    samples = decode(encode(suffix))
    assert samples.y.dtype == np.float32
    assert samples.seconds == pytest.approx(5, abs=0.1)
    assert loudest_frequency(samples.y) == pytest.approx(440, abs=1)
    middle = samples.y[SAMPLE_RATE : 4 * SAMPLE_RATE]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.06)


@pytest.mark.parametrize(
    "clip",
    ["tim-beek--the-story-continues.flac", "setuniman--sweet-waltz.ogg", "yuanan-j-a-r--miedo.wav"],
)
def test_samples_are_those_that_librosa_would_load(music: Path, clip: str) -> None:
    import librosa

    samples = decode((music / clip).read_bytes(), seconds=8, start=4.0)
    expected, _ = librosa.load(music / clip, sr=SAMPLE_RATE, offset=4.0, duration=8)
    np.testing.assert_allclose(samples.y, expected, atol=1e-5)


@pytest.mark.parametrize(
    "clip",
    [
        "tim-beek--pink-blue.mp3",
        "cynicmusic--waterworks.opus",
        "bydariogamer--piloting-waves.m4a",
    ],
)
def test_the_middle_of_a_long_song_is_heard(music: Path, clip: str) -> None:
    samples = decode((music / clip).read_bytes(), seconds=10)
    assert samples.seconds == pytest.approx(10, abs=0.05)
    assert samples.duration == pytest.approx(40, abs=0.1)
    assert samples.start == pytest.approx(15, abs=0.1)


def test_a_hundred_hours_in_a_few_hundred_kilobytes_are_not_unpacked() -> None:
    bomb = flac_of_hours(100)
    assert len(bomb) < 700_000
    samples = decode(bomb)
    assert samples.seconds == pytest.approx(30, abs=0.01)
    assert samples.duration == pytest.approx(360_000, rel=0.001)
    assert samples.start == pytest.approx(180_000, rel=0.001)


def test_three_hours_of_mp3_cost_thirty_seconds() -> None:
    piece = encode("mp3", 10)
    frames = piece[piece.index(b"\xff\xfb", 600) :]
    samples = decode(frames * 1080)
    assert samples.seconds == pytest.approx(30, abs=0.1)
    assert samples.start == pytest.approx(5400, rel=0.02)
    assert loudest_frequency(samples.y) == pytest.approx(440, abs=1)


def test_the_sound_of_a_video_is_heard() -> None:
    assert loudest_frequency(decode(encode("m4a", video=True)).y) == pytest.approx(440, abs=1)


def test_six_channels_are_heard() -> None:
    rng = np.random.default_rng(0)
    channels = rng.normal(0, 0.1, (3 * SAMPLE_RATE, 6)).astype(np.float32)
    samples = decode(wav(channels, SAMPLE_RATE, 6))
    np.testing.assert_allclose(samples.y, channels.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize(
    ("codec", "muxer", "layout"),
    [
        ("aac", "mp4", "7.1"),
        ("libopus", "ogg", "7.1"),
        ("flac", "flac", "7.1"),
        ("wavpack", "wv", "hexadecagonal"),
        ("pcm_s16le", "wav", "22.2"),
    ],
)
def test_eight_channels_and_more_are_heard(codec: Any, muxer: str, layout: str) -> None:
    tone = 0.3 * np.sin(np.arange(3 * 48_000) * (2 * np.pi * 440 / 48_000))
    buffer = BytesIO()
    with av.open(buffer, "w", format=muxer) as container:
        stream = container.add_stream(codec, rate=48_000, layout=layout)
        channels = stream.layout.nb_channels
        packed = np.repeat(tone * 32_767, channels)[None].astype(np.int16)
        frame = av.AudioFrame.from_ndarray(packed, "s16", layout)
        frame.sample_rate = 48_000
        resampler = av.AudioResampler(stream.format, layout, 48_000, stream.frame_size or 1_024)
        for part in resampler.resample(frame):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    samples = decode(buffer.getvalue())
    assert samples.seconds == pytest.approx(3, abs=0.1)
    assert 0.15 < np.abs(samples.y).max() < 0.6


@pytest.mark.parametrize("suffix", ["mp3", "flac", "ogg", "wav", "webm"])
def test_the_rest_of_a_truncated_file_is_heard(suffix: str) -> None:
    data = encode(suffix, 12)
    samples = decode(data[: len(data) * 2 // 3])
    assert 3 <= samples.seconds <= 8.5
    assert loudest_frequency(samples.y) == pytest.approx(440, abs=1)


def test_damage_in_the_middle_of_a_file_is_skipped() -> None:
    data = bytearray(encode("mp3", 8))
    middle = len(data) // 2
    data[middle : middle + 3000] = os.urandom(3000)
    assert decode(bytes(data)).seconds > 7


def test_samples_that_are_not_numbers_become_silence() -> None:
    samples = tone(2, SAMPLE_RATE)[0]
    samples[100:200] = np.nan
    samples[300:400] = np.inf
    samples[500:600] = 1e30
    y = decode(wav(samples, SAMPLE_RATE)).y
    assert np.isfinite(y).all()
    assert np.abs(y).max() <= 4


def test_titles_in_an_unknown_encoding_do_no_harm() -> None:
    data = encode("flac", 2)
    comment = b"TITLE=\xff\xfe\x80"
    tags = struct.pack("<III", 0, 1, len(comment)) + comment
    block = b"\x04" + len(tags).to_bytes(3, "big") + tags
    assert decode(data[:42] + block + data[42:]).seconds == pytest.approx(2, abs=0.1)


def test_two_seconds_are_enough() -> None:
    assert decode(encode("ogg", 2)).seconds == pytest.approx(2, abs=0.1)


# What cannot


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"#EXTM3U\n#EXTINF:1\nfile:///etc/passwd\n", "playlist"),
        (b"[playlist]\nFile1=http://127.0.0.1/\n", "playlist"),
        (b"ID3\x03\0\0\0\0\0\0#EXTM3U\nfile:///etc/passwd\n", "playlist"),
        (b"ID3\x03\0\0\0\0\0\0" + bytes(500), "damaged"),
        (b"PK\x03\x04" + bytes(100), "zip"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "picture"),
        (b"  <!DOCTYPE html><html>", "web page"),
        (b"https://example.org/song.mp3", "link"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "text"),
        (b"MThd" + bytes(100), "MIDI"),
        (b"RIFF\0\0\0\0ACON", "something other than sound"),
        (b"RIFF\0\0\0\0AVI LIST", "AVI file is damaged"),
        (b"\0\0\0\x18ftypheic" + bytes(100), "picture"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "picture"),
        (b"song.mp3" + bytes(249) + b"ustar\x0000" + bytes(500), "tar archive"),
        (b"Extended Module: x" + bytes(100), "tracker module"),
        (b"wvpk" + bytes(100), "WavPack file is damaged"),
        (b"MPCK" + bytes(100), "Musepack file is damaged"),
        (bytes(5000), "not audio"),
        (np.random.default_rng(0).bytes(50_000), "not audio"),
        (b"fLaC" + bytes(5000), "damaged"),
        (b"OggS" + bytes(5000), "damaged"),
        (b"RIFF\0\0\0\0WAVE", "damaged"),
        (wav(np.zeros(20), 1), "not supported"),
        (wav(np.zeros(SAMPLE_RATE // 2), SAMPLE_RATE), "0.50 s is too short to hear anything in"),
        (wav(np.zeros(0), SAMPLE_RATE), "damaged"),
    ],
)
def test_what_is_not_audio_is_named(data: bytes, words: str) -> None:
    with pytest.raises(NotAudio) as refusal:
        decode(data)
    assert words in str(refusal.value)
    assert refusal.value.hint.endswith(".")


def test_too_many_bytes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "LARGEST", 2**20)
    with pytest.raises(NotAudio, match="larger than 1 MiB"):
        decode(bytes(2**20 + 1))


def test_video_without_sound_is_named() -> None:
    with pytest.raises(NotAudio, match="no sound track"):
        decode(encode("m4a", video=True, sound=False))


def test_a_file_truncated_near_its_beginning_is_named() -> None:
    data = encode("flac", 12)
    with pytest.raises(NotAudio, match=r"cut off after .* of 12 seconds"):
        decode(data[: len(data) // 8])
    with pytest.raises(NotAudio, match="cut off: its index is missing"):
        decode(encode("m4a", 12)[:20_000])


def test_encrypted_purchases_are_named() -> None:
    with pytest.raises(NotAudio, match="encrypted"):
        decode(encode("m4a").replace(b"mp4a", b"drms"))


GENUINE = {suffix: encode(suffix, 1.5) for suffix in CODECS}


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    suffix=st.sampled_from(sorted(GENUINE)),
    changes=st.lists(
        st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8), st.booleans()), max_size=8
    ),
    kept=st.floats(0.01, 1),
)
def test_damaged_files_give_samples_or_a_sentence(
    suffix: str, changes: list[tuple[float, bytes, bool]], kept: float
) -> None:
    data = bytearray(GENUINE[suffix])
    for where, what, early in changes:
        at = int(where * (min(len(data), 512) if early else len(data)))
        data[at : at + len(what)] = what
    try:
        samples = decode(bytes(data[: int(kept * len(data))]))
    except NotAudio:
        return
    assert np.isfinite(samples.y).all()
    assert samples.seconds <= 30


# The child


def rights_left(code: str) -> str:
    program = f"""
import errno, os, socket
from musrec.audio import decode
decode.give_up_rights()
try:
    {code}
    os.write(1, b"done")
except (OSError, MemoryError) as error:
    os.write(1, type(error).__name__.encode())
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return run.stdout.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no resource limits")
@pytest.mark.parametrize(
    "code",
    ["open(os.devnull)", "socket.socket()", "os.pipe()", "bytearray(3 * 2**30)"],
)
def test_the_child_can_open_nothing(code: str) -> None:
    assert rights_left(code) != "done"
    assert rights_left("len(b'')") == "done"


@on_linux
def test_the_child_holds_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSREC_SECRET", "hunter2")
    decoding.stop()
    decode(GENUINE["wav"])
    environment = Path(f"/proc/{decoding._child.pid}/environ").read_bytes()
    assert b"hunter2" not in environment
    limits = Path(f"/proc/{decoding._child.pid}/limits").read_text()
    assert "Max open files            3                    3" in limits


def test_the_child_stays_for_the_next_clip_and_is_replaced_when_it_dies() -> None:
    decode(GENUINE["wav"])
    first = decoding._child.pid
    decode(GENUINE["mp3"])
    assert decoding._child.pid == first
    assert first is not None
    os.kill(first, signal.SIGKILL)
    decode(GENUINE["flac"])
    assert decoding._child.pid != first


def test_a_clip_that_takes_too_long_is_given_up_and_the_next_is_heard() -> None:
    decoding.stop()
    with pytest.raises(NotAudio, match="never ends"):
        decode(GENUINE["wav"], limit=0.01)  # less than a child needs to start
    assert decode(GENUINE["wav"]).seconds > 1


@on_linux
def test_the_child_ends_when_its_parent_is_killed() -> None:
    program = """
import os, signal
from musrec.audio import decode
decode.start()
print(decode._child.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    child = Path(f"/proc/{int(run.stdout)}")
    deadline = time.monotonic() + 20
    while child.exists() and "Z" not in (child / "stat").read_text().split()[2]:
        assert time.monotonic() < deadline, "an orphan is left"
        os.sched_yield()


def test_a_playlist_makes_no_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/a.mp3"
        playlists = [
            f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{address}\n#EXT-X-ENDLIST\n",
            f"ID3\x03\0\0\0\0\0\0#EXTM3U\n#EXTINF:1,\n{address}\n",
            f"ffconcat version 1.0\nfile '{address}'\n",
        ]
        for text in playlists:
            with pytest.raises(NotAudio):
                decode(text.encode())
        with pytest.raises(BlockingIOError):
            server.accept()


# What is built to take long


@pytest.mark.parametrize("kind", ["opus", "flac", "id3", "flac behind id3"])
def test_more_comments_than_any_song_has_are_refused_unread(kind: Any) -> None:
    names = [b"K%05d=v" % number for number in range(60_000)]
    stated = b"".join(struct.pack("<I", len(name)) + name for name in names)
    stated = struct.pack("<II", 0, len(names)) + stated
    if kind == "opus":  # no more than the beginning: the rest is never looked at
        data = b"OggS\0\x02" + bytes(22) + b"OpusHead" + bytes(11) + b"OpusTags" + stated
    elif kind == "id3":
        frames = b"".join(
            b"TXXX" + struct.pack(">I", 9) + bytes(3) + name[:8] for name in names[:20_000]
        )
        size = bytes(len(frames) >> shift & 127 for shift in (21, 14, 7, 0))
        data = b"ID3\x03\0\0" + size + frames + GENUINE["mp3"]
    else:
        whole = GENUINE["flac"]
        data = whole[:42] + b"\x04" + len(stated).to_bytes(3, "big") + stated + whole[42:]
        if "behind" in kind:
            data = b"ID3\x04" + bytes(6) + data
    began = time.monotonic()
    with pytest.raises(NotAudio, match="comments: too many"):
        decode(data)
    assert time.monotonic() - began < 2


def test_packets_without_sound_are_not_read_for_ever() -> Any:
    """Two million packets of one byte in 2 MB of WebM, none of them valid."""

    def element(name: str, content: bytes) -> bytes:
        return bytes.fromhex(name) + (len(content) | 1 << 56).to_bytes(8, "big") + content

    opus = b"OpusHead\1\1\0\0" + struct.pack("<IhB", 48_000, 0, 0)
    sound = element("E1", element("B5", struct.pack(">d", 48_000)) + element("9F", b"\1"))
    track = element("D7", b"\1") + element("73C5", b"\1") + element("83", b"\2")
    track = element("AE", track + element("86", b"A_OPUS") + element("63A2", opus) + sound)
    laced = b"\x84\xff" + b"\xff" * 256
    blocks = [element("A3", b"\x81" + struct.pack(">h", n) + laced) for n in range(8000)]
    cluster = element("1F43B675", element("E7", b"\0") + b"".join(blocks))
    info = element("1549A966", element("2AD7B1", (1_000_000).to_bytes(3, "big")))
    head = element("1A45DFA3", element("4282", b"webm"))
    data = head + element("18538067", info + element("1654AE6B", track) + cluster)
    before = decoding._child.pid
    with pytest.raises(NotAudio, match=r"nothing in it can be decoded|never ends"):
        decode(data, limit=8)
    assert before is None or decoding._child.pid in (before, None)


def test_a_clip_that_spends_its_processor_time_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """Labels in a WAV file, whose cost grows with the square of their number."""
    asked = []
    ask = decoding._Child._ask

    def counting(child: Any, header: Any, data: bytes, left: Any) -> Any:
        asked.append(left)
        return ask(child, header, data, left)

    data = hostile.riff_cues(150_000)
    decode(GENUINE["wav"])
    monkeypatch.setattr(decoding._Child, "_ask", counting)
    began = time.monotonic()
    with pytest.raises(NotAudio, match="never ends"):
        decode(data, limit=3)
    assert len(asked) == 1
    assert time.monotonic() - began < 6
    assert decode(GENUINE["wav"]).seconds > 1


@pytest.mark.parametrize(
    ("muxer", "codec", "rate"),
    [
        ("caf", "alac", 44_100),
        ("mov", "pcm_s16le", 44_100),
        ("matroska", "ac3", 48_000),
        ("wv", "wavpack", 44_100),
        ("tta", "tta", 44_100),
        ("ac3", "ac3", 48_000),
        ("eac3", "eac3", 48_000),
        ("au", "pcm_s16be", 44_100),
        ("mp2", "mp2", 44_100),
        ("3gp", "aac", 44_100),
        ("w64", "pcm_s16le", 44_100),
        ("aiff", "pcm_s16le", 44_100),
        ("wav", "pcm_s24le", 48_000),
        ("wav", "adpcm_ms", 22_050),
        ("wav", "libmp3lame", 44_100),
        ("wav", "pcm_f64le", 44_100),
        ("avi", "libmp3lame", 44_100),
        ("flv", "aac", 44_100),
        ("mpegts", "aac", 44_100),
        ("mpeg", "mp2", 48_000),
        ("vob", "ac3", 48_000),
        ("nut", "libopus", 48_000),
        ("rm", "ac3", 44_100),
        ("latm", "aac", 44_100),
        ("wtv", "mp2", 48_000),
        ("voc", "pcm_s16le", 44_100),
        ("sox", "pcm_s32le", 44_100),
        ("ircam", "pcm_s16le", 44_100),
        ("adx", "adpcm_adx", 44_100),
        ("mp4", "libopus", 48_000),
        ("mp4", "alac", 44_100),
        ("ismv", "aac", 44_100),
        ("asf", "wmav2", 44_100),
        ("wav", "wmav2", 44_100),
        ("matroska", "wavpack", 44_100),
        ("caf", "pcm_f32be", 44_100),
    ],
)
def test_rarer_containers_are_heard(
    monkeypatch: pytest.MonkeyPatch, muxer: Any, codec: Any, rate: Any
) -> None:
    monkeypatch.setitem(CODECS, "rare", (muxer, codec, rate))
    samples = decode(encode("rare"))
    assert samples.seconds == pytest.approx(5, abs=0.15)
    assert loudest_frequency(samples.y) == pytest.approx(440, abs=1)


@pytest.mark.parametrize(
    ("muxer", "codec"),
    [("amr", "libopencore_amrnb"), ("3gp", "libopencore_amrnb"), ("rm", "real_144")],
)
def test_what_old_telephones_recorded_is_heard(
    monkeypatch: pytest.MonkeyPatch, muxer: Any, codec: Any
) -> None:
    monkeypatch.setitem(CODECS, "rare", (muxer, codec, 8_000))
    samples = decode(encoded("rare", [chord(5)]))
    assert samples.seconds == pytest.approx(5, abs=0.1)
    assert min(abs(loudest_frequency(samples.y) - f) for f in (262, 330, 392)) < 1


@pytest.mark.parametrize("box", [b"free", b"wide", b"uuid", b"udta"])
def test_an_mp4_that_states_no_brand_is_heard(box: bytes) -> None:
    data = encode("m4a")
    size = int.from_bytes(data[:4], "big")
    renamed = data[:4] + box + data[8:]
    assert data[4:8] == b"ftyp"
    assert size < 64
    assert decode(renamed).seconds == pytest.approx(5, abs=0.1)


def transport_stream(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    monkeypatch.setitem(CODECS, "ts", ("mpegts", "aac", 44_100))
    data = encode("ts")
    return [data[at : at + 188] for at in range(0, len(data), 188)]


@pytest.mark.parametrize(
    ("before", "behind", "cut"), [(0, 0, 100), (4, 0, 0), (4, 0, 77), (0, 16, 0), (0, 16, 150)]
)
def test_a_recording_from_the_air_or_a_disc_may_begin_anywhere(
    monkeypatch: pytest.MonkeyPatch, before: int, behind: int, cut: int
) -> None:
    packets = transport_stream(monkeypatch)
    data = b"".join(bytes(before) + packet + bytes(behind) for packet in packets)[cut:]
    samples = decode(data)
    assert samples.seconds == pytest.approx(5, abs=0.1)
    assert loudest_frequency(samples.y) == pytest.approx(440, abs=1)


@pytest.mark.parametrize("first", [b"\xbb", b"\xc0"])
def test_an_mpeg_film_may_begin_between_its_packs(
    monkeypatch: pytest.MonkeyPatch, first: bytes
) -> None:
    monkeypatch.setitem(CODECS, "mpg", ("mpeg", "mp2", 48_000))
    data = encode("mpg")
    samples = decode(data[data.index(b"\0\0\x01" + first) :])
    assert samples.seconds == pytest.approx(5, abs=0.1)
    assert loudest_frequency(samples.y) == pytest.approx(440, abs=1)


# What may stand first


@pytest.mark.parametrize(
    "before",
    [
        bytes(70_000),
        b"ID3\x04\0\x10\0\0\0\x0a" + bytes(10) + b"3DI\x04\0\x10\0\0\0\x0a",  # with a footer
        b"ID3\x03\0\0\0\0\0\x0a" + bytes(10) + b"ID3\x04\0\0\0\0\0\x05" + bytes(5),
        b"APETAGEX" + struct.pack("<IIII", 2000, 40, 1, 1 << 29) + bytes(8 + 40),
        b"\xef\xbb\xbf",
        b"\r\n\r\n",
    ],
    ids=["zeros", "ID3 with a footer", "two ID3 tags", "APE", "a byte order mark", "blank lines"],
)
@pytest.mark.parametrize("suffix", ["mp3", "flac", "m4a"])
def test_whatever_stands_before_the_sound(before: bytes, suffix: str) -> None:
    samples = decode(before + encode(suffix, 3))
    assert samples.seconds == pytest.approx(3, abs=0.1)
    assert loudest_frequency(samples.y) == pytest.approx(440, abs=1)


# Which channel, track and excerpt


def encoded(suffix: str, tracks: list[np.ndarray]) -> bytes:
    """One channel each, at `SAMPLE_RATE`."""
    muxer, codec, rate = {**CODECS, "mka": ("matroska", "pcm_s16le", SAMPLE_RATE)}[suffix]
    out = BytesIO()
    with av.open(out, "w", format=muxer) as container:
        streams = [container.add_stream(codec, rate=rate, layout="mono") for _ in tracks]
        for stream, samples in zip(streams, tracks, strict=True):
            assert isinstance(stream, av.AudioStream)
            form, size = stream.format.name, stream.frame_size or 4096
            resampler = av.AudioResampler(form, "mono", rate, size)
            frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), "flt", "mono")
            frame.sample_rate = SAMPLE_RATE
            for part in [*resampler.resample(frame), *resampler.resample(None), None]:
                container.mux(stream.encode(part))
    return out.getvalue()


def chord(seconds: float) -> np.ndarray:
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return np.asarray(0.15 * np.sin(2 * np.pi * np.outer((262, 330, 392), t)).sum(axis=0))


@pytest.mark.parametrize("weaker", [-1.0, -0.9])
def test_channels_that_cancel_each_other_out_are_heard(weaker: float) -> None:
    sound = chord(4)
    y = decode(wav(np.stack([weaker * sound, sound], axis=1), SAMPLE_RATE, 2)).y
    np.testing.assert_allclose(np.abs(y), np.abs(sound), atol=1e-3)


def test_channels_that_cancel_each_other_out_for_a_while_are_heard() -> None:
    sound = chord(6)
    other = np.where(np.arange(sound.size) < 4 * SAMPLE_RATE, sound, -sound)
    y = decode(wav(np.stack([sound, other], axis=1), SAMPLE_RATE, 2)).y
    np.testing.assert_allclose(np.abs(y), np.abs(sound), atol=1e-3)


def test_surround_sound_whose_channels_cancel_each_other_out_is_heard() -> None:
    sound, low = chord(4), 0.01 * np.sin(np.arange(4 * SAMPLE_RATE) / 60)
    channels = np.stack([sound, -sound, 0 * low, low, -sound, sound], axis=1)
    y = decode(wav(channels, SAMPLE_RATE, 6)).y
    np.testing.assert_allclose(np.abs(y), np.abs(sound), atol=1e-3)


@pytest.mark.parametrize(("channels", "which"), [(2, 0), (2, 1), (6, 2)])
def test_music_in_one_channel_is_as_loud_as_in_all(channels: int, which: int) -> None:
    sound = chord(4)
    spread = np.zeros((sound.size, channels))
    spread[:, which] = sound
    np.testing.assert_allclose(decode(wav(spread, SAMPLE_RATE, channels)).y, sound, atol=1e-3)


@pytest.mark.parametrize(
    ("suffix", "parts", "least"),
    [
        ("mp3", ((25, 1), (60, 0), (15, 1)), 20),  # a hidden track
        ("opus", ((60, 0), (40, 1)), 29),
        ("flac", ((40, 1), (300, 0)), 29),
        ("flac", ((200, 0), (9, 1), (31, 0)), 8.5),
    ],
)
def test_the_music_around_a_long_silence_is_heard(
    suffix: str, parts: tuple[tuple[int, int], ...], least: float
) -> None:
    sound = np.concatenate([on * chord(seconds) for seconds, on in parts])
    y = decode(encoded(suffix, [sound])).y
    loud = [np.std(second) > 0.05 for second in np.array_split(y, round(y.size / SAMPLE_RATE * 2))]
    assert sum(loud) / 2 >= least


def test_the_music_around_the_noise_of_a_tape_is_heard() -> None:
    noise = 0.003 * np.random.default_rng(0).normal(size=60 * SAMPLE_RATE)
    tape = decode(encoded("flac", [np.concatenate([chord(32), noise, chord(20)])]))
    assert np.std(tape.y) == pytest.approx(np.std(chord(1)), rel=0.1)
    assert tape.start < 1
    quiet = decode(encoded("flac", [0.01 * chord(90)]))
    assert quiet.start == pytest.approx(30, abs=0.1)


@pytest.mark.parametrize("suffix", ["mka", "m4a", "webm"])
def test_the_track_that_sounds_is_heard(suffix: str) -> None:
    sound = chord(5)
    y = decode(encoded(suffix, [0 * sound, sound])).y
    assert np.std(y) == pytest.approx(np.std(sound), rel=0.1)


def test_the_sound_of_a_film_with_subtitles_is_heard() -> None:
    out, header = BytesIO(), b"[Script Info]\n[V4+ Styles]\nFormat: Name\n[Events]\nFormat: Text\n"
    with av.open(out, "w", format="matroska") as container:
        stream = container.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout="mono")
        words: Any = container.add_stream("subrip")
        words.codec_context.subtitle_header = header
        packed = (chord(3) * 32_767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(packed, "s16", "mono")
        frame.sample_rate = SAMPLE_RATE
        container.mux(stream.encode(frame))
    with av.open(BytesIO(out.getvalue())) as container:
        assert len(container.streams.subtitles) == 1
    assert decode(out.getvalue()).seconds == pytest.approx(3, abs=0.1)


def test_silence_stays_silent_wherever_one_looks() -> None:
    assert np.abs(decode(encoded("flac", [np.zeros(120 * SAMPLE_RATE)])).y).max() < 1e-3


# How it is shifted and scaled


@pytest.mark.parametrize(
    "shift",
    [
        lambda t: 0.1 + 0 * t,
        lambda t: -0.4 + 0 * t,
        lambda t: 0.02 * t,
        lambda t: np.where(t < 2, 0.2, -0.1),
    ],
    ids=["constant", "far", "drifting", "a step"],
)
def test_a_shifted_recording_is_heard_around_zero(shift: Any) -> None:
    sound = chord(5)
    y = decode(wav(sound + shift(np.arange(sound.size) / SAMPLE_RATE), SAMPLE_RATE)).y
    calm = np.abs(np.arange(sound.size) / SAMPLE_RATE - 2) > 1.2
    assert np.abs(y - sound)[calm].max() < 0.03
    assert abs(float(y.mean())) < 0.01


def test_a_shift_in_one_channel_is_not_taken_for_sound() -> None:
    sound = chord(5)
    y = decode(wav(np.stack([sound, 0 * sound + 0.3], axis=1), SAMPLE_RATE, 2)).y
    np.testing.assert_allclose(y, sound, atol=0.02)


@pytest.mark.parametrize("full", [2**15, 2**23, 2**31])
def test_whole_numbers_kept_as_fractions_are_scaled(full: int) -> None:
    sound = chord(4)
    y = decode(wav(sound * full, SAMPLE_RATE)).y
    np.testing.assert_allclose(y, sound, atol=1e-3)


@pytest.mark.parametrize("peak", [1.5, 8.0, 100.0])
def test_a_mix_beyond_full_scale_is_heard_loud(peak: float) -> None:
    sound = chord(4)
    y = decode(wav(sound * (peak / np.abs(sound).max()), SAMPLE_RATE)).y
    heard = np.corrcoef(y, sound)[0, 1], float(np.abs(y).max())
    assert heard == pytest.approx((1, min(peak, 1.5)), rel=0.35)


@pytest.mark.parametrize("used", [24, 32])
@pytest.mark.parametrize("unused", ["lowest", "highest"])
def test_24_bits_of_32_are_heard_at_their_level(used: int, unused: str) -> None:
    sound = chord(4)
    words = np.rint(sound * 2**23).astype("<i4") * (256 if unused == "lowest" else 1)
    pcm = bytes.fromhex("0100000000001000800000aa00389b71")
    form = struct.pack("<HHIIHHHHI", 0xFFFE, 1, SAMPLE_RATE, 4 * SAMPLE_RATE, 4, 32, 22, used, 4)
    chunks = b"WAVEfmt " + struct.pack("<I", len(form + pcm)) + form + pcm
    chunks += b"data" + struct.pack("<I", words.nbytes) + words.tobytes()
    data = b"RIFF" + struct.pack("<I", len(chunks)) + chunks
    np.testing.assert_allclose(decode(data).y, sound, atol=1e-3)


def test_dsd_is_heard() -> None:
    """One channel of DSD at 352.8 kHz: a sigma-delta modulated tone, written as DSF."""
    rate = 352_800
    wave = 0.4 * np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate)
    error, bits = 0.0, np.empty(wave.size, np.uint8)
    for place, value in enumerate(wave.tolist()):
        error += value
        bits[place] = error >= 0
        error -= 1.0 if error >= 0 else -1.0
    packed = np.packbits(bits, bitorder="little").tobytes()
    packed += bytes(-len(packed) % 4096)
    form = struct.pack("<4sQIIIIIIQII", b"fmt ", 52, 1, 0, 1, 1, rate, 1, bits.size, 4096, 0)
    body = form + struct.pack("<4sQ", b"data", 12 + len(packed)) + packed
    data = struct.pack("<4sQQQ", b"DSD ", 28, 28 + len(body), 0) + body
    samples = decode(data)
    assert samples.seconds == pytest.approx(2, abs=0.1)
    assert loudest_frequency(samples.y) == pytest.approx(440, abs=1)
