"""Networks as ONNX files under a small contract, so that other programs may hear with them.

A file holds its contract in its metadata:

``musrec.contract``
    ``1``.
``musrec.input``
    JSON: ``sample_rate`` (Hz), ``n_fft``, ``hop_length`` (samples), ``n_mels`` (Slaney's mel scale
    and norm, power, Hann window, centred), ``mels`` (neighbours among the `n_mels` are averaged
    down to as many), ``stride`` (frames that are averaged to one column), ``frames`` (columns of a
    window), ``floor`` (dB below the clip's loudest point that become 0; the loudest point is 1).
``musrec.labels``
    JSON list; empty if the network has none.

Its one input ``mel`` is float32 of shape (windows, frames, mels). Its output ``vector`` has shape
(windows, d), and ``logits`` (windows, labels) if there are labels. A clip shorter than one window
is repeated; a longer one is cut into windows spread evenly over it, and their outputs are averaged.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musrec.audio import features
from musrec.lab.recipe import window_starts
from musrec.model import SAMPLE_RATE, ModelMissing, MusrecError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.lab.training import Trained
    from musrec.model import FloatArray

CONTRACT = "1"
FLOOR = 80


def export(trained: Trained, file: Path) -> Path:
    """Write a network on mel spectrograms as an ONNX file; return its path.

    Raises
    ------
    MusrecError
        The network hears features rather than a spectrogram, or the file cannot be written.
    """
    import onnx
    import torch

    from musrec.lab import networks

    recipe = trained.recipe
    if recipe.network not in networks.ON_MELS:
        raise MusrecError(
            f"{recipe.network} hears measurements, not a spectrogram: it has no ONNX form.",
            f"Train one of: {', '.join(networks.ON_MELS)}.",
        )
    part = file.with_suffix(".part")
    example = torch.zeros(2, recipe.frames, recipe.mels)
    try:
        # The newer exporter fails for a recurrent network whose batch is not fixed.
        torch.onnx.export(
            trained.network,
            (example,),
            str(part),
            input_names=["mel"],
            output_names=["vector", "logits"],
            dynamic_axes={name: {0: "windows"} for name in ("mel", "vector", "logits")},
            dynamo=False,
        )
        model = onnx.load(part)
        onnx.helper.set_model_props(
            model,
            {
                "musrec.contract": CONTRACT,
                "musrec.input": json.dumps(_input(recipe.mels, recipe.frames, recipe.stride)),
                "musrec.labels": json.dumps(list(trained.labels)),
            },
        )
        onnx.save(model, part)
        part.replace(file)
    except OSError as error:
        raise MusrecError(
            f"{file} cannot be written: {error.strerror}.", "Name another file."
        ) from None
    finally:
        part.unlink(missing_ok=True)
    return file


def _input(mels: int, frames: int, stride: int) -> dict[str, int]:
    return {
        "sample_rate": SAMPLE_RATE,
        "n_fft": features.N_FFT,
        "hop_length": features.HOP_LENGTH,
        "n_mels": features.N_MELS,
        "mels": mels,
        "frames": frames,
        "stride": stride,
        "floor": FLOOR,
    }


@dataclass(frozen=True, slots=True, eq=False)
class Encoder:
    """An ONNX file that keeps the contract.

    Attributes
    ----------
    labels : tuple of str
    dimensions : int
        Length of a vector.
    """

    session: Any
    mels: int
    frames: int
    stride: int
    labels: tuple[str, ...]
    dimensions: int

    @staticmethod
    def load(file: Path) -> Encoder:
        """Open a file and try it on silence.

        Raises
        ------
        ModelMissing
            It is absent, is no ONNX model, or does not keep the contract; the message says how.
        """
        import onnxruntime

        if not file.is_file():
            raise ModelMissing(f"There is no file {file}.", "Name an ONNX file.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            session = onnxruntime.InferenceSession(
                str(file), options, providers=["CPUExecutionProvider"]
            )
            props = session.get_modelmeta().custom_metadata_map
        except Exception as error:  # noqa: BLE001 - onnxruntime has no common class for its errors
            raise ModelMissing(f"{file} is no ONNX model: {error}", CONTRACT_HINT) from None
        if props.get("musrec.contract") != CONTRACT:
            raise ModelMissing(f"{file} does not state musrec.contract {CONTRACT}.", CONTRACT_HINT)
        try:
            stated = {name: int(value) for name, value in json.loads(props["musrec.input"]).items()}
            labels = tuple(map(str, json.loads(props.get("musrec.labels", "[]"))))
            mels, frames, stride = (stated[name] for name in ("mels", "frames", "stride"))
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise ModelMissing(
                f"{file} describes its input wrongly: {error}.", CONTRACT_HINT
            ) from None
        wanted = _input(mels, frames, stride)
        if other := [name for name in wanted if stated.get(name) != wanted[name]]:
            told = ", ".join(f"{name} {stated.get(name)} (here {wanted[name]})" for name in other)
            raise ModelMissing(f"{file} was made for other spectrograms: {told}.", CONTRACT_HINT)
        if mels < 1 or features.N_MELS % mels or not 1 <= frames <= 4096 or not 1 <= stride <= 64:
            raise ModelMissing(
                f"{file} asks for windows that cannot be cut: {mels} mels, {frames} frames, "
                f"stride {stride}.",
                CONTRACT_HINT,
            )
        try:
            silence = np.zeros((2, frames, mels), np.float32)
            outputs = dict(
                zip(
                    [output.name for output in session.get_outputs()],
                    session.run(None, {"mel": silence}),
                    strict=True,
                )
            )
            vector = outputs["vector"]
            if labels and outputs["logits"].shape != (2, len(labels)):
                raise ValueError(f"logits of shape {outputs['logits'].shape}")
            if vector.ndim != 2 or len(vector) != 2 or not np.isfinite(vector).all():
                raise ValueError(f"vectors of shape {vector.shape}, or not finite")
        except Exception as error:  # noqa: BLE001 - the same
            raise ModelMissing(
                f"{file} does not keep the contract: {error}", CONTRACT_HINT
            ) from None
        return Encoder(session, mels, frames, stride, labels, int(vector.shape[1]))

    def hear(self, mel_db: FloatArray) -> tuple[FloatArray, NDArray[np.float64] | None]:
        """Return a clip's vector (d,) and the chances of its labels, None if it has none.

        Parameters
        ----------
        mel_db : FloatArray, shape (128, t)
            Mel power spectrogram in dB, as `musrec.audio.features.spectra` gives it.
        """
        outputs = dict(
            zip(
                [output.name for output in self.session.get_outputs()],
                self.session.run(None, {"mel": self.windows(mel_db)}),
                strict=True,
            )
        )
        vector: FloatArray = outputs["vector"].mean(axis=0)
        if not self.labels:
            return vector, None
        logits = outputs["logits"].mean(axis=0).astype(np.float64)
        chances = np.exp(logits - logits.max())
        return vector, np.asarray(chances / chances.sum())

    def windows(self, mel_db: FloatArray) -> FloatArray:
        """Return the windows (w, frames, mels) that a clip is heard by, 0 to 1."""
        level = np.clip(1 + (mel_db - mel_db.max()) / FLOOR, 0, 1).T
        length = self.frames * self.stride
        if len(level) < length:
            level = np.resize(level, (length, level.shape[1]))
        starts = window_starts(len(level), length)
        shape = (self.frames, self.stride, self.mels, level.shape[1] // self.mels)
        cut = [level[start : start + length].reshape(shape).mean(axis=(1, 3)) for start in starts]
        return np.stack(cut).astype(np.float32)


CONTRACT_HINT = "docs/lab.md says what such a file holds."
