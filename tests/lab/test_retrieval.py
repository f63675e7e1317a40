"""Ways to find similar songs are compared on the same queries, hubs and all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from musrec.lab import retrieval
from musrec.lab.extraction import Measured
from musrec.model import MusrecError


def image_encoder(file: Path, side: int | str) -> Path:
    """Write a network that returns the mean of each colour of an image."""
    graph = helper.make_graph(
        [helper.make_node("GlobalAveragePool", ["image"], ["mean"])],
        "eyes",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, side, side])],
        [helper.make_tensor_value_info("mean", TensorProto.FLOAT, ["batch", 3, 1, 1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, file)
    return file


@pytest.mark.parametrize("side", [96, "any"])
def test_an_image_encoder_sees_pictures_as_photographs(tmp_path: Path, side: int | str) -> None:
    pictures = np.stack([np.full((64, 64), level, np.float32) for level in (0.0, 0.5, 1.0)])
    found = retrieval.image_vectors(image_encoder(tmp_path / "eyes.onnx", side), pictures)
    expected = (pictures[:, 0, :1] - retrieval.IMAGENET_MEAN) / retrieval.IMAGENET_SCALE
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_a_file_that_is_no_image_encoder_is_told(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("hello")
    for name in ("text.onnx", "absent.onnx"):
        with pytest.raises(MusrecError, match="no ONNX network for images"):
            retrieval.image_vectors(tmp_path / name, np.zeros((1, 64, 64), np.float32))


def test_a_clip_near_everything_is_a_hub(cuts: Measured) -> None:
    rng = np.random.default_rng(0)
    spread = rng.normal(size=(len(cuts), 30)).astype(np.float32)
    # Vectors that share a direction by different amounts: those nearest to it are in every list.
    crowded = spread + 3 * rng.random((len(cuts), 1)).astype(np.float32)
    found = retrieval.compared(cuts, {"crowded": crowded})
    hubness = {row[:2]: row[-1] for row in found.precision.rows}
    assert hubness["crowded", "cosine"] == pytest.approx(3, abs=2)
    assert hubness["crowded", "correlation"] == pytest.approx(0, abs=1)
