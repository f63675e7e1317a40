"""MusiCNN as an ONNX graph, built from the arrays of its checkpoint.

The network is that of Pons and Serra, "musicnn: pre-trained convolutional neural networks for
music audio tagging" (2019): convolutions of musical shape over a log-mel patch of three seconds
(two of them tall, for timbre; three of them long, for rhythm), three residual layers over time,
pooling over time, two dense layers. Each convolution is followed by ReLU, batch normalisation and
the maximum over frequency, in this order.

Five things are written differently here, with the same result:

- Most filters of the published networks died in training: of the 561 that look at the patch, only
  64 have weights that matter in the one trained on the Million Song Dataset, and 218 in the one
  trained on MagnaTagATune. The others give the same value whatever they hear, up to float32's
  resolution. They are left out, and their contribution to the next layers is computed here, once.
- The maximum is taken right after the convolution. ReLU and normalisation keep the order of the
  values along frequency, or reverse it if the factor of the normalisation is negative. So it is
  enough to flip the sign of those filters, and everything after runs on one value per frame instead
  of 30 to 96.
- Patches overlap, and a tall filter gives the same value for a frame in every patch that holds it,
  except in the three frames at either end, where the patch is padded with zeros. So the tall
  filters run once over all frames, and again over the ends of each patch.
- onnxruntime computes channels in blocks of `_BLOCK`, and few of the long filters are left. So a
  long convolution strides over several frames, and has a shifted copy of each filter for each of
  them: its channels fill the blocks.
- The mel filter bank and the logarithm are part of the graph, so that it starts at the power
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
"""Of every batch normalisation; TensorFlow's default."""
_TALL = 2
"""Number of front layers with tall filters, the first ones; the other three have long filters."""
_END = np.iinfo(np.int64).max
_BLOCK = 8
"""Channels that onnxruntime computes together on processors with AVX2. It pools over a multiple of
them without putting them in another order first."""
_STRIDES = (1, 2, 4, 8)
"""Frames that a long convolution may stride over."""
_DEAD = 3e-3
"""A filter weaker than this share of its layer's strongest moves no tag by more than 1e-6."""


def build(weights: Mapping[str, FloatArray], mel: FloatArray, length: int) -> bytes:
    """Return the network as a serialised ONNX model.

    The model takes ``power`` of shape (frames, n_fft // 2 + 1), a power spectrogram, and
    ``starts`` of shape (patches,), the first frame of each patch; it returns ``tags`` of shape
    (patches, tags), probabilities, and ``embedding`` of shape (patches, units), the layer before
    the tags.

    Parameters
    ----------
    weights : mapping of str to FloatArray
        Variables of the checkpoint by TensorFlow's names; their shapes give all sizes.
    mel : FloatArray, shape (n_mels, n_fft // 2 + 1)
        Filter bank.
    length : int
        Frames per patch.

    Raises
    ------
    ModelMissing
        A variable is absent, or has a shape that does not fit the others.
    """
    try:
        net = _Net(weights)
        model = net.model(mel, length)
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
        why = str(error).strip().splitlines()[0]
        raise ModelMissing(
            f"The variables of the tagger's checkpoint do not fit together: {why}"
        ) from None
    return serialised


class _Net:
    """The nodes and constants of the graph so far; a layer's method adds it and names its output.

    Time is the last axis in here: (patches, channels, [bands,] frames) suits the convolutions.
    """

    def __init__(self, weights: Mapping[str, FloatArray]) -> None:
        self.weights = weights
        self.bands = self.length = 0
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def model(self, mel: FloatArray, length: int) -> Any:
        bands, bins = mel.shape
        self.bands, self.length = bands, length
        if any(self.kernel(layer)[0].shape[3] > bands for layer in range(5)):
            raise ValueError(f"a filter is taller than the {bands} bands of the spectrogram")
        scale, shift = self.normalisation("batch_normalization")
        energy = self.add("MatMul", "power", self.constant(mel.T))
        loud = self.add("Log", self.add("Add", self.add("Mul", energy, _f32(10_000)), _f32(1)))
        decades = self.add("Mul", loud, _f32(1 / np.log(10)))
        clip = self.add("Add", self.add("Mul", decades, scale), shift)
        starts = self.add("Unsqueeze", "starts", _i64(1))
        frames = self.add("Add", starts, np.arange(length))  # (p, length), indices of frames
        patch = self.add("Unsqueeze", self.add("Gather", clip, frames, axis=0), _i64(1))
        clip = self.add("Unsqueeze", clip, _i64(0, 1))

        alive, constant = zip(*(self.dead_or_alive(layer) for layer in range(5)), strict=True)
        live, still = np.concatenate(alive), np.concatenate(constant)
        front = self.add(
            "Concat",
            *(
                self.tall(clip, patch, frames, layer, alive[layer])
                if layer < _TALL
                else self.long(patch, layer, alive[layer])
                for layer in range(5)
                if alive[layer].any()
            ),
            axis=1,
        )
        first = self.conv_over_time(front, 5, live, self.still_response(live, still, length))
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
            [
                _tensor("power", ["frames", bins]),
                helper.make_tensor_value_info("starts", TensorProto.INT64, ["patches"]),
            ],
            [
                _tensor("tags", ["patches", len(bias)]),
                _tensor("embedding", ["patches", len(kernel)]),
            ],
            self.constants,
        )
        opset = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=opset, ir_version=_IR_VERSION)

    def dead_or_alive(self, layer: int) -> tuple[BoolArray, FloatArray]:
        """Return which filters of a front layer are alive, and the constants the others give."""
        kernel, bias = self.kernel(layer)
        scale, shift = self.normalisation(f"batch_normalization_{layer + 1}")
        strength = np.abs(kernel).sum((1, 2, 3))
        alive = strength > _DEAD * strength.max()
        return alive, np.maximum(bias, 0) * scale + shift

    def still_response(self, live: BoolArray, still: FloatArray, frames: int) -> FloatArray:
        """Return the bias of the first middle layer plus the dead filters' part: (filters, frames).

        It differs at the ends of the patch, where part of each filter falls on padding.
        """
        kernel, bias = self.kernel(5)
        taps = np.einsum("flc,c->lf", kernel[:, 0][:, :, ~live], still[~live])
        response = np.repeat(bias[:, None], frames, axis=1)
        left, _ = _margins(len(taps))
        for tap, added in enumerate(taps):
            begin, end = max(0, left - tap), min(frames, frames + left - tap)
            response[:, begin:end] += added[:, None]
        return response

    def tall(self, clip: str, patch: str, frames: str, layer: int, alive: BoolArray) -> str:
        """Add a layer of filters over frequency and few frames, once per clip: (p, filters, t)."""
        kernel, bias = self.upright(layer, alive)
        left, right = _margins(kernel.shape[2])
        # (1, filters, all frames)
        whole = self.loudest(clip, kernel, bias, [left, 0, right, 0])
        inner = self.add("Slice", frames, _i64(left), _i64(-right), _i64(1))
        inside = self.add("Gather", self.add("Squeeze", whole, _i64(0)), inner, axis=1)
        head = self.add("Slice", patch, _i64(0), _i64(left + right), _i64(2))
        tail = self.add("Slice", patch, _i64(-left - right), _i64(_END), _i64(2))
        peak = self.add(
            "Concat",
            self.loudest(head, kernel, bias, [left, 0, 0, 0]),
            self.add("Transpose", inside, perm=[1, 0, 2]),
            self.loudest(tail, kernel, bias, [0, 0, right, 0]),
            axis=2,
        )
        return self.rectified(peak, layer, alive)

    def long(self, patch: str, layer: int, alive: BoolArray) -> str:
        """Add a layer of filters over many frames of one band, per patch: (p, filters, t)."""
        kernel, bias = self.upright(layer, alive)
        count, _, length, _ = kernel.shape
        left, right = _margins(length)
        stride = _cheapest_stride(count, length)
        rows = -(-self.length // stride)
        shifted = np.zeros((count, stride, 1, length + stride - 1, 1), np.float32)
        for step in range(stride):
            shifted[:, step, :, step : step + length] = kernel
        peak = self.loudest(
            patch,
            shifted.reshape(count * stride, *shifted.shape[2:]),
            bias.repeat(stride),
            pads=[left, 0, right + rows * stride - self.length, 0],
            strides=[stride, 1],
        )
        steps = self.add("Reshape", peak, _i64(0, count, stride, rows))
        series = self.add("Transpose", steps, perm=[0, 1, 3, 2])
        joined = self.add("Reshape", series, _i64(0, count, rows * stride))
        whole = self.add("Slice", joined, _i64(0), _i64(self.length), _i64(2))
        return self.rectified(whole, layer, alive)

    def loudest(
        self, sound: str, kernel: FloatArray, bias: FloatArray, pads: list[int], **settings: Any
    ) -> str:
        """Convolve and take the maximum over frequency: (p, 1, t, bands) -> (p, filters, t')."""
        spare = -len(kernel) % _BLOCK
        response = self.add(
            "Conv",
            sound,
            self.constant(np.pad(kernel, ((0, spare), (0, 0), (0, 0), (0, 0)))),
            self.constant(np.pad(bias, (0, spare))),
            pads=pads,
            **settings,
        )
        reach = self.bands - kernel.shape[3] + 1
        peak = self.add("MaxPool", response, kernel_shape=[1, reach])
        peak = self.add("Squeeze", peak, _i64(3))
        return self.add("Slice", peak, _i64(0), _i64(len(kernel)), _i64(1)) if spare else peak

    def upright(self, layer: int, alive: BoolArray) -> tuple[FloatArray, FloatArray]:
        """Return the live filters and biases of a front layer.

        The sign of a filter is flipped if the factor of its normalisation is negative.
        """
        kernel, bias = self.kernel(layer)
        sign = self.sign(layer)
        return (kernel * sign[:, None, None, None])[alive], (bias * sign)[alive]

    def rectified(self, peak: str, layer: int, alive: BoolArray) -> str:
        """Add ReLU and normalisation after the maximum."""
        scale, shift = self.normalisation(f"batch_normalization_{layer + 1}")
        upright = self.add("Mul", peak, self.sign(layer)[alive, None])
        rectified = self.add("Relu", upright)
        return self.add("Add", self.add("Mul", rectified, scale[alive, None]), shift[alive, None])

    def sign(self, layer: int) -> FloatArray:
        scale, _ = self.normalisation(f"batch_normalization_{layer + 1}")
        return np.where(scale < 0, np.float32(-1), np.float32(1))

    def conv_over_time(
        self,
        features: str,
        layer: int,
        channels: BoolArray | None = None,
        offset: FloatArray | None = None,
    ) -> str:
        """Add a middle layer: (p, channels, t) -> (p, filters, t).

        `offset`, of shape (filters, t), replaces the bias if only some `channels` are given.
        """
        kernel, bias = self.kernel(layer)
        kernel = kernel[:, 0].transpose(0, 2, 1)
        response = self.add(
            "Conv",
            features,
            self.constant(kernel if channels is None else kernel[:, channels]),
            pads=_margins(kernel.shape[2]),
        )
        response = self.add("Add", response, bias[:, None] if offset is None else offset)
        scale, shift = self.normalisation(f"batch_normalization_{layer + 1}")
        rectified = self.add("Relu", response)
        return self.add("Add", self.add("Mul", rectified, scale[:, None]), shift[:, None])

    def kernel(self, layer: int) -> tuple[FloatArray, FloatArray]:
        """Return a kernel in ONNX's order, (filters, 1, frames, bands), and its bias (filters,)."""
        name = f"conv2d_{layer}" if layer else "conv2d"
        kernel = self.weights[f"{name}/kernel"].transpose(3, 2, 0, 1)
        return np.ascontiguousarray(kernel), self.weights[f"{name}/bias"]

    def normalisation(self, norm: str) -> tuple[FloatArray, FloatArray]:
        """Return factor and offset of a batch normalisation at inference."""
        gamma, beta, mean, variance = (
            self.weights[f"{norm}/{part}"].astype(np.float64)
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        scale = gamma / np.sqrt(variance + _EPSILON)
        return scale.astype(np.float32), (beta - mean * scale).astype(np.float32)

    def constant(self, values: NDArray[Any]) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add(
        self, operator: str, *inputs: str | NDArray[Any], name: str = "", **settings: Any
    ) -> str:
        """Add a node; its inputs are names of earlier outputs, or constants."""
        names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        output = name or f"{operator.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, names, [output], **settings))
        return output


def _margins(length: int) -> tuple[int, int]:
    """Return the zeros before and after a patch for a filter of `length` frames, as in SAME."""
    return (length - 1) // 2, length // 2


def _cheapest_stride(count: int, length: int) -> int:
    """Return the frames to stride over with `count` filters of `length` frames."""

    def products(stride: int) -> float:  # per frame and band
        return -(-count * stride // _BLOCK) * _BLOCK * (length + stride - 1) / stride

    return min(_STRIDES, key=products)


def _i64(*values: int) -> NDArray[np.int64]:
    return np.array(values, np.int64)


def _f32(value: float) -> FloatArray:
    return np.array(value, np.float32)


def _tensor(name: str, shape: list[str | int]) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
