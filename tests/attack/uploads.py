"""Mutated uploads: each is heard or refused with a sentence, in time, and the next one is too."""

from __future__ import annotations

import random
import time

import numpy as np

from musrec.audio import decode
from musrec.audio.workers import QUESTION_SECONDS
from musrec.demo import RATE, TUNES, compose
from musrec.model import NotAudio
from tests.attack.figures import Figures
from tests.support.coding import CONTAINERS, encode

RARER = (
    ("libmp3lame", "avi"),
    ("aac", "flv"),
    ("aac", "mpegts"),
    ("mp2", "mpeg"),
    ("libopus", "nut"),
    ("ac3", "rm"),
    ("ac3", "matroska"),
    ("mp2", "wtv"),
    ("alac", "caf"),
    ("aac", "latm"),
    ("pcm_s16le", "voc"),
    ("pcm_s32le", "sox"),
    ("adpcm_adx", "adx"),
    ("wavpack", "wv"),
    ("tta", "tta"),
)
"""Codecs and containers that fewer people send."""


def attack(size: int, seed: int = 0) -> Figures:
    """Decode as many mutated clips."""
    figures, rng = Figures("uploads"), random.Random(seed)
    y = compose(TUNES[0], 3.0)
    y = np.interp(np.arange(3 * 44_100) * RATE / 44_100, np.arange(y.size), y).astype(np.float32)
    whole = [
        encode(y, codec, 64_000, rate=48_000 if codec == "libopus" else 44_100, container=muxer)
        for codec, muxer in (*CONTAINERS.items(), *RARER)
    ]
    for _ in range(size):
        _try(mutated(rng, whole), figures)
    for data in whole:  # after all that, what is sound is still heard
        figures.broken["deaf"] += not _try(data, figures)
    return figures


def _try(data: bytes, figures: Figures) -> bool:
    """Decode a clip; return whether it was heard."""
    decode.start()
    child = decode._child._process
    assert child is not None
    began = time.monotonic()
    heard = False
    try:
        samples = decode.decode(data, seconds=30.0, limit=QUESTION_SECONDS)
        heard = bool(np.isfinite(samples.y).all())
        figures.broken["not finite"] += not heard
    except NotAudio as refused:
        figures.broken["without a sentence"] += not str(refused).strip()
    except Exception:  # noqa: BLE001 - counted
        figures.broken["crashes"] += 1
    else:
        figures.tried["heard all the same"] += 1
    figures.broken["crashes"] += 0
    # Ended by a signal, it ran into a limit or ffmpeg crashed, which it is there for. Ended by
    # itself, it met an exception of ours; the sentence that the member gets is the same.
    ended = child.poll()
    figures.tried["decoders stopped"] += ended is not None and ended < 0
    figures.broken["decoders failed"] += ended is not None and ended >= 0
    figures.tried["uploads"] += 1
    figures.took(time.monotonic() - began)
    return heard


def mutated(rng: random.Random, whole: list[bytes]) -> bytes:
    """Damage a clip in one to four ways."""
    data = bytearray(rng.choice(whole))
    for _ in range(rng.randint(1, 4)):
        # Half of the damage is done to headers, where it matters most.
        end = max(1, min(len(data), 400) if rng.random() < 0.5 else len(data))
        at, length = rng.randrange(end), rng.choice((1, 2, 4, 8, 64, 4096))
        match rng.randrange(7):
            case 0:
                data[at : at + length] = rng.randbytes(length)
            case 1:
                data[at : at + 4] = rng.choice((b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"))
            case 2:
                del data[at : at + length]
            case 3:
                data[at:at] = data[at : at + length] * rng.choice((1, 2, 50))
            case 4:
                del data[at:]
            case 5:
                data[at:] = rng.choice(whole)[at:]
            case _:
                data[at:at] = rng.choice(
                    (b"ID3\x04\0\0\x7f\x7f\x7f\x7f", b"OggS", b"moov", b"<html>")
                )
    return bytes(data)
