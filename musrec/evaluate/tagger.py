"""Agreement of the converted tagger with the published one.

``python -m musrec.evaluate.tagger DATA`` compares the taggrams that were published for GTZAN's
training clips with those of our model, on the clips whose audio is at hand. With
``--write-reference``, and only where the two agree, it stores what our model answers to
`musrec.audio.tagger.weights.probe`: the numbers that every later conversion, on any machine, is
checked against.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musrec.audio import decode
from musrec.audio.tagger import Tagger, Tagging, load, weights
from musrec.audio.tagger.run import PATCH_FRAMES, PATCH_HOP, spectrogram
from musrec.evaluate.report import Report
from musrec.model import ModelMissing, MusrecError, NotFound

if TYPE_CHECKING:
    from musrec.model import FloatArray

AGREEMENT = 0.995
"""Least correlation on every clip for the two to be held the same."""

SHIPPED = "1 s, as shipped"
HOPS = {SHIPPED: PATCH_HOP, "2 s": 2 * PATCH_HOP, "3 s": PATCH_FRAMES}


def run(shared_data: Path, tagger: Tagger, hops: Mapping[str, int] = HOPS) -> Report:
    """Compare the tagger with the published taggrams, at the shipped hop and at coarser ones.

    Parameters
    ----------
    shared_data : Path
        Folder with ``gtzan/musicnn_taggrams_train.npz`` and ``gtzan/audio``.
    tagger : Tagger
    hops : mapping of str to int
        Name to frames between patches; `SHIPPED` must be among them.

    Raises
    ------
    NotFound
        The tables or the audio are not there.
    """
    clips = _clips(shared_data)
    pairs: dict[str, list[tuple[Tagging, FloatArray]]] = {name: [] for name in hops}
    for path, published in clips.items():
        samples = decode.decode(path.read_bytes(), seconds=40, start=0)
        frames = spectrogram(samples.y)
        for name, hop in hops.items():
            pairs[name].append((tagger.tag_frames(frames, hop), published))

    rows: list[tuple[str | int | float | None, ...]] = []
    shipped = pairs[SHIPPED]
    patches, differences = [], []
    for tagging, published in shipped:
        # The last patch of a cut clip sees its end, where the published one heard on.
        shared = min(len(published), len(tagging.taggram) - 1)
        ours, theirs = tagging.taggram[:shared], published[:shared]
        patches.append(_correlation(ours, theirs))
        differences.append(np.abs(ours - theirs).ravel())
    every = np.concatenate(differences)
    rows.append(
        (
            "patch by patch, hop 1 s",
            len(clips),
            f"{np.median(patches):.6f}",
            f"{min(patches):.4f}",
            f"{every.mean():.1e}",
            f"{every.max():.3f}",
        )
    )
    for name, taggings in pairs.items():
        means = [
            (tagging.mean, published[: len(reference.taggram)].mean(0))
            for (tagging, published), (reference, _) in zip(taggings, shipped, strict=True)
        ]
        correlations = [_correlation(ours, theirs) for ours, theirs in means]
        every = np.abs(np.array([ours - theirs for ours, theirs in means]))
        rows.append(
            (
                f"clip means, hop {name}",
                len(clips),
                f"{np.median(correlations):.6f}",
                f"{min(correlations):.4f}",
                f"{every.mean():.1e}",
                f"{every.max():.3f}",
            )
        )
    return Report(
        title="Tagger against the published taggrams",
        protocol=(
            "MusiCNN (MSD weights) in onnxruntime against the taggrams published for GTZAN, on the"
            f" {len(clips)} training clips whose audio is at hand. Patches of {PATCH_FRAMES} frames"
            f" (3 s) every {PATCH_HOP} frames (1 s) from the first frame on, reflect padding, soxr"
            " HQ resampling to 16 kHz: the published alignment, which is also the shipped one."
            " Audio that was cut short is compared over the patches that it reaches."
        ),
        columns=(
            "compared",
            "clips",
            "correlation, median",
            "correlation, least",
            "mean difference",
            "largest difference",
        ),
        rows=tuple(rows),
        notes=(
            "Means at a coarser hop are compared with the published ones at 1 s, same seconds.",
            "The original kept mel power in float16, which overflows in loud music; ours does not.",
        ),
    )


def agreement(shared_data: Path, tagger: Tagger) -> float:
    """Return the least correlation, patch by patch, of any clip with the published one."""
    return float(str(run(shared_data, tagger, {SHIPPED: PATCH_HOP}).rows[0][3]))


def write_reference(shared_data: Path, path: Path) -> None:
    """Convert the weights afresh; where they agree with the published taggrams, store the answers.

    Raises
    ------
    ModelMissing
        They could not be had, or do not agree.
    """
    unchecked = dataclasses.replace(weights.musicnn(), reference={})
    with tempfile.TemporaryDirectory() as folder:
        weights.install(Path(folder), release=unchecked)
        tagger = load(Path(folder))
        least = agreement(shared_data, tagger)
        if least < AGREEMENT:
            raise ModelMissing(f"The converted tagger agrees only to {least:.4f} on some clip.")
        answers = weights.answers(tagger.tag(weights.probe()))
    path.write_text(json.dumps(answers, indent=1) + "\n", "utf-8")


def _clips(shared_data: Path) -> dict[Path, FloatArray]:
    """Audio at hand, each with its published taggram."""
    table = shared_data / "gtzan" / "musicnn_taggrams_train.npz"
    audio = shared_data / "gtzan" / "audio"
    if not table.is_file() or not audio.is_dir():
        raise NotFound(
            f"There are no published taggrams or no audio in {shared_data / 'gtzan'}.",
            "Name the folder that holds gtzan/musicnn_taggrams_train.npz and gtzan/audio.",
        )
    with np.load(table) as arrays:
        names = np.array([Path(str(name)).stem for name in arrays["IDS"]])
        taggrams = arrays["X"]
    paths = {path.stem: path for path in sorted(audio.iterdir())}
    found = {path: taggrams[names == stem] for stem, path in paths.items() if stem in names}
    if not found:
        raise NotFound(f"None of the clips in {audio} has a published taggram.")
    return found


def _correlation(ours: FloatArray, theirs: FloatArray) -> float:
    return float(np.corrcoef(ours.ravel(), theirs.ravel())[0, 1])


def main() -> int:
    """Print the comparison, or store the reference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder that holds gtzan/")
    parser.add_argument("--write-reference", action="store_true")
    arguments = parser.parse_args()
    try:
        if arguments.write_reference:
            write_reference(arguments.data, Path(weights.__file__).with_name("reference.json"))
        else:
            sys.stdout.write(run(arguments.data, load()).markdown())
    except MusrecError as error:
        sys.stderr.write(f"{error} {error.hint}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
