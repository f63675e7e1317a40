"""CPU time of tagging a clip of 30 s, step by step, against the network as published.

``python -m benchmarks.tagger [CLIP]`` prints a table in Markdown. Each row is the least of several
runs on one thread, in milliseconds and as a ratio to the baseline of the same run: the published
network over ten patches (a 3 s hop). Without the model only the front end is measured.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from musrec.audio import decode, features, tagger
from musrec.audio.resample import NARROW_RATE, narrow
from musrec.audio.tagger import weights
from musrec.audio.tagger.run import (
    N_FFT,
    N_MELS,
    PATCH_FRAMES,
    PATCH_HOP,
    runtime,
    spectrogram,
)
from musrec.model import SAMPLE_RATE


def cpu(work: Callable[[], object], times: int = 7) -> float:
    """Return the least CPU milliseconds of `work`."""
    work()
    taken = []
    for _ in range(times):
        begin = time.process_time()
        work()
        taken.append(time.process_time() - begin)
    return 1000 * min(taken)


def published_network(frames: np.ndarray) -> Callable[[], object]:
    """Return a run of three-second patches through convolutions of the published size.

    The two timbral and three temporal layers with ReLU, normalisation and maximum over frequency as
    published, dead filters included; weights do not matter for time. Later layers are left out,
    which flatters the baseline by a few percent.
    """
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants = [], []
    rng = np.random.default_rng(0)
    for layer, (length, width, filters) in enumerate(
        [(7, 38, 204), (7, 67, 204), (128, 1, 51), (64, 1, 51), (32, 1, 51)]
    ):
        left = (length - 1) // 2
        arrays = {
            f"w{layer}": rng.normal(0, 0.1, (filters, 1, length, width)),
            f"s{layer}": rng.normal(0, 1, (1, filters, 1, 1)),
        }
        constants += [numpy_helper.from_array(v.astype(np.float32), k) for k, v in arrays.items()]
        pads = [left, 0, length - 1 - left, 0]
        nodes += [
            helper.make_node("Conv", ["patch", f"w{layer}"], [f"a{layer}"], pads=pads),
            helper.make_node("Relu", [f"a{layer}"], [f"b{layer}"]),
            helper.make_node("Mul", [f"b{layer}", f"s{layer}"], [f"c{layer}"]),
            helper.make_node("ReduceMax", [f"c{layer}"], [f"y{layer}"], axes=[3]),
        ]
    inputs = [helper.make_tensor_value_info("patch", TensorProto.FLOAT, [1, 1, PATCH_FRAMES, 96])]
    outputs = [helper.make_tensor_value_info(f"y{i}", TensorProto.FLOAT, None) for i in range(5)]
    model = helper.make_model(
        helper.make_graph(nodes, "published", inputs, outputs, constants),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnxruntime = runtime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    patches = [
        np.ascontiguousarray(frames[start : start + PATCH_FRAMES, :96])[None, None]
        for start in range(0, len(frames) - PATCH_FRAMES + 1, PATCH_FRAMES)
    ]
    return lambda: [session.run(None, {"patch": patch}) for patch in patches]


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path, nargs="?", help="an audio file; by default a test sound")
    clip = parser.parse_args().clip
    y = decode.decode(clip.read_bytes(), seconds=30).y if clip else np.tile(weights.probe(), 5)
    from librosa.filters import mel

    frames = spectrogram(y)
    baseline = cpu(published_network(frames), 3)

    rows = {"published network, 3 s hop (baseline)": baseline}
    rows["statistics (all of features.statistics)"] = cpu(
        lambda: features.statistics(features.spectra(y))
    )
    rows["resample to 16 kHz"] = cpu(lambda: narrow(y))
    rows["resample and power spectrogram"] = cpu(lambda: spectrogram(y))
    bands = mel(sr=NARROW_RATE, n_fft=N_FFT, n_mels=N_MELS).T
    rows["mel bands and logarithm (in NumPy; shipped inside the network)"] = cpu(
        lambda: np.log10(10_000 * (frames @ bands) + 1)
    )
    if tagger.status().installed:
        ears = tagger.load()
        rows["mel and network, 3 s hop"] = cpu(lambda: ears.tag_frames(frames, PATCH_FRAMES))
        rows["mel and network, 2 s hop"] = cpu(lambda: ears.tag_frames(frames, 2 * PATCH_HOP))
        rows["mel and network, 1 s hop (shipped)"] = cpu(lambda: ears.tag_frames(frames))
        rows["all of Tagger.tag (shipped)"] = cpu(lambda: ears.tag(y))
    if tagger.status(name="musicnn-mtt").installed:
        second = tagger.load(name="musicnn-mtt")
        rows["mel and second network, 3 s hop (shipped)"] = cpu(
            lambda: second.tag_frames(frames, PATCH_FRAMES)
        )

    print(f"clip of {len(y) / SAMPLE_RATE:.1f} s, one thread\n")
    print("| step | CPU ms | ratio to baseline |\n| --- | --- | --- |")
    for name, taken in rows.items():
        print(f"| {name} | {taken:.1f} | {taken / baseline:.3f} |")
    if not tagger.status().installed:
        print(f"\n{tagger.status().problem} The network was not measured.")


if __name__ == "__main__":
    main()
