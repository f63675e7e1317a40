"""``musrec evaluate tagger``: agreement of the converted tagger with the published one.

Compares the taggrams published for GTZAN's training clips with those of our model, on the clips
whose audio is available. ``python -m musrec.evaluate.tagger DATA --write`` stores our models'
answers to `musrec.audio.tagger.weights.probe`, if the two agree: every later conversion, on any
machine, is checked against these numbers. The second network, trained on MagnaTagATune, has no
published taggrams of these clips; it is read and converted by the same code.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musrec.audio import decode
from musrec.audio.tagger import Tagger, load, weights
from musrec.audio.tagger.run import PATCH_FRAMES, PATCH_HOP, spectrogram
from musrec.evaluate.report import Cell, Report, from_shell
from musrec.model import ModelMissing, NotFound

if TYPE_CHECKING:
    from musrec.model import FloatArray

    _Pair = tuple[FloatArray, FloatArray]

AGREEMENT = 0.998
"""Least correlation, on every clip, at which the two count as the same."""

_HOPS = {"1 s, as shipped": PATCH_HOP, "2 s": 2 * PATCH_HOP, "3 s": PATCH_FRAMES}


def run(shared_data: Path, tagger: Tagger) -> Report:
    """Compare the tagger with the published taggrams, at the shipped hop and at coarser ones.

    Parameters
    ----------
    shared_data : Path
        Folder with ``gtzan/musicnn_taggrams_train.npz`` and ``gtzan/audio``, and if there is one
        ``gtzan/audio_more``, of which the longer cut of a clip counts.
    tagger : Tagger

    Raises
    ------
    NotFound
        The tables or the audio are missing.
    """
    patches: list[_Pair] = []
    means: dict[str, list[_Pair]] = {name: [] for name in _HOPS}
    for frames, published in _clips(shared_data):
        taggram = tagger.tag_frames(frames).taggram
        patches.append(_shared(taggram, published))
        theirs = published[: len(taggram)].mean(0)
        for name, hop in _HOPS.items():
            means[name].append((tagger.tag_frames(frames, hop).mean, theirs))
    return Report(
        title="Tagger against the published taggrams",
        protocol=(
            "MusiCNN (MSD weights) in onnxruntime against the taggrams published for GTZAN, on the"
            f" {len(patches)} training clips whose audio is available. Patches of {PATCH_FRAMES}"
            f" frames (3 s) every {PATCH_HOP} frames (1 s) from the first frame on, reflect"
            " padding, resampled to 16 kHz as by resampy's kaiser_best: as published and shipped."
            " A clip that was cut short is compared over the patches it still has."
        ),
        columns=("compared", "correlation, median", "lowest", "mean difference", "largest"),
        rows=(
            _row("patch by patch, hop 1 s", patches),
            *(_row(f"clip means, hop {name}", pairs) for name, pairs in means.items()),
        ),
        notes=(
            "Means at a coarser hop are compared with the published ones at 1 s, same seconds.",
            "With soxr's resampler in place of that one, the lowest correlation is 0.980.",
        ),
    )


def agreement(shared_data: Path, tagger: Tagger) -> float:
    """Return the lowest correlation of any clip with the published taggram, patch by patch."""
    return min(
        _correlation(_shared(tagger.tag_frames(frames).taggram, published))
        for frames, published in _clips(shared_data)
    )


def write(shared_data: Path) -> None:
    """Convert the weights again; if they agree with the published taggrams, store the answers.

    Raises
    ------
    ModelMissing
        The weights could not be fetched, or do not agree.
    """
    answers = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in weights.NAMES:
            unchecked = dataclasses.replace(weights.musicnn(name), reference={})
            weights.install(Path(folder), release=unchecked)
            answers[name] = weights.answers(load(Path(folder), name).tag(weights.probe()))
        least = agreement(shared_data, load(Path(folder)))
        if least < AGREEMENT:
            raise ModelMissing(f"The converted tagger agrees only to {least:.4f} on some clip.")
    path = Path(weights.__file__).with_name("reference.json")
    path.write_text(json.dumps(answers, indent=1) + "\n", "utf-8")


def _clips(shared_data: Path) -> Iterator[_Pair]:
    """Yield the spectrogram and published taggram of every clip whose audio is available."""
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
    more = shared_data / "gtzan" / "audio_more"
    best = {path.stem: path for path in audio.iterdir() if path.stem in names}
    if more.is_dir():
        best |= {path.stem: path for path in more.iterdir() if path.stem in names}
    paths = [best[name] for name in sorted(best)]
    if not paths:
        raise NotFound(f"None of the clips in {audio} has a published taggram.")
    for path in paths:
        samples = decode.decode(path.read_bytes(), seconds=40, start=0)
        yield spectrogram(samples.y), taggrams[names == path.stem]


def _shared(ours: FloatArray, published: FloatArray) -> _Pair:
    """Return the patches that both have, less the last of a cut clip, which holds its end."""
    count = min(len(ours) - (len(ours) < len(published)), len(published))
    return ours[:count], published[:count]


def _correlation(pair: _Pair) -> float:
    ours, theirs = pair
    return float(np.corrcoef(ours.ravel(), theirs.ravel())[0, 1])


def _row(name: str, pairs: list[_Pair]) -> tuple[Cell, ...]:
    correlations = [_correlation(pair) for pair in pairs]
    differences = np.concatenate([np.abs(ours - theirs).ravel() for ours, theirs in pairs])
    return (
        name,
        f"{np.median(correlations):.6f}",
        f"{min(correlations):.4f}",
        f"{differences.mean():.1e}",
        f"{differences.max():.3f}",
    )


if __name__ == "__main__":
    sys.exit(from_shell(__doc__, lambda data: [run(data, load())], write))
