"""Untrusted bytes become samples: the one place where files from outside are parsed.

The format is read from the first bytes, never from a file name, and only the demuxer of that one
format may read the rest: ffmpeg would follow a playlist to other files and addresses. It runs in a
child process that holds no secrets and has nothing but two pipes. Where the platform has resource
limits (Linux, macOS), the child cannot open a file or a socket or start a process, and its memory
(Linux) and processor time are bounded; on Windows it is only a separate process with a time limit.
The child stays for the next clip, which saves its start, and is replaced when it crashes, takes too
long or runs out of memory. Tags are read there too.
"""

from __future__ import annotations

import itertools
import math
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, replace
from enum import IntEnum
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

from musrec.audio import tags, worker
from musrec.audio.tags import Tags
from musrec.formats import AGAIN, OTHER_FILE, sniff, sound_begins
from musrec.model import SAMPLE_RATE, NotAudio

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader

    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

    from musrec.model import FloatArray

MINIMUM_SECONDS = 1.0
"""Shorter clips are refused."""

WHOLE_SECONDS = 3.0
"""A truncated clip is heard if this much of it is there."""

LONGEST_EXCERPT = 600.0
"""Seconds."""

_LIMIT = 30.0  # seconds of wall time for one clip, where the caller names none
_CPU_SHARE = 2 / 3  # of that, the processor time
_MEMORY = 1024 * 1024 * 1024  # bytes, beyond what the child has when it is ready
_SOUNDLESS_PACKETS = 20_000  # an excerpt of damaged music has a few hundred
_LARGEST_TAGS = 65_536  # bytes, as `tags.pack` writes them

_REQUEST = struct.Struct("<8sQddd")  # demuxer, bytes that follow, seconds, start, processor time
_REPLY = struct.Struct("<BQQdd")  # outcome, bytes of tags and samples that follow, duration, start

CODECS = (
    *("aac", "aac_latm", "alac", "flac", "libopus", "libspeex", "libvorbis", "opus", "speex"),
    *("ac3", "ape", "dca", "eac3", "mlp", "mpc7", "mpc8", "qoa", "shorten", "tak", "truehd", "tta"),
    *("vorbis", "wavpack", "dsd_lsbf", "dsd_lsbf_planar", "dsd_msbf", "dsd_msbf_planar", "dst"),
    *("amrnb", "amrwb", "libopencore_amrnb", "libopencore_amrwb"),
    *("mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float"),
    *("wmalossless", "wmapro", "wmav1", "wmav2", "wmavoice"),
    *("cook", "ralf", "real_144", "real_288", "sipr"),
    *("atrac3", "atrac3al", "atrac3plus", "atrac3plusal", "nellymoser", "qdm2", "qdmc"),
    *("adpcm_adx", "adpcm_ct", "adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms", "adpcm_swf"),
    *("adpcm_sbpro_2", "adpcm_sbpro_3", "adpcm_sbpro_4", "adpcm_yamaha", "8svx_exp", "8svx_fib"),
    *("g722", "g726", "g726le", "gsm", "gsm_ms", "mace3", "mace6", "truespeech"),
    *("pcm_alaw", "pcm_mulaw", "pcm_s8", "pcm_s8_planar", "pcm_u8", "pcm_bluray", "pcm_dvd"),
    *("pcm_s16be_planar", "pcm_s16le_planar", "pcm_s24le_planar", "pcm_s32le_planar", "s302m"),
    *("pcm_f16le", "pcm_f24le"),
    *(
        f"pcm_{kind}{order}"
        for kind in ("s16", "s24", "s32", "s64", "u16", "u24", "u32", "f32", "f64")
        for order in ("le", "be")
    ),
)
"""The decoders of ffmpeg that may run: those of the formats we name, none for pictures."""

OPTIONS = {"codec_whitelist": ",".join(CODECS), "protocol_whitelist": ""}
"""What every file is opened with."""

_BEHIND_ID3 = ("aac", "flac", "mp3")
"""Demuxers that expect ID3 tags before the sound."""

_RATES = range(4_000, 2_822_401)
"""Hz; the highest is that of DSD512, in bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """A clip, or an excerpt of a longer one.

    Attributes
    ----------
    y : FloatArray, shape (n,)
        Mono (mean of the channels that sound; the loudest if they cancel each other out) at
        `SAMPLE_RATE`, finite, around zero, full scale at 1; lossy formats may go slightly beyond.
    start : float
        Where the excerpt begins, in seconds.
    duration : float or None
        Of the whole clip in seconds, as the file states it; None if it does not.
    tags : Tags
    """

    y: FloatArray
    start: float
    duration: float | None
    tags: Tags

    @property
    def seconds(self) -> float:
        """Length of the excerpt."""
        return self.y.size / SAMPLE_RATE


def decode(
    data: bytes, *, seconds: float = 30.0, start: float | None = None, limit: float = _LIMIT
) -> Samples:
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
        than it states, its beginning; and if most of that is silent, or but the noise of a tape,
        where most of it sounds.
    limit : float
        Seconds that it may take; two thirds of them of processor time.

    Raises
    ------
    NotAudio
        The message says what the bytes are instead, or what is wrong with them.
    """
    if not MINIMUM_SECONDS <= seconds <= LONGEST_EXCERPT:
        raise ValueError(f"seconds must be {MINIMUM_SECONDS:g} to {LONGEST_EXCERPT:g}")
    form = sniff(data)
    label = form.label
    if form.demuxer in ("mp4", "mov") and _ENCRYPTED.search(data):
        raise NotAudio(
            "This recording is encrypted by the shop that sold it.", "Send an unprotected copy."
        )
    if (many := tags.comments(data)) > tags.MOST_COMMENTS:
        raise NotAudio(
            f"This {label} file carries {many:,} comments: too many to look through.",
            "Save it again without them.",
        )
    reply = _child.decode(form.demuxer, data, seconds, start, limit)
    if reply is None:
        raise NotAudio(
            f"This {label} file is built in such a way that decoding it fails or never ends.",
            AGAIN,
        )
    if reply.outcome is not _Outcome.DECODED:
        raise _refusal(reply.outcome, label, data)

    duration = reply.duration if 0 < reply.duration < 1e7 else None
    said = replace(reply.tags, duration=duration)
    samples = Samples(reply.samples, reply.start, duration, said)
    if duration and samples.seconds < min(WHOLE_SECONDS, seconds - 0.1, duration - 1):
        raise NotAudio(
            f"This {label} file is cut off after {samples.seconds:.1f} of {duration:.0f} seconds.",
            AGAIN,
        )
    if samples.seconds < MINIMUM_SECONDS:
        raise NotAudio(
            f"{samples.seconds:.2f} s is too short to hear anything in.",
            f"Send at least {WHOLE_SECONDS:.0f} seconds; ten or more give tempo and key.",
        )
    return samples


_ENCRYPTED = re.compile(rb"stsd.{12}(drms|enca)", re.DOTALL)
"""Sample descriptions of an MP4 file (ISO 14496-12) that stand for an encrypted track."""


def start() -> None:
    """Start the child ahead of the first clip."""
    _child.start()


def stop() -> None:
    """End the child; the next clip starts another one."""
    _child.stop()


# Sentences --------------------------------------------------------------------------------------


class _Outcome(IntEnum):
    DECODED = 0
    UNREADABLE = 1  # the container cannot be opened
    SOUNDLESS = 2  # it has no audio track
    UNSUPPORTED = 3  # its codec or sample rate is not among ours
    NOTHING = 4  # not one frame could be decoded


def _refusal(outcome: _Outcome, label: str, data: bytes) -> NotAudio:
    if outcome is _Outcome.SOUNDLESS:
        return NotAudio(f"There is no sound track in this {label} file.", OTHER_FILE)
    if outcome is _Outcome.UNSUPPORTED:
        return NotAudio(
            f"The audio in this {label} file is in a format that is not supported.", OTHER_FILE
        )
    if label in ("MP4", "QuickTime") and b"moov" not in data:
        return NotAudio(f"This {label} file is cut off: its index is missing.", AGAIN)
    return NotAudio(
        f"This {label} file is damaged or cut off: nothing in it can be decoded.", AGAIN
    )


# The parent's side ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Reply:
    outcome: _Outcome
    duration: float
    start: float
    tags: Tags
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
        self, demuxer: str, data: bytes, seconds: float, start: float | None, limit: float
    ) -> _Reply | None:
        """Ask the child; return None if it ran out of time, or a fresh one crashed.

        A child that has decoded before may crash through no fault of this clip: a fresh one
        decides, in what is left of the time.
        """
        with self._lock:
            fresh = self._process is None
            deadline = time.monotonic() + limit
            begin = math.nan if start is None else start
            header = (demuxer.encode(), len(data), seconds, begin, limit * _CPU_SHARE)
            reply, spent = self._ask(header, data, limit)
            if reply is None and not spent and not fresh:
                reply, _ = self._ask(header, data, deadline - time.monotonic())
            return reply

    def _ask(
        self, header: tuple[bytes, int, float, float, float], data: bytes, left: float
    ) -> tuple[_Reply | None, bool]:
        """Return the child's answer, None if it gave none, and whether a limit stopped it."""
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Event()

        def stop() -> None:
            late.set()
            process.kill()

        alarm = threading.Timer(left, stop)
        alarm.daemon = True
        alarm.start()
        reply = None
        try:
            process.stdin.write(_REQUEST.pack(*header))
            process.stdin.write(data)
            process.stdin.flush()
            reply = _receive(cast("BufferedReader", process.stdout), seconds=header[2])
        except (OSError, ValueError, struct.error):
            pass
        finally:
            alarm.cancel()
            if reply is None:  # also when we are interrupted: the pipes are out of step
                self._end()
        return reply, late.is_set() or process.returncode == _OUT_OF_TIME

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self._end()
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "musrec.audio.decode"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment(),
            )
        return self._process

    def _end(self) -> None:
        if (process := self._process) is None:
            return
        self._process = None
        worker.end(process)


def environment() -> dict[str, str]:
    """Return the variables that Python needs to start: tokens stay out of a child's reach."""
    kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "VIRTUAL_ENV")
    found = {name: os.environ[name] for name in kept if name in os.environ}
    root = Path(__file__).resolve().parents[2]
    return {**found, "PYTHONPATH": str(root), "OPENBLAS_NUM_THREADS": "1"}


_OUT_OF_TIME = -getattr(signal, "SIGXCPU", 0) or None  # what a child ends with that spent it all

_child = _Child()


def _receive(pipe: BufferedReader, seconds: float) -> _Reply | None:
    import numpy as np

    header = pipe.read(_REPLY.size)
    outcome, length, count, duration, start = _REPLY.unpack(header)
    if count > math.ceil(seconds * SAMPLE_RATE) or length > _LARGEST_TAGS:
        return None
    said = tags.unpack(pipe.read(length)) if length else Tags()
    samples = np.empty(count, np.float32)
    if pipe.readinto(samples.data) != samples.nbytes or not np.isfinite(samples).all():
        return None
    return _Reply(_Outcome(outcome), duration, start, said, samples)


# The child's side -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Decoded:
    y: FloatArray
    duration: float
    start: float
    tags: Tags
    tracks: int
    cancelled: int | None
    """The loudest channel if the mean of all has next to nothing of it, else None."""

    @property
    def seconds(self) -> float:
        return self.y.size / SAMPLE_RATE

    def sounding(self, least: float) -> float:
        """Return how many seconds of it are louder than `least`, in RMS; -60 dB is silent."""
        import numpy as np

        blocks = np.array_split(self.y, max(1, round(2 * self.seconds)))
        sounds = [block.size for block in blocks if block.size and np.std(block) > least]
        return sum(sounds) / SAMPLE_RATE

    def sounds(self, least: float) -> bool:
        """Whether at least half of it is louder."""
        return self.sounding(least) >= self.seconds / 2 > 0


_SILENT, _FAINT = 1e-3, 6e-3  # RMS of half a second: -60 and -44 dB of full scale
_HISS = 0.03  # of the loud seconds: what is no louder is the noise of a tape or a record


class _Refused(Exception):
    def __init__(self, outcome: _Outcome) -> None:
        self.outcome = outcome


def _serve(requests: IO[bytes], replies: IO[bytes]) -> None:
    """Decode clip after clip until the parent closes the pipe or is gone."""
    prepare()
    give_up_rights()
    while header := requests.read(_REQUEST.size):
        demuxer, length, seconds, start, processor_time = _REQUEST.unpack(header)
        data = requests.read(length)
        if len(data) != length:
            return
        limit_processor_time(processor_time)
        begin = None if math.isnan(start) else start
        try:
            clip = _decode(data, demuxer.rstrip(b"\0").decode(), seconds, begin)
        except _Refused as refused:
            replies.write(_REPLY.pack(refused.outcome, 0, 0, 0, 0))
        else:
            said = tags.pack(clip.tags)
            sizes = len(said), clip.y.size
            replies.write(_REPLY.pack(_Outcome.DECODED, *sizes, clip.duration, clip.start))
            replies.write(said)
            replies.write(clip.y.data)
        replies.flush()
        del data


def prepare() -> None:
    """Import all that any file may need, while files can still be opened."""
    import av.subtitles.codeccontext  # PyAV imports it for a film with subtitles
    import av.video.codeccontext  # noqa: F401 - the same with pictures

    _decode(_tiny_wav(), "wav", 1.0, None)
    tags.prepare()


def _decode(data: bytes, demuxer: str, seconds: float, start: float | None) -> _Decoded:
    """Return an excerpt of the first track that sounds, or of the one that sounds longest."""
    begin = 0 if demuxer in _BEHIND_ID3 and data.startswith(b"ID3") else sound_begins(data)
    # The duration of an mp3 is guessed from its size: a cover behind it is no sound.
    end = tags.before_ape(data) if demuxer == "mp3" else len(data)
    sound = data[begin:end]
    if demuxer in ("wav", "w64"):
        sound = _whole_words(sound)
    file = _File(data, sound, demuxer)
    best = _of_track(file, 0, seconds, start)
    for track in range(1, best.tracks):
        if best.sounds(_SILENT):
            break
        other = _of_track(file, track, seconds, start)
        best = max(best, other, key=lambda clip: clip.sounding(_SILENT))
    if not best.y.size:
        raise _Refused(_Outcome.NOTHING)
    return replace(best, y=_audible(best.y))


def _whole_words(sound: bytes) -> bytes:
    """Return a WAV file that says it uses all bits of its samples.

    ffmpeg takes 24 bits of 32 (``WAVEFORMATEXTENSIBLE``) for samples of three bytes each. The bits
    that are not used are the lowest ones, and 0.
    """
    form = _EXTENSIBLE.search(sound, 0, _HEADERS)
    if form is None or form["used"] >= form["bits"]:
        return sound
    at, end = form.span("used")
    return sound[:at] + form["bits"] + sound[end:]


_HEADERS = 65_536
_EXTENSIBLE = re.compile(
    rb"\xfe\xff.{12}(?P<bits>[\x08-\x40]\0)\x16\0(?P<used>[\x08-\x40]\0).{4}"
    rb"[\x01\x03]\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71",
    re.DOTALL,
)
"""The format of a WAV file with samples of so many bits, of which so many are used."""


def _audible(y: FloatArray) -> FloatArray:
    """Return samples 48 dB louder if all are so faint, as 24 bits at the low end of 32 are.

    What is fainter still is the noise of a silent recording.
    """
    import numpy as np

    level, peak = np.quantile(np.abs(y), (0.999, 1))
    return y * np.float32(2**8) if level >= 2**-11 and peak < 1.4 * 2**-8 else y


class _File(NamedTuple):
    data: bytes
    sound: bytes
    """The same without what stands before the format's own beginning."""
    demuxer: str


def _of_track(file: _File, track: int, seconds: float, start: float | None) -> _Decoded:
    clip = _excerpt(file, track, seconds, start)
    if clip.start > 0 and clip.seconds < seconds - 1:  # the file is shorter than it states
        clip = max(clip, _excerpt(file, track, seconds, 0.0), key=lambda clip: clip.seconds)
    if start is None and clip.seconds > seconds - 1 and not clip.sounds(_FAINT):
        where, least = _most_sound(file, track, seconds)
        if not clip.sounds(least):
            other = _excerpt(file, track, seconds, where)
            clip = max(clip, other, key=lambda clip: clip.sounding(least))
    if clip.cancelled is not None:
        clip = _excerpt(file, track, seconds, clip.start, clip.cancelled)
    return clip


def _opened(file: _File) -> InputContainer:
    import av

    # Text that is not UTF-8 as surrogate escapes, as PyAV 19 always returns it.
    lenient: Any = (
        {"metadata_errors": "surrogateescape"} if av.__version__.startswith("18.") else {}
    )
    try:
        container: InputContainer = av.open(
            BytesIO(file.sound), "r", format=file.demuxer, options=OPTIONS, **lenient
        )
    except (av.FFmpegError, ValueError) as error:
        raise _Refused(_Outcome.UNREADABLE) from error
    return container


_MOST_TRACKS = 4


def tracks_of(container: InputContainer) -> list[AudioStream]:
    """Return the audio tracks that can be decoded, the one that players choose first."""
    streams = list(container.streams.audio)
    if not streams:
        raise _Refused(_Outcome.SOUNDLESS)
    first = container.streams.best("audio")
    streams.sort(key=lambda stream: stream is not first)
    fine = [
        stream
        for stream in streams
        if stream.codec_context is not None
        and stream.codec_context.name in CODECS
        and stream.codec_context.sample_rate in _RATES
    ]
    if not fine:
        raise _Refused(_Outcome.UNSUPPORTED)
    return fine[:_MOST_TRACKS]


def _excerpt(
    file: _File, track: int, seconds: float, start: float | None, channel: int | None = None
) -> _Decoded:
    import av

    with _opened(file) as container:
        tracks = tracks_of(container)
        stream = tracks[track]
        stream.codec_context.thread_count = 1
        duration = _duration(container, stream)
        if start is None:
            start = max(0.0, (duration - seconds) / 2)
        said = tags.read(_metadata(container, stream, file.demuxer), file.data)
        if start > 0 and stream.time_base:
            try:
                container.seek(int(start / stream.time_base), stream=stream)
            except av.FFmpegError:
                start = 0.0
        rate, mono, cancelled = _mono(
            frames_from(container, stream, start), seconds, start, channel
        )
        y = _resampled(mono, rate, seconds)
    return _Decoded(y, duration, start, said, len(tracks), cancelled)


def _metadata(container: InputContainer, stream: AudioStream, demuxer: str) -> dict[str, str]:
    """Return the tags of a container, and those of a track that speak of the song."""
    of_track = dict(stream.metadata)
    if demuxer != "ogg" and "artist" not in map(str.casefold, of_track):
        of_track = {}  # the title of a track in a film is "Stereo"
    return {**of_track, **container.metadata}


def _duration(container: InputContainer, stream: AudioStream) -> float:
    """Return the duration that the file states, in seconds; 0 if it states none."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration else 0.0


def _most_sound(file: _File, track: int, seconds: float) -> tuple[float, float]:
    """Return where most of an excerpt sounds, as far as one may look, and from which level on.

    The second from which on it does, and the RMS that tells sound from silence in this file.
    """
    import numpy as np

    levels = np.zeros(_SCANNED)
    end = 0.0
    begin = time.process_time()
    with _opened(file) as container:
        stream = tracks_of(container)[track]
        stream.codec_context.thread_count = 1
        for block in _blocks(frames_from(container, stream, 0.0)):
            if end >= _SCANNED or time.process_time() - begin > _SCAN_TIME:
                break
            level = max(float(np.std(wave)) for wave in block.waves)
            levels[int(end)] = max(levels[int(end)], level)
            end += block.waves[0].size / block.rate
    least = max(_SILENT, _HISS * float(np.quantile(levels[: math.ceil(end)], 0.9)))
    sounds = np.concatenate(([0], np.cumsum(levels > least)))
    width = min(round(seconds), _SCANNED)
    return float(np.argmax(sounds[width:] - sounds[:-width])), least


_SCANNED = 1200  # seconds of sound
_SCAN_TIME = 1.0  # seconds of processor time


def _mono(
    frames: Iterator[AudioFrame], seconds: float, start: float, channel: int | None
) -> tuple[int, FloatArray, int | None]:
    """Return the sample rate and enough samples of one channel, or the mean of those that sound.

    The third value is the loudest channel if the channels cancel each other out, else None.
    """
    import numpy as np

    segments: dict[int, list[FloatArray]] = {}  # by sample rate
    mixture = _Mixture()
    early = 0.0  # seconds by which the first frame begins before the excerpt
    left = seconds
    for block in _blocks(frames):
        if not segments:
            early = max(0.0, start - block.time) if start and block.time is not None else 0.0
            left += early
        waves = block.waves
        segments.setdefault(block.rate, []).append(
            mixture.mean(waves) if channel is None else waves[min(channel, len(waves) - 1)]
        )
        left -= waves[0].size / block.rate
        if left <= 0:
            break
    if not segments:
        return SAMPLE_RATE, np.empty(0, np.float32), None
    # Few streams change their sample rate; of those the rate with most of the sound is heard.
    rate, parts = max(segments.items(), key=lambda item: sum(p.size for p in item[1]) / item[0])
    first = round(early * rate)
    mono = np.concatenate(parts)[first : first + int(seconds * rate)]
    if channel is not None:
        return rate, mono, None
    mono *= np.float32(mixture.gain())
    return rate, mono, mixture.cancelled()


class _Block(NamedTuple):
    """A quarter of a second of sound; `waves` are its channels, full scale at 1."""

    rate: int
    time: float | None
    waves: list[FloatArray]


def _blocks(frames: Iterator[AudioFrame]) -> Iterator[_Block]:
    """Join frames, of which some formats have thousands in a second."""
    for (rate, _, _), alike in itertools.groupby(
        frames, lambda frame: (frame.sample_rate, frame.format.name, frame.layout.nb_channels)
    ):
        if rate not in _RATES:
            continue
        joined: list[AudioFrame] = []
        count = 0
        for frame in alike:
            joined.append(frame)
            count += frame.samples
            if count >= rate / 4:
                yield _Block(rate, joined[0].time, _waves(joined))
                joined, count = [], 0
        if joined:
            yield _Block(rate, joined[0].time, _waves(joined))


class _Mixture:
    """The mean of the channels, frame by frame, and how much of each of them is in it."""

    def __init__(self) -> None:
        self._channels: list[_Moments] = []
        self._mean = _Moments()
        self._sounding = self._cancelled = 0  # blocks

    def mean(self, waves: list[FloatArray]) -> FloatArray:
        mean = waves[0].copy()
        for wave in waves[1:]:
            mean += wave
        mean *= 1 / len(waves)
        if len(waves) > 1:
            while len(self._channels) < len(waves):
                self._channels.append(_Moments())
            left = self._mean.add(mean)
            power = [each.add(wave) for each, wave in zip(self._channels, waves, strict=False)]
            if max(power) > _SILENT**2:
                self._sounding += 1
                self._cancelled += _cancel(power, left)
        return mean

    def gain(self) -> float:
        """Return what the mean of all channels is worth in that of the channels that sound."""
        power = self._power()
        return len(power) / len(_loud(power)) if _loud(power) else 1.0

    def cancelled(self) -> int | None:
        """Return the loudest channel if little of the sound, or of a quarter of it, is left."""
        power = self._power()
        if _cancel(power, self._mean.power) or self._cancelled > self._sounding / 4:
            return max(range(len(power)), key=power.__getitem__)
        return None

    def _power(self) -> list[float]:
        return [channel.power for channel in self._channels]


def _loud(power: list[float]) -> list[float]:
    """Return the power of the channels within 60 dB of the loudest."""
    floor = 1e-6 * max(power, default=0.0)
    return [each for each in power if each > floor]


def _cancel(power: list[float], mean: float) -> bool:
    """Return whether channels cancel each other out: next to nothing is left in their mean."""
    loud = _loud(power)
    if len(loud) < 2:
        return False
    worth = mean * (len(power) / len(loud)) ** 2
    # Channels that have nothing in common leave one part in as many as there are.
    return worth < 0.2 * sum(loud) / len(loud) ** 2


class _Moments:
    """Power of what was added, around its own mean."""

    def __init__(self) -> None:
        self._count, self._total, self._squares = 0, 0.0, 0.0

    def add(self, wave: FloatArray) -> float:
        """Return the power of the samples that are added."""
        exact = wave.astype("f8")  # a channel of nothing but an offset must have no power
        total, squares = float(exact.sum()), float(exact @ exact)
        if not math.isfinite(total + squares):
            return 0.0
        self._count += wave.size
        self._total += total
        self._squares += squares
        return _variance(wave.size, total, squares)

    @property
    def power(self) -> float:
        return _variance(self._count, self._total, self._squares)


def _variance(count: int, total: float, squares: float) -> float:
    return max(0.0, squares / count - (total / count) ** 2) if count else 0.0


_FORMATS = {  # of ffmpeg's samples: dtype, full scale
    name + suffix: (dtype, full)
    for name, dtype, full in (
        ("u8", "u1", 2**7),
        ("s16", "i2", 2**15),
        ("s32", "i4", 2**31),
        ("s64", "i8", 2**63),
        ("flt", "f4", 1),
        ("dbl", "f8", 1),
    )
    for suffix in ("", "p")
}


def _waves(frames: list[AudioFrame]) -> list[FloatArray]:
    """Return the channels of frames of one format, full scale at 1."""
    import numpy as np

    dtype, full = _FORMATS[frames[0].format.name]
    channels = frames[0].layout.nb_channels
    if frames[0].format.is_planar:  # PyAV gives planes that do not exist beyond seven channels
        waves = [
            np.concatenate(
                [np.frombuffer(memoryview(f.planes[channel]), dtype, f.samples) for f in frames]
            )
            for channel in range(channels)
        ]
    else:  # interleaved
        packed = np.concatenate(
            [np.frombuffer(memoryview(f.planes[0]), dtype, f.samples * channels) for f in frames]
        )
        waves = [np.ascontiguousarray(packed[channel::channels]) for channel in range(channels)]
    if dtype == "f4":
        return waves
    middle = full if dtype == "u1" else 0
    return [(wave.astype(np.float32) - middle) * np.float32(1 / full) for wave in waves]


def _resampled(mono: FloatArray, rate: int, seconds: float) -> FloatArray:
    """Return samples at `SAMPLE_RATE` around zero, NaN and what is far beyond full scale removed.

    Files of numbers with a fraction whose values are those of whole numbers are scaled to 1, and so
    are those a few times louder than full scale, from a mixing program.
    """
    import numpy as np
    import soxr

    np.nan_to_num(mono, copy=False, posinf=0, neginf=0)
    level = (
        float(np.quantile(np.abs(mono[:: max(1, mono.size // 100_000)]), 0.999))
        if mono.size
        else 0.0
    )
    if level > 4:
        wholes = (2**15, 2**23, 2**31) if level > 256 else ()
        mono *= np.float32(1 / next((full for full in wholes if level <= full), level))
    np.clip(mono, -4, 4, out=mono)
    mono -= _offset(mono, rate)
    y = soxr.resample(mono, rate, SAMPLE_RATE, quality="HQ") if rate != SAMPLE_RATE else mono
    return np.ascontiguousarray(y[: int(seconds * SAMPLE_RATE)], np.float32)


def _offset(mono: FloatArray, rate: int) -> FloatArray | float:
    """Return how far from zero each sample's surroundings lie; 0 if it is next to nothing.

    Recorders with a faulty input shift all of a recording, some further and further.
    """
    import numpy as np

    blocks = np.array_split(mono, max(1, round(mono.size / rate)))
    means = np.array([block.mean() if block.size else 0.0 for block in blocks])
    if np.abs(means).max() < _SHIFTED:
        return 0.0
    edges = np.cumsum([0, *(block.size for block in blocks)])
    centres = (edges[:-1] + edges[1:]) / 2
    return np.asarray(np.interp(np.arange(mono.size), centres, means), np.float32)


_SHIFTED = 0.005  # mean of a second: a note of 40 Hz at half scale leaves at most 0.004


def frames_from(
    container: InputContainer, stream: AudioStream, start: float
) -> Iterator[AudioFrame]:
    """Yield the frames that can be decoded from `start` on, skipping damaged packets."""
    import av

    packets = container.demux(stream)
    early = start > 0
    soundless = 0
    while soundless < _SOUNDLESS_PACKETS:
        soundless += 1
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
        if frames:
            soundless -= 1
        for frame in frames:
            if early:
                begin = frame.time
                early = begin is not None and begin + frame.samples / frame.sample_rate <= start
            if not early:
                yield frame


def give_up_rights() -> None:
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


def limit_processor_time(seconds: float) -> None:
    """End this process when it has worked for so long from now on, where the platform can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = max(1, round(time.process_time() + seconds))
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _tiny_wav() -> bytes:
    samples = bytes(1600)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16)
    body = b"WAVE" + form + struct.pack("<4sI", b"data", len(samples)) + samples
    return struct.pack("<4sI", b"RIFF", len(body)) + body


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, whose end is ours
    _serve(sys.stdin.buffer, sys.stdout.buffer)
