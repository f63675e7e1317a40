"""librosa's window and filter banks, computed once per machine.

librosa takes 1.5 s of processor time to be imported, with numba and half of SciPy, and what it
computes here never changes. The first process that hears keeps it in the cache folder, under the
version of librosa, and all others read it from there.
"""

from __future__ import annotations

import contextlib
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musrec import archives
from musrec.audio.tagger.weights import cache_folder
from musrec.model import SAMPLE_RATE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.model import FloatArray

N_FFT = 2048
N_MELS = 128
TUNINGS = np.linspace(-0.5, 0.5, 101)[:-1]
"""Deviations from A440 that are told apart, in semitones."""


class Filters(NamedTuple):
    """What librosa computes for 22,050 Hz and frames of 2,048 samples."""

    window: NDArray[np.float64]
    """Hann window, (2048,)."""
    mel: FloatArray
    """Triangles on Slaney's scale, each with an area of 2, (1025, 128)."""
    mel_gain: FloatArray
    """What scales the peak of each triangle to 1, (128,)."""
    chroma: FloatArray
    """Pitch classes from C, for each tuning, (100, 1025, 12)."""


@cache
def filters() -> Filters:
    """Return the filters, read from the cache folder where they are kept there."""
    path = cache_folder() / f"filters-librosa-{version('librosa')}.npz"
    return _read(path) or _written(path, _computed())


def _read(path: Path) -> Filters | None:
    try:
        return Filters(**archives.read(path))  # its checksums find damage
    except (OSError, ValueError, TypeError):
        return None


def _computed() -> Filters:
    from librosa.filters import chroma, get_window, mel

    area = mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=N_MELS)
    height = mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=N_MELS, norm=None)
    pitches = [chroma(sr=SAMPLE_RATE, n_fft=N_FFT, tuning=float(x)).T for x in TUNINGS]
    return Filters(
        window=get_window("hann", N_FFT),
        mel=np.ascontiguousarray(area.T),
        mel_gain=height.max(axis=1) / area.max(axis=1),
        chroma=np.stack(pitches),
    )


def _written(path: Path, made: Filters) -> Filters:
    """Keep filters where that is possible: another process reads the whole file or none."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            try:
                np.savez(file, **made._asdict())
                file.close()
                Path(file.name).replace(path)
            except OSError:
                Path(file.name).unlink(missing_ok=True)
    return made
