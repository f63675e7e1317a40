"""Real music, coded again as people do before they send it."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE = 44_100
CONTAINERS = {
    "libmp3lame": "mp3",
    "libopus": "ogg",
    "flac": "flac",
    "aac": "mp4",
    "pcm_s16le": "wav",
}
Samples = NDArray[np.float32]


def samples(file: Path) -> Samples:
    """Return a file's sound in mono at 44.1 kHz."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    with av.open(str(file)) as container:
        frames = [
            part.to_ndarray()[0]
            for frame in container.decode(audio=0)
            for part in resampler.resample(frame)
        ]
    return np.concatenate(frames).astype(np.float32)


def encode(
    y: Samples, codec: str, bit_rate: int, *, rate: int = RATE, container: str = ""
) -> bytes:
    """Return mono samples at 44.1 kHz, coded; without a container, in the codec's usual one."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container or CONTAINERS[codec]) as out:
        stream = out.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(y[None].astype(np.float32), "flt", "mono")
        frame.sample_rate = RATE
        resampler = av.AudioResampler(stream.format, "mono", rate, stream.frame_size)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            part.pts = None
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    return buffer.getvalue()
