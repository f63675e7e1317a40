"""Networks as ONNX files under the contract of `musrec.audio.encoder`: for the bot, and others."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from musrec.audio.encoder import CONTRACT, MelInput
from musrec.model import MusrecError

if TYPE_CHECKING:
    from musrec.lab.recipe import Recipe
    from musrec.lab.training import Trained


def check(recipe: Recipe) -> None:
    """Raise `MusrecError` if a network of this recipe could not be exported."""
    from musrec.lab import networks

    if recipe.network not in networks.ON_MELS:
        raise MusrecError(
            f"{recipe.network} hears measurements, not a spectrogram: it has no ONNX form.",
            f"Train one of: {', '.join(networks.ON_MELS)}.",
        )


def export(trained: Trained, file: Path) -> Path:
    """Write a network on mel spectrograms as an ONNX file; return its path.

    Raises
    ------
    MusrecError
        The network hears features rather than a spectrogram, or the file cannot be written.
    """
    import onnx
    import torch

    recipe = trained.recipe
    check(recipe)
    windows = MelInput(recipe.mels, recipe.frames, recipe.stride)
    part = file.with_suffix(".part")
    example = torch.zeros(2, recipe.frames, recipe.mels)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the older exporter, and of the state of a GRU
            # The newer exporter fails for a recurrent network whose batch is not fixed.
            torch.onnx.export(
                trained.network,
                (example,),
                str(part),
                input_names=[windows.name],
                output_names=["vector", "logits"],
                dynamic_axes={name: {0: "windows"} for name in (windows.name, "vector", "logits")},
                dynamo=False,
            )
        model = onnx.load(part)
        onnx.helper.set_model_props(
            model,
            {
                "musrec.contract": CONTRACT,
                "musrec.input": json.dumps(windows.stated),
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
