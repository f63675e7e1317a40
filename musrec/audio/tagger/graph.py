"""MusiCNN as an ONNX graph, built from the arrays of its checkpoint.

The network is that of Pons and Serra, "musicnn: pre-trained convolutional neural networks for
music audio tagging" (2019): convolutions of musical shape over a log-mel patch of three seconds
(two of them tall, for timbre; three of them long, for rhythm), three residual layers over time,
pooling over time, two dense layers. A convolution is followed by ReLU, batch normalisation and the
maximum over frequency, in this order.

Three things are written otherwise than there, with the same result:

- Most filters of the published network died in training: of the 561 that look at the patch, 65
  have weights that are not zero. The others give the same value whatever they hear. They are left
  out, and what they add to the next layers is computed here, once: a tenth of the work remains.
- The maximum is taken right after the convolution. ReLU and normalisation keep or, where the
  normalisation's factor is negative, reverse the order of the values along frequency, so it is
  enough to reverse the sign of those filters, and everything after runs on one value a frame
  instead of 30 to 96.
- The mel filter bank and the logarithm are part of the graph, which therefore starts at the power
  spectrogram.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, shape_inference

from musrec.model import ModelMissing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.model import FloatArray

    BoolArray = NDArray[np.bool_]

OPSET = 17
_IR_VERSION = 8
_EPSILON = 1e-3
"""Of every batch normalisation, TensorFlow's default."""
_DEAD = 1e-8
"""A filter this much weaker than the strongest of its layer is below float32's resolution."""


def build(weights: Mapping[str, FloatArray], mel: FloatArray, frames: int) -> bytes:
    """Return the network as a serialised ONNX model.

    The model takes ``power`` of shape (patches, frames, n_fft // 2 + 1), the power spectrogram,
    and gives ``tags`` of shape (patches, tags), probabilities, and ``embedding`` of shape
    (patches, units), the layer before them.

    Parameters
    ----------
    weights : mapping of str to FloatArray
        Variables of the checkpoint by TensorFlow's names; sizes are taken from their shapes.
    mel : FloatArray, shape (n_mels, n_fft // 2 + 1)
        Filter bank.
    frames : int
        Length of a patch.

    Raises
    ------
    ModelMissing
        A variable is absent, or has a shape that does not fit the others.
    """
    try:
        net = _Net(weights)
        model = net.model(mel, frames)
        checker.check_model(model, full_check=True)
        serialised: bytes = model.SerializeToString(deterministic=True)
    except KeyError as error:
        raise ModelMissing(f"The tagger's checkpoint has no variable {error}.") from None
    except (
        ValueError,
        IndexError,
        checker.ValidationError,
        shape_inference.InferenceError,
    ) as error:
        raise ModelMissing(
            f"The variables of the tagger's checkpoint do not fit together: {error}"
        ) from None
    return serialised


class _Net:
    """The nodes and constants of the graph so far; each method adds a layer and names its output.

    Inside, time is the last axis: (patches, channels, [bands,] frames) suits the convolutions.
    """

    def __init__(self, weights: Mapping[str, FloatArray]) -> None:
        self.weights = weights
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def model(self, mel: FloatArray, frames: int) -> Any:
        bands, bins = mel.shape
        scale, shift = self.normalisation("batch_normalization")
        energy = self.add("MatMul", "power", self.constant(mel.T))
        loud = self.add("Log", self.add("Add", self.add("Mul", energy, _f32(10_000)), _f32(1)))
        decades = self.add("Mul", loud, _f32(1 / np.log(10)))
        patch = self.add("Add", self.add("Mul", decades, scale), shift)
        patch = self.add("Unsqueeze", patch, np.array([1], np.int64))

        alive, constant = zip(*(self.dead_or_alive(layer) for layer in range(5)), strict=True)
        live, still = np.concatenate(alive), np.concatenate(constant)
        front = self.add(
            "Concat",
            *(
                self.front(patch, layer, alive[layer], bands)
                for layer in range(5)
                if alive[layer].any()
            ),
            axis=1,
        )
        first = self.conv_over_time(front, 5, live, self.still_response(live, still, frames))
        second = self.add("Add", self.conv_over_time(first, 6), first)
        third = self.add("Add", self.conv_over_time(second, 7), second)
        layers = self.add("Concat", front, first, second, third, axis=1)

        # TensorFlow flattens (channels, 2): each channel's maximum is followed by its mean.
        pooled = self.add(
            "Concat",
            self.add("ReduceMax", layers, axes=[2], keepdims=1),
            self.add("ReduceMean", layers, axes=[2], keepdims=1),
            axis=2,
        )
        scale, shift = self.normalisation("batch_normalization_9")
        kernel, bias = self.weights["dense/kernel"], self.weights["dense/bias"]
        # A still channel's maximum and mean are its one value.
        moving = np.ones(len(scale), bool)
        moving[: 2 * len(live)] = live.repeat(2)
        known = still.repeat(2)[~moving[: 2 * len(live)]] * scale[~moving] + shift[~moving]
        flat = self.add("Mul", self.add("Flatten", pooled), scale[moving])
        hidden = self.add(
            "Gemm",
            self.add("Add", flat, shift[moving]),
            self.constant(kernel[moving]),
            self.constant((bias + known @ kernel[~moving]).astype(np.float32)),
        )
        scale, shift = self.normalisation("batch_normalization_10")
        rectified = self.add("Relu", hidden)
        embedding = self.add("Add", self.add("Mul", rectified, scale), shift, name="embedding")
        kernel, bias = self.weights["dense_1/kernel"], self.weights["dense_1/bias"]
        logits = self.add("Gemm", embedding, self.constant(kernel), self.constant(bias))
        self.add("Sigmoid", logits, name="tags")

        graph = helper.make_graph(
            self.nodes,
            "musicnn",
            [_tensor("power", ["patches", frames, bins])],
            [
                _tensor("tags", ["patches", len(bias)]),
                _tensor("embedding", ["patches", len(kernel)]),
            ],
            self.constants,
        )
        opset = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=opset, ir_version=_IR_VERSION)

    def dead_or_alive(self, layer: int) -> tuple[BoolArray, FloatArray]:
        """Which filters of a front layer hear anything, and what the others always answer."""
        kernel, bias = self.kernel(layer)
        scale, shift = self.normalisation(f"batch_normalization_{layer + 1}")
        strength = np.abs(kernel).sum((1, 2, 3))
        alive = strength > _DEAD * strength.max()
        return alive, np.maximum(bias, 0) * scale + shift

    def still_response(self, live: BoolArray, still: FloatArray, frames: int) -> FloatArray:
        """What dead filters add to the first middle layer, shape (filters, frames).

        Not the same in every frame: the zeros around the patch take their part at its ends.
        """
        kernel, bias = self.kernel(5)
        length = kernel.shape[2]
        taps = kernel[:, 0, :, ~live].T @ still[~live] if (~live).any() else None
        response = np.repeat(bias[:, None], frames, axis=1)
        if taps is None:
            return response
        left = (length - 1) // 2
        for tap in range(length):
            begin, end = max(0, left - tap), min(frames, frames + left - tap)
            response[:, begin:end] += taps[tap][:, None]
        return response

    def front(self, patch: str, layer: int, alive: BoolArray, bands: int) -> str:
        """One convolution over the patch with its pooling: (p, 1, t, bands) -> (p, filters, t)."""
        kernel, bias = self.kernel(layer)
        scale, shift = self.normalisation(f"batch_normalization_{layer + 1}")
        kernel, bias, scale, shift = kernel[alive], bias[alive], scale[alive], shift[alive]
        sign = np.where(scale < 0, np.float32(-1), np.float32(1))
        length, width = kernel.shape[2:]
        if width > bands:
            raise ValueError(f"a filter of {width} bands over {bands}")
        left = (length - 1) // 2  # zeros around the normalised patch, as TensorFlow's SAME
        response = self.add(
            "Conv",
            patch,
            self.constant(kernel * sign[:, None, None, None]),
            self.constant(bias * sign),
            pads=[left, 0, length - 1 - left, 0],
        )
        peak = self.add("ReduceMax", response, axes=[3], keepdims=0)
        rectified = self.add("Relu", self.add("Mul", peak, sign[:, None]))
        return self.add("Add", self.add("Mul", rectified, scale[:, None]), shift[:, None])

    def conv_over_time(
        self,
        features: str,
        layer: int,
        channels: BoolArray | None = None,
        offset: FloatArray | None = None,
    ) -> str:
        """One middle layer: (p, channels, t) -> (p, filters, t).

        `offset`, of shape (filters, t), stands for the bias where only some channels are given.
        """
        kernel, bias = self.kernel(layer)
        kernel = kernel[:, 0].transpose(0, 2, 1)
        length = kernel.shape[2]
        left = (length - 1) // 2
        response = self.add(
            "Conv",
            features,
            self.constant(kernel if channels is None else kernel[:, channels]),
            pads=[left, length - 1 - left],
        )
        response = self.add("Add", response, bias[:, None] if offset is None else offset)
        scale, shift = self.normalisation(f"batch_normalization_{layer + 1}")
        rectified = self.add("Relu", response)
        return self.add("Add", self.add("Mul", rectified, scale[:, None]), shift[:, None])

    def kernel(self, layer: int) -> tuple[FloatArray, FloatArray]:
        """Kernel in ONNX's order, (filters, 1, frames, bands), and bias (filters,)."""
        name = f"conv2d_{layer}" if layer else "conv2d"
        kernel = self.weights[f"{name}/kernel"].transpose(3, 2, 0, 1)
        return np.ascontiguousarray(kernel), self.weights[f"{name}/bias"]

    def normalisation(self, norm: str) -> tuple[FloatArray, FloatArray]:
        """Factor and offset of a batch normalisation at inference."""
        gamma, beta, mean, variance = (
            self.weights[f"{norm}/{part}"].astype(np.float64)
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        scale = gamma / np.sqrt(variance + _EPSILON)
        return scale.astype(np.float32), (beta - mean * scale).astype(np.float32)

    def constant(self, values: FloatArray) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add(self, operator: str, *inputs: str | FloatArray, name: str = "", **settings: Any) -> str:
        """Add a node; its inputs are names of earlier outputs, or constants."""
        names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        output = name or f"{operator.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, names, [output], **settings))
        return output


def _f32(value: float) -> FloatArray:
    return np.array(value, np.float32)


def _tensor(name: str, shape: list[str | int]) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
