"""An encoder of the owner's own: an ONNX file under a small contract, which every clip is heard by.

A file states its contract in its metadata:

``musrec.contract``
    ``1``.
``musrec.input``
    JSON. ``{"kind": "mel", ...}`` for our mel spectrogram: ``sample_rate`` (Hz), ``n_fft``,
    ``hop_length`` (samples), ``n_mels`` (Slaney's mel scale and norm, power, Hann window, centred),
    ``mels`` (neighbours among the `n_mels` are averaged down to as many), ``stride`` (frames that
    are averaged to one column), ``frames`` (columns of a window), ``floor`` (dB below the clip's
    loudest point that become 0; the loudest point is 1). Or ``{"kind": "samples", "sample_rate":
    16000, "samples": 48000}``: mono samples, full scale at 1, and how many make a window.
``musrec.labels``
    JSON list; empty if the encoder has none.

Its one input is named after its kind: ``mel`` is float32 of shape (windows, frames, mels),
``samples`` of shape (windows, samples). Its output ``vector`` has shape (windows, d), and
``logits`` (windows, labels) if there are labels, both float32 and finite; others are ignored. A
clip shorter than one window is repeated; a longer one is cut into up to `WINDOWS` windows spread
evenly over it, and their outputs are averaged.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musrec.audio import features, filters
from musrec.audio.tagger.run import runtime
from musrec.model import SAMPLE_RATE, Encoded, ModelMissing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.audio.features import Spectra
    from musrec.model import Analysis, FloatArray

CONTRACT = "1"
FLOOR = 80
WINDOWS = 8
"""Pieces of a clip, at most, that are averaged."""

RATES = (8_000, 48_000)
"""Hz; every clip is decoded to `SAMPLE_RATE` first, so a higher rate adds no treble."""

LONGEST_SECONDS = 120
MOST_DIMENSIONS = 2_048
"""Of a vector: the index keeps a square of as many numbers."""

HINT = "docs/lab.md says what such a file holds."


def window_starts(length: int, window: int) -> list[int]:
    """Return where the windows of a clip begin, evenly spread, at most half of one overlapping."""
    last = max(0, length - window)
    count = min(WINDOWS, 1 + last // max(1, window // 2))
    return sorted({last * place // max(1, count - 1) for place in range(count)})


@dataclass(frozen=True, slots=True)
class MelInput:
    """Windows of the mel spectrogram; attributes as in the contract."""

    mels: int
    frames: int
    stride: int

    name = "mel"

    @property
    def stated(self) -> dict[str, str | int]:
        """What a file says of such an input."""
        return {
            "kind": self.name,
            "sample_rate": SAMPLE_RATE,
            "n_fft": filters.N_FFT,
            "hop_length": features.HOP_LENGTH,
            "n_mels": filters.N_MELS,
            "mels": self.mels,
            "frames": self.frames,
            "stride": self.stride,
            "floor": FLOOR,
        }

    @property
    def wrong(self) -> str:
        """Why such windows cannot be cut; empty if they can."""
        if self.mels < 1 or filters.N_MELS % self.mels:
            return f"{self.mels} mels do not divide {filters.N_MELS}"
        if not 1 <= self.frames <= 4096 or not 1 <= self.stride <= 64:
            return f"windows of {self.frames} frames with stride {self.stride} are out of range"
        return ""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one window."""
        return (self.frames, self.mels)

    def windows(self, spectra: Spectra) -> FloatArray:
        """Return the windows (w, frames, mels) of a clip, 0 to 1."""
        return self.cut(spectra.mel_db.T)

    def cut(self, mel_db: FloatArray) -> FloatArray:
        """Return the windows of a mel spectrogram (t, 128) in dB."""
        level = np.clip(1 + (mel_db - mel_db.max()) / FLOOR, 0, 1)
        length = self.frames * self.stride
        if len(level) < length:
            level = np.resize(level, (length, level.shape[1]))
        shape = (self.frames, self.stride, self.mels, level.shape[1] // self.mels)
        starts = window_starts(len(level), length)
        cut = [level[start : start + length].reshape(shape).mean(axis=(1, 3)) for start in starts]
        return np.stack(cut).astype(np.float32)


@dataclass(frozen=True, slots=True)
class SamplesInput:
    """Windows of samples; attributes as in the contract."""

    sample_rate: int
    samples: int

    name = "samples"

    @property
    def stated(self) -> dict[str, str | int]:
        """What a file says of such an input."""
        return {"kind": self.name, "sample_rate": self.sample_rate, "samples": self.samples}

    @property
    def wrong(self) -> str:
        """Why such windows cannot be cut; empty if they can."""
        if not RATES[0] <= self.sample_rate <= RATES[1]:
            low, high = RATES
            return f"a sample rate of {self.sample_rate:,} Hz is not between {low:,} and {high:,}"
        if not 1 <= self.samples <= LONGEST_SECONDS * self.sample_rate:
            return f"windows of {self.samples} samples are out of range"
        return ""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one window."""
        return (self.samples,)

    def windows(self, spectra: Spectra) -> FloatArray:
        """Return the windows (w, samples) of a clip."""
        import soxr

        y = spectra.y
        if self.sample_rate != SAMPLE_RATE:
            y = soxr.resample(y, SAMPLE_RATE, self.sample_rate, quality="HQ").astype(np.float32)
        if len(y) < self.samples:
            y = np.resize(y, self.samples)
        starts = window_starts(len(y), self.samples)
        return np.stack([y[start : start + self.samples] for start in starts])


@dataclass(frozen=True, slots=True)
class Encoder:
    """An ONNX file that keeps the contract; cheap to send to another process.

    Attributes
    ----------
    digest : str
        First 16 hex digits of the file's SHA-256: the version of all that it hears.
    labels : tuple of str
        Empty if it has none.
    dimensions : int
        Length of a vector.
    """

    path: Path
    digest: str
    input: MelInput | SamplesInput
    labels: tuple[str, ...]
    dimensions: int

    @staticmethod
    def load(path: Path) -> Encoder:
        """Open a file and try it on silence and on noise.

        Raises
        ------
        ModelMissing
            It is absent, is no ONNX model, or does not keep the contract; the message says how.
        """
        digest = _digest(path)
        session = _opened(path)
        props = session.get_modelmeta().custom_metadata_map
        if props.get("musrec.contract") != CONTRACT:
            raise ModelMissing(f"{path} does not state musrec.contract {CONTRACT}.", HINT)
        try:
            windows = _input(_read(props, "musrec.input", dict))
            labels = tuple(map(str, _read(props, "musrec.labels", list)))
        except ValueError as error:
            raise ModelMissing(f"{path} describes itself wrongly: {error}.", HINT) from None
        if windows.wrong:
            raise ModelMissing(f"{path} cannot be used: {windows.wrong}.", HINT)
        try:
            dimensions = _tried(session, windows, labels)
        except ValueError as error:
            raise ModelMissing(f"{path} does not keep the contract: {error}.", HINT) from None
        return Encoder(path, digest, windows, labels, dimensions)

    def hear(self, spectra: Spectra) -> Encoded | None:
        """Return what a clip is to it; None where its outputs are not finite.

        Raises
        ------
        ModelMissing
            The file has changed or disappeared since it was loaded.
        """
        outputs = self.run(self.input.windows(spectra))
        vector = outputs["vector"].mean(axis=0)
        if not all(np.isfinite(outputs[name]).all() for name in ("vector", *self._logits)):
            return None
        return Encoded(self.digest, vector.astype(np.float32), self._chances(outputs))

    def vector_of(self, analysis: Analysis) -> FloatArray | None:
        """Return the vector (d,) that it gave a song; None if the song was heard without it."""
        encoded = analysis.encoded
        if encoded is None or encoded.encoder != self.digest:
            return None
        return encoded.vector if encoded.vector.shape == (self.dimensions,) else None

    def run(self, windows: FloatArray) -> Mapping[str, FloatArray]:
        """Return the outputs for windows, by name, each of shape (windows, ...)."""
        return _run(_session(self.path, self.digest), self.input.name, windows)

    @property
    def _logits(self) -> tuple[str, ...]:
        return ("logits",) if self.labels else ()

    def _chances(self, outputs: Mapping[str, FloatArray]) -> dict[str, float]:
        if not self.labels:
            return {}
        logits = outputs["logits"].mean(axis=0).astype(np.float64)
        chances = np.exp(logits - logits.max())
        chances /= chances.sum()
        return dict(zip(self.labels, chances.tolist(), strict=True))


def _read(props: Mapping[str, str], name: str, kind: type[dict[str, Any] | list[Any]]) -> Any:
    """Return what metadata states as JSON; an absent list is empty."""
    text = props.get(name, "[]")
    try:
        stated = json.loads(text)
    except ValueError:
        raise ValueError(f"{name} is no JSON") from None
    if not isinstance(stated, kind):
        raise ValueError(f"{name} is no JSON {'object' if kind is dict else 'list'}")  # noqa: TRY004
    return stated


def _input(stated: Mapping[str, Any]) -> MelInput | SamplesInput:
    def number(name: str) -> int:
        value = stated.get(name)
        if not isinstance(value, int):
            raise ValueError(f"{name} is {value!r}, not a whole number")  # noqa: TRY004
        return value

    kind = stated.get("kind")
    if kind == "samples":
        return SamplesInput(number("sample_rate"), number("samples"))
    if kind != "mel":
        raise ValueError(f"the kind of its input is {kind!r}, neither 'mel' nor 'samples'")
    windows = MelInput(number("mels"), number("frames"), number("stride"))
    wanted = windows.stated
    if other := [name for name in wanted if stated.get(name) != wanted[name]]:
        told = ", ".join(f"{name} {stated.get(name)} (here {wanted[name]})" for name in other)
        raise ValueError(f"it wants other spectrograms, {told}")
    return windows


def _tried(session: Any, windows: MelInput | SamplesInput, labels: tuple[str, ...]) -> int:
    """Return the length of a vector, of two windows of silence and two of noise.

    Raises
    ------
    ValueError
        Input or outputs are not those of the contract; the message says which.
    """
    taken = session.get_inputs()
    if [each.name for each in taken] != [windows.name]:
        named = ", ".join(f"{each.name!r}" for each in taken) or "none"
        raise ValueError(f"its one input must be {windows.name!r}, and it has {named}")
    (only,) = taken
    wanted = ("windows", *windows.shape)
    sizes = list(zip(only.shape, wanted, strict=False))
    if only.type != "tensor(float)" or len(only.shape) != len(wanted):
        raise ValueError(f"its input is a {only.type} of shape {_shape(only.shape)}")
    if any(isinstance(size, int) and size != want for size, want in sizes):
        raise ValueError(f"its input has shape {_shape(only.shape)}, not {_shape(wanted)}")
    noise = np.random.default_rng(0).uniform(0, 0.5, (2, *windows.shape)).astype(np.float32)
    for sound, heard in (("silence", np.zeros_like(noise)), ("noise", noise)):
        try:
            outputs = _run(session, windows.name, heard)
        except Exception as error:  # noqa: BLE001 - onnxruntime has no common class for its errors
            raise ValueError(f"it fails on {sound}, {_reason(error)}") from None
        dimensions = _checked(outputs, labels, sound)
    return dimensions


def _checked(outputs: Mapping[str, NDArray[Any]], labels: tuple[str, ...], sound: str) -> int:
    """Return the length of a vector; raises `ValueError` for outputs that break the contract."""
    wanted = ("vector", "logits") if labels else ("vector",)
    for name in wanted:
        if name not in outputs:
            raise ValueError(f"it has no output {name!r}, but {', '.join(outputs)}")
        if outputs[name].dtype != np.float32:
            raise ValueError(f"its {name!r} is {outputs[name].dtype}, not float32")
    vector = outputs["vector"]
    if vector.ndim != 2 or len(vector) != 2 or not 1 <= vector.shape[1] <= MOST_DIMENSIONS:
        raise ValueError(f"two windows gave vectors of shape {vector.shape}")
    if labels and outputs["logits"].shape != (2, len(labels)):
        raise ValueError(f"{len(labels)} labels, but logits of shape {outputs['logits'].shape}")
    if bad := [name for name in wanted if not np.isfinite(outputs[name]).all()]:
        raise ValueError(
            f"the {bad[0]} of {sound} {'are' if bad[0] == 'logits' else 'is'} not finite"
        )
    return int(vector.shape[1])


def _shape(sizes: Sequence[object]) -> str:
    return f"({', '.join(map(str, sizes))})"


def _reason(error: Exception) -> str:
    """Return the last part of what onnxruntime says: before it stand codes, paths and places."""
    said = " ".join(str(error).split()).rstrip(".")
    return re.sub(r"^.*(?: : |failed:|, Error |\) )(?=[A-Z])", "", said)


def version_of(path: Path) -> str:
    """Return what `Encoder.digest` would be of a file; empty if it cannot be read."""
    try:
        return _digest(path)
    except ModelMissing:
        return ""


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()[:16]
    except FileNotFoundError:
        raise ModelMissing(f"There is no file {path}.", "Name an ONNX file.") from None
    except OSError as error:
        raise ModelMissing(f"{path} cannot be read: {error.strerror}.", HINT) from None


def _opened(path: Path) -> Any:
    onnxruntime = runtime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors are raised, which is enough
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - onnxruntime has no common class for its errors
        if "PROTOBUF" in str(error):
            raise ModelMissing(f"{path} is no ONNX model.", HINT) from None
        raise ModelMissing(f"{path} cannot be opened: {_reason(error)}.", HINT) from None


@lru_cache(maxsize=1)
def _session(path: Path, digest: str) -> Any:
    """Return the open model; it is opened once per process."""
    if _digest(path) != digest:
        raise ModelMissing(f"{path} has changed since it was checked.", "Start again.")
    return _opened(path)


def _run(session: Any, name: str, windows: FloatArray) -> dict[str, NDArray[Any]]:
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {name: windows}), strict=True))
