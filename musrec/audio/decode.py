"""Untrusted bytes become samples: the one place where files from outside are parsed.

The format is read from the first bytes, never from a file name, and only the demuxer of that one
format may read the rest: ffmpeg would follow a playlist to other files and addresses. It runs in a
child process that holds no secrets and has nothing but two pipes. Where the platform has resource
limits (Linux, macOS), the child cannot open a file or a socket or start a process, and its memory
(Linux) and processor time are bounded; on Windows it is only a separate process with a time limit.
The child stays for the next clip, which saves its start, and is replaced when it crashes, takes too
long or runs out of memory.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from enum import IntEnum
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from musrec.model import SAMPLE_RATE, NotAudio

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader

    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

    from musrec.model import FloatArray

LARGEST = 512 * 1024 * 1024
"""Bytes; three hours at 320 kbit/s."""

MINIMUM_SECONDS = 1.0
"""Shorter clips are refused."""

WHOLE_SECONDS = 3.0
"""A truncated clip is heard if this much of it is there."""

LONGEST_EXCERPT = 600.0
"""Seconds."""

_TIMEOUT = 30.0  # seconds of wall time for one clip
_CPU_SECONDS = 20
_MEMORY = 1024 * 1024 * 1024  # bytes, beyond what the child has when it is ready
_FILES = "Send an mp3, m4a, ogg, opus, flac, wav or webm file."
_AGAIN = "Download or export it again, and check that it plays."

_REQUEST = struct.Struct("<8sQdd")  # demuxer, bytes that follow, seconds, start
_REPLY = struct.Struct("<BQdd")  # outcome, samples that follow, duration, start

_CODECS = (
    *("aac", "aac_latm", "alac", "flac", "libopus", "libvorbis", "opus", "vorbis"),
    *("mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float"),
    *("adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms", "pcm_alaw", "pcm_mulaw", "pcm_s8", "pcm_u8"),
    *(
        f"pcm_{kind}{order}"
        for kind in ("s16", "s24", "s32", "f32", "f64")
        for order in ("le", "be")
    ),
)
"""The decoders of ffmpeg that may run: those of the formats we name, none for pictures."""

_RATES = range(4_000, 768_001)


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """A clip, or an excerpt of a longer one.

    Attributes
    ----------
    y : FloatArray, shape (n,)
        Mono (mean of the channels) at `SAMPLE_RATE`, finite, full scale at 1; lossy formats may
        go slightly beyond.
    start : float
        Where the excerpt begins, in seconds.
    duration : float or None
        Of the whole clip in seconds, as the file states it; None if it does not.
    """

    y: FloatArray
    start: float
    duration: float | None

    @property
    def seconds(self) -> float:
        """Length of the excerpt."""
        return self.y.size / SAMPLE_RATE


def decode(data: bytes, *, seconds: float = 30.0, start: float | None = None) -> Samples:
    """Decode a clip, or an excerpt of a long one.

    Parameters
    ----------
    data : bytes
        A whole file, from anywhere.
    seconds : float
        How much to decode at most, 1 to 600.
    start : float, optional
        Where to begin, in seconds. By default the excerpt is the middle of a clip longer than
        `seconds`, as the beginning is often not what a song sounds like; if the file is shorter
        than it states, the excerpt is its beginning.

    Raises
    ------
    NotAudio
        The message says what the bytes are instead, or what is wrong with them.
    """
    if not MINIMUM_SECONDS <= seconds <= LONGEST_EXCERPT:
        raise ValueError(f"seconds must be {MINIMUM_SECONDS:g} to {LONGEST_EXCERPT:g}")
    demuxer, label = sniff(data)
    if label == "MP4" and _ENCRYPTED.search(data):
        raise NotAudio(
            "This recording is encrypted by the shop that sold it.", "Send an unprotected copy."
        )
    reply = _child.decode(demuxer, data, seconds, start)
    if reply is None:
        raise NotAudio(
            f"This {label} file is built in such a way that decoding it fails or never ends.",
            _AGAIN,
        )
    if reply.outcome is not _Outcome.DECODED:
        raise _refusal(reply.outcome, label, data)

    duration = reply.duration if 0 < reply.duration < 1e7 else None
    samples = Samples(reply.samples, reply.start, duration)
    if duration and samples.seconds < min(WHOLE_SECONDS, seconds - 0.1, duration - 1):
        raise NotAudio(
            f"This {label} file is cut off after {samples.seconds:.1f} of {duration:.0f} seconds.",
            _AGAIN,
        )
    if samples.seconds < MINIMUM_SECONDS:
        raise NotAudio(
            f"{samples.seconds:.2f} s is too short to hear anything in.",
            f"Send at least {WHOLE_SECONDS:.0f} seconds; ten or more give tempo and key.",
        )
    return samples


def start() -> None:
    """Start the child ahead of the first clip."""
    _child.start()


def stop() -> None:
    """End the child; the next clip starts another one."""
    _child.stop()


# What the bytes are -----------------------------------------------------------------------------

_MAGIC = (  # first bytes; offset of more bytes, and these; demuxer, label
    (b"RIFF", 8, b"WAVE", "wav", "WAV"),
    (b"RF64", 8, b"WAVE", "wav", "WAV"),
    (b"FORM", 8, b"AIF", "aiff", "AIFF"),
    (b"", 4, b"ftyp", "mp4", "MP4"),
    (b"fLaC", 0, b"", "flac", "FLAC"),
    (b"OggS", 0, b"", "ogg", "Ogg"),
    (b"\x1aE\xdf\xa3", 0, b"", "matroska", "WebM"),
)

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
    (b"0&\xb2u\x8ef\xcf\x11", "a Windows Media file, which is not supported"),
    (b"FLV", "a Flash video, which is not supported"),
    (b"wvpk", "a WavPack file, which is not supported"),
    (b"MAC ", "a Monkey's Audio file, which is not supported"),
    (b"DSD ", "a DSD file, which is not supported"),
    (b"caff", "a Core Audio file, which is not supported"),
    (b"#!AMR", "an AMR recording, which is not supported"),
    (b"MZ", "a program"),
    (b"\x7fELF", "a program"),
)

_ENCRYPTED = re.compile(rb"stsd.{12}(drms|enca)", re.DOTALL)
"""Sample descriptions of an MP4 file (ISO 14496-12) that stand for an encrypted track."""


def sniff(data: bytes) -> tuple[str, str]:
    """Return what a file is by its first bytes.

    Returns
    -------
    demuxer : str
        ffmpeg's name of the one demuxer that may read it.
    label : str
        Name of the format, for people.

    Raises
    ------
    NotAudio
        The bytes are something else, too many, or none.
    """
    if not data:
        raise NotAudio("The file is empty.", _AGAIN)
    if len(data) > LARGEST:
        raise NotAudio(
            f"The file is larger than {LARGEST // 2**20} MiB.", "Send a shorter excerpt of it."
        )
    for magic, at, kind, demuxer, label in _MAGIC:
        if data.startswith(magic) and data.startswith(kind, at):
            return demuxer, label
    if data.startswith(b"ID3"):
        return _behind_id3(data)
    for magic, what in _OTHERS:
        if data.startswith(magic):
            raise NotAudio(f"This is {what}.", _FILES)
    if frames := _bare_frames(data[:16384]):
        return frames
    raise NotAudio(f"This is not audio{_guess(data[:1024])}.", _FILES)


def _behind_id3(data: bytes) -> tuple[str, str]:
    """Return what follows an ID3 tag: mostly mp3, but some programs put it before other formats."""
    size = 0
    for byte in data[6:10]:
        size = size << 7 | byte & 0x7F
    start = data[10 + size : 10 + size + 16384]
    if start.startswith(b"fLaC"):
        return "flac", "FLAC"
    return _bare_frames(start) or ("mp3", "MP3")


def _bare_frames(data: bytes) -> tuple[str, str] | None:
    """Recognise MPEG audio without a header by three frames, each where the previous one ends."""
    at = data.find(b"\xff")
    while 0 <= at < 8192:
        position, names = at, set[str]()
        for _ in range(3):
            name, length = _frame(data[position : position + 6])
            names.add(name)
            position += length
        if names == {"mp3"}:
            return "mp3", "MP3"
        if names == {"aac"}:
            return "aac", "AAC"
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


# Sentences --------------------------------------------------------------------------------------


class _Outcome(IntEnum):
    DECODED = 0
    UNREADABLE = 1  # the container cannot be opened
    SOUNDLESS = 2  # it has no audio track
    UNSUPPORTED = 3  # its codec or sample rate is not among ours
    NOTHING = 4  # not one frame could be decoded


def _refusal(outcome: _Outcome, label: str, data: bytes) -> NotAudio:
    if outcome is _Outcome.SOUNDLESS:
        return NotAudio(f"There is no sound track in this {label} file.", _FILES)
    if outcome is _Outcome.UNSUPPORTED:
        return NotAudio(
            f"The audio in this {label} file is in a format that is not supported.", _FILES
        )
    if label == "MP4" and b"moov" not in data:
        return NotAudio("This MP4 file is cut off: its index is missing.", _AGAIN)
    return NotAudio(
        f"This {label} file is damaged or cut off: nothing in it can be decoded.", _AGAIN
    )


# The parent's side ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Reply:
    outcome: _Outcome
    duration: float
    start: float
    samples: FloatArray


class _Child:
    """The process that decodes, one clip at a time; none of its answers is trusted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        with self._lock:
            self._running()

    def stop(self) -> None:
        with self._lock:
            self._end()

    def decode(
        self, demuxer: str, data: bytes, seconds: float, start: float | None
    ) -> _Reply | None:
        """Ask the child; return None if a fresh one crashed, hung or answered nonsense.

        A child that has decoded before may fail through no fault of this clip: a fresh one decides.
        """
        with self._lock:
            fresh = self._process is None
            reply = self._ask(demuxer, data, seconds, start)
            if reply is None and not fresh:
                reply = self._ask(demuxer, data, seconds, start)
            return reply

    def _ask(self, demuxer: str, data: bytes, seconds: float, start: float | None) -> _Reply | None:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        alarm = threading.Timer(_TIMEOUT, process.kill)
        alarm.daemon = True
        alarm.start()
        reply = None
        try:
            begin = math.nan if start is None else start
            process.stdin.write(_REQUEST.pack(demuxer.encode(), len(data), seconds, begin))
            process.stdin.write(data)
            process.stdin.flush()
            reply = _receive(cast("BufferedReader", process.stdout), seconds)
        except (OSError, ValueError, struct.error):
            pass
        finally:
            alarm.cancel()
            if reply is None:  # also when we are interrupted: the pipes are out of step
                self._end()
        return reply

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self._end()
        if self._process is None:
            # Only the variables that Python needs to start: tokens stay out of the child's reach.
            kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "VIRTUAL_ENV")
            environment = {name: os.environ[name] for name in kept if name in os.environ}
            root = Path(__file__).resolve().parents[2]
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "musrec.audio.decode"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**environment, "PYTHONPATH": str(root), "OPENBLAS_NUM_THREADS": "1"},
            )
        return self._process

    def _end(self) -> None:
        if (process := self._process) is None:
            return
        self._process = None
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


_child = _Child()


def _receive(pipe: BufferedReader, seconds: float) -> _Reply | None:
    import numpy as np

    header = pipe.read(_REPLY.size)
    outcome, count, duration, start = _REPLY.unpack(header)
    if count > math.ceil(seconds * SAMPLE_RATE):
        return None
    samples = np.empty(count, np.float32)
    if pipe.readinto(samples.data) != samples.nbytes or not np.isfinite(samples).all():
        return None
    return _Reply(_Outcome(outcome), duration, start, samples)


# The child's side -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Decoded:
    y: FloatArray
    duration: float
    start: float

    @property
    def seconds(self) -> float:
        return self.y.size / SAMPLE_RATE


class _Refused(Exception):
    def __init__(self, outcome: _Outcome) -> None:
        self.outcome = outcome


def _serve(requests: IO[bytes], replies: IO[bytes]) -> None:
    """Decode clip after clip until the parent closes the pipe or is gone."""
    _decode(_tiny_wav(), "wav", 1.0, None)  # imports all that is needed, while it still can
    _give_up_rights()
    while header := requests.read(_REQUEST.size):
        demuxer, length, seconds, start = _REQUEST.unpack(header)
        data = requests.read(length)
        if len(data) != length:
            return
        _limit_processor_time()
        begin = None if math.isnan(start) else start
        try:
            clip = _decode(data, demuxer.rstrip(b"\0").decode(), seconds, begin)
        except _Refused as refused:
            replies.write(_REPLY.pack(refused.outcome, 0, 0, 0))
        else:
            replies.write(_REPLY.pack(_Outcome.DECODED, clip.y.size, clip.duration, clip.start))
            replies.write(clip.y.data)
        replies.flush()
        del data


def _decode(data: bytes, demuxer: str, seconds: float, start: float | None) -> _Decoded:
    clip = _excerpt(data, demuxer, seconds, start)
    if clip.start > 0 and clip.seconds < seconds - 1:  # the file is shorter than it states
        clip = max(clip, _excerpt(data, demuxer, seconds, 0.0), key=lambda clip: clip.seconds)
    if not clip.y.size:
        raise _Refused(_Outcome.NOTHING)
    return clip


def _excerpt(data: bytes, demuxer: str, seconds: float, start: float | None) -> _Decoded:
    import av

    options = {"codec_whitelist": ",".join(_CODECS), "protocol_whitelist": ""}
    # Titles in an unknown encoding must not stop a clip; PyAV 19 always tolerates them.
    lenient: Any = {"metadata_errors": "replace"} if av.__version__.startswith("18.") else {}
    try:
        container = av.open(BytesIO(data), "r", format=demuxer, options=options, **lenient)
    except (av.FFmpegError, ValueError) as error:
        raise _Refused(_Outcome.UNREADABLE) from error
    with container:
        if not container.streams.audio:
            raise _Refused(_Outcome.SOUNDLESS)
        stream = container.streams.audio[0]
        codec = stream.codec_context
        if codec is None or codec.name not in _CODECS or codec.sample_rate not in _RATES:
            raise _Refused(_Outcome.UNSUPPORTED)
        codec.thread_count = 1
        duration = _duration(container, stream)
        if start is None:
            start = max(0.0, (duration - seconds) / 2)
        if start > 0 and stream.time_base is not None:
            try:
                container.seek(int(start / stream.time_base), stream=stream)
            except av.FFmpegError:
                start = 0.0
        rate, mono = _mono(container, stream, seconds, start)
    return _Decoded(_resampled(mono, rate, seconds), duration, start)


def _duration(container: InputContainer, stream: AudioStream) -> float:
    """Return the duration that the file states, in seconds; 0 if it states none."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration else 0.0


def _mono(
    container: InputContainer, stream: AudioStream, seconds: float, start: float
) -> tuple[int, FloatArray]:
    """Return the sample rate and enough samples, the mean of the channels."""
    import numpy as np

    segments: dict[int, list[FloatArray]] = {}  # by sample rate
    early = 0.0  # seconds by which the first frame begins before the excerpt
    left = seconds
    for frame in _frames(container, stream, start):
        rate = frame.sample_rate
        if rate not in _RATES:
            continue
        if not segments:
            early = max(0.0, start - frame.time) if start and frame.time is not None else 0.0
            left += early
        segments.setdefault(rate, []).append(_mean(frame))
        left -= frame.samples / rate
        if left <= 0:
            break
    if not segments:
        return SAMPLE_RATE, np.empty(0, np.float32)
    # Few streams change their sample rate; of those the rate with most of the sound is heard.
    rate, parts = max(segments.items(), key=lambda item: sum(p.size for p in item[1]) / item[0])
    first = round(early * rate)
    return rate, np.concatenate(parts)[first : first + int(seconds * rate)]


_FORMATS = {  # of ffmpeg's samples: dtype, full scale
    name + suffix: (dtype, full)
    for name, dtype, full in (
        ("u8", "u1", 2**7),
        ("s16", "i2", 2**15),
        ("s32", "i4", 2**31),
        ("flt", "f4", 1),
        ("dbl", "f8", 1),
    )
    for suffix in ("", "p")
}


def _mean(frame: AudioFrame) -> FloatArray:
    """Return the mean of the channels of one frame, full scale at 1."""
    import numpy as np

    dtype, full = _FORMATS[frame.format.name]
    planes, channels, count = frame.planes, frame.layout.nb_channels, frame.samples
    if len(planes) == channels:
        waves = [np.frombuffer(memoryview(plane), dtype, count) for plane in planes]
    else:  # interleaved
        packed = np.frombuffer(memoryview(planes[0]), dtype, count * channels)
        waves = [packed[channel::channels] for channel in range(channels)]
    total = waves[0].astype(np.float32)
    for wave in waves[1:]:
        total += wave
    if dtype == "u1":
        total -= channels * full
    total *= 1 / (channels * full)
    return total


def _resampled(mono: FloatArray, rate: int, seconds: float) -> FloatArray:
    """Return samples at `SAMPLE_RATE`, with NaN and values far beyond full scale removed."""
    import numpy as np
    import soxr

    np.nan_to_num(mono, copy=False, posinf=0, neginf=0)
    np.clip(mono, -4, 4, out=mono)
    y = soxr.resample(mono, rate, SAMPLE_RATE, quality="HQ") if rate != SAMPLE_RATE else mono
    return np.ascontiguousarray(y[: int(seconds * SAMPLE_RATE)], np.float32)


def _frames(container: InputContainer, stream: AudioStream, start: float) -> Iterator[AudioFrame]:
    """Yield the frames that can be decoded from `start` on, skipping damaged packets."""
    import av

    packets = container.demux(stream)
    early = start > 0
    while True:
        try:
            packet = next(packets)
            frames = packet.decode()
        except StopIteration:
            return
        except av.EOFError:
            return
        except av.InvalidDataError:
            continue
        except (av.FFmpegError, ValueError):
            return
        for frame in frames:
            if early:
                begin = frame.time
                early = begin is not None and begin + frame.samples / frame.sample_rate <= start
            if not early:
                yield frame


def _give_up_rights() -> None:
    """Give up files, sockets and processes for good; on Linux, memory beyond a gigabyte too."""
    try:
        import resource
    except ImportError:  # Windows
        return
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        room = pages * resource.getpagesize() + _MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (room, room))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    # The three that are open, and no more; sockets count as files.
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))


def _limit_processor_time() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + _CPU_SECONDS, hard))


def _tiny_wav() -> bytes:
    samples = bytes(1600)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16)
    body = b"WAVE" + form + struct.pack("<4sI", b"data", len(samples)) + samples
    return struct.pack("<4sI", b"RIFF", len(body)) + body


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, whose end is ours
    _serve(sys.stdin.buffer, sys.stdout.buffer)
