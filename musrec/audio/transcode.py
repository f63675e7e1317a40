"""A file of this machine becomes a stream that every browser plays, while it is being decoded.

Like `musrec.audio.decode`, and with its limits, this runs in a process that holds no secrets and
cannot open anything: the file is its standard input, and the stream its standard output. It waits
while nothing is read, and ends when its reader does.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

# Its limits are those of `decode`: hostile bytes are parsed here in the same way.
from musrec.audio import decode
from musrec.formats import sniff
from musrec.model import NotAudio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from av.audio.frame import AudioFrame
    from av.container import OutputContainer

Encoding = Literal["ogg", "wav"]
"""Ogg Opus, and WAV for browsers that do not know it."""

BIT_RATE = 128_000
RATE = 48_000
"""Hz; the only one that Opus has beyond telephone bands."""

_ROOT = Path(__file__).resolve().parents[2]
_HEAD = 65_536
_CHUNK = 65_536
_PROCESSOR_TIME = 120.0  # seconds: three hours of sound take less


async def transcode(file: Path, to: Encoding) -> AsyncIterator[bytes]:
    """Yield a file's sound, encoded again, as it is decoded.

    Raises
    ------
    NotAudio
        Nothing in it can be decoded.
    OSError
        It cannot be read.
    """

    def opened() -> tuple[IO[bytes], str]:
        source = file.open("rb")
        try:
            demuxer = sniff(source.read(_HEAD)).demuxer
            os.lseek(source.fileno(), 0, os.SEEK_SET)
        except BaseException:
            source.close()
            raise
        return source, demuxer

    source, demuxer = await asyncio.to_thread(opened)
    with source:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "musrec.audio.transcode", demuxer, to),
            stdin=source,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=decode.environment(),
        )
    assert process.stdout is not None
    try:
        chunk = await process.stdout.read(_CHUNK)
        if not chunk:
            raise NotAudio("Nothing in this file can be played.", "Check that it plays elsewhere.")
        while chunk:
            yield chunk
            chunk = await process.stdout.read(_CHUNK)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


# The child's side ---------------------------------------------------------------------------------


class _Pipe:
    """Standard output, which can only be written to."""

    name = "stdout"

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while view:
            view = view[os.write(1, view) :]
        return len(data)


def _run(demuxer: str, to: Encoding) -> None:
    import av

    decode.prepare()
    decode.give_up_rights()
    decode.limit_processor_time(_PROCESSOR_TIME)
    with av.open(sys.stdin.buffer, "r", format=demuxer, options=decode.OPTIONS) as container:
        stream = decode.tracks_of(container)[0]
        codec = stream.codec_context
        codec.thread_count = 1
        layout = "mono" if codec.channels == 1 else "stereo"
        with av.open(_Pipe(), "w", format=to) as out:
            encoder = out.add_stream("libopus" if to == "ogg" else "pcm_s16le", rate=RATE)
            encoder.layout = layout
            if to == "ogg":
                encoder.bit_rate = BIT_RATE
            resampler = av.AudioResampler(format="s16", layout=layout, rate=RATE)
            written = 0

            def write(frames: list[AudioFrame], out: OutputContainer) -> None:
                nonlocal written
                for frame in frames:
                    frame.pts = written
                    written += frame.samples
                    out.mux(encoder.encode(frame))

            for frame in decode.frames_from(container, stream, 0.0):
                write(resampler.resample(frame), out)
            write(resampler.resample(None), out)
            out.mux(encoder.encode(None))


if __name__ == "__main__":
    _run(sys.argv[1], sys.argv[2])  # type: ignore[arg-type]
