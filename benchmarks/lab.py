"""The laboratory's speed and memory, each a ratio against a named baseline of the same run.

``python -m benchmarks.lab [FOLDER] [--clips N]`` prints a table in Markdown, in about four minutes
for 12 clips. One thread, processor time with the process that decodes. Needs PyTorch (`make lab`).
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import nn

from benchmarks.hearing import ROOT, cost, load, naive, processor_time
from musrec.audio import decode, features
from musrec.evaluate.report import Report
from musrec.lab import datasets, extraction, networks, splits, training
from musrec.lab.extraction import Measured
from musrec.lab.model import DataSet
from musrec.lab.recipe import Epoch, Recipe
from musrec.lab.splits import Split
from musrec.model import SAMPLE_RATE

SECONDS = 30.0
MEDIUM = 25_000
"""Clips of FMA-medium."""

RECIPE = Recipe("cnn", mels=64, frames=128, stride=1, epochs=3, patience=0, masks=0.0, mixup=0.0)


def repeated(measured: Measured, n: int) -> tuple[Measured, Split]:
    """Return n rows, read from the files of few clips, and a split that learns from all of them."""
    rows = np.arange(n) % len(measured)
    kept = [(measured.clips[row], measured.mels[row].with_suffix(".npz")) for row in rows]
    data = DataSet(measured.layout, measured.clips[0].path.parent, measured.clips)
    return extraction.loaded(data, kept), Split("random", np.arange(n), rows[:0], rows[:1])


def ours(measured: Measured) -> float:
    """Return the least CPU seconds of an epoch of the CNN that reads our mapped spectrograms."""
    split = Split("random", np.arange(len(measured)), np.arange(0), np.arange(1))
    began, taken = processor_time(), []

    def tell(_: Epoch, __: float) -> None:
        nonlocal began
        taken.append(processor_time() - began)
        began = processor_time()

    with tempfile.TemporaryDirectory() as folder:
        labels = splits.labels(measured.clips)
        training.train(RECIPE, measured, labels, split, Path(folder), tell)
    return min(taken[1:])  # the first loads what it needs


def librosas(measured: Measured) -> float:
    """Return the CPU seconds of an epoch of the same network fed by librosa, clip by clip."""
    import librosa

    rng = np.random.default_rng(0)
    labels = splits.labels(measured.clips)
    classes = sorted(set(labels.tolist()))
    network = networks.build(RECIPE.network, RECIPE.mels, len(classes))
    optimiser = torch.optim.AdamW(network.parameters(), lr=RECIPE.rate)
    began = processor_time()
    for start in range(0, len(measured), RECIPE.batch):
        rows = range(start, min(start + RECIPE.batch, len(measured)))
        crops = []
        for row in rows:
            y = librosa.load(measured.clips[row].path, sr=SAMPLE_RATE, duration=SECONDS)[0]
            mel = librosa.power_to_db(
                librosa.feature.melspectrogram(y=y, sr=SAMPLE_RATE, n_mels=RECIPE.mels), ref=np.max
            )
            at = int(rng.integers(max(1, mel.shape[1] - RECIPE.frames + 1)))
            crops.append(1 + mel[:, at : at + RECIPE.frames].T / 80)
        x = torch.from_numpy(np.stack(crops).astype(np.float32))
        truth = torch.tensor([classes.index(labels[row]) for row in rows])
        loss = nn.functional.cross_entropy(network(x)[1], truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return processor_time() - began


def decoded(files: Sequence[bytes]) -> list[np.ndarray]:
    return [decode.decode(data, seconds=SECONDS).y for data in files]


def front_end(files: Sequence[bytes]) -> None:
    for y in decoded(files):
        features.mel_decibels(y)


def every_statistic(data: bytes) -> None:
    """All that the laboratory measures of a clip, but for the tagger."""
    extraction.statistics(features.spectra(decode.decode(data, seconds=SECONDS).y))


def every_naive(clip: Path) -> None:
    """The same by librosa, one call per feature."""
    import librosa

    naive(clip)
    y = load(clip)
    librosa.feature.chroma_cqt(y=y)
    librosa.feature.chroma_cens(y=y)


def peak(folder: Path, cache: Path, clips: int, rows: int) -> float:
    """Return the greatest memory in MiB of a fresh process that trains one epoch on `rows` rows."""
    command = [sys.executable, "-m", "benchmarks.lab", str(folder), "--clips", str(clips)]
    command += ["--cache", str(cache), "--epoch", str(rows)]
    ran = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    return float(ran.stdout)


def one_epoch(measured: Measured, n: int) -> None:
    """Train one epoch on n rows, and print the greatest memory of this process in MiB."""
    measured, split = repeated(measured, n)
    recipe = Recipe("cnn", mels=32, frames=32, stride=1, epochs=1)
    with tempfile.TemporaryDirectory() as folder:
        training.train(recipe, measured, splits.labels(measured.clips), split, Path(folder))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def front_row(kind: str, paths: Sequence[Path]) -> tuple[str, str, str, str, str]:
    """Return what decoding and mel spectrograms cost, over decoding alone."""
    files = [path.read_bytes() for path in paths]
    n, decoding, front = (
        len(files),
        cost(partial(decoded, files), 5),
        cost(partial(front_end, files), 5),
    )
    return (
        f"decoding {kind} and mel front end, over decoding alone",
        f"{front / n:.1f} ms per clip",
        f"{decoding / n:.1f} ms per clip",
        f"{front / decoding:.2f}",
        "<= 1.5",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    data_folder = os.environ.get("MUSREC_SHARED_DATA", str(ROOT.parent / "shared" / "data"))
    parser.add_argument("folder", type=Path, nargs="?", default=Path(data_folder, "gtzan"))
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--cache", type=Path, help="Where measurements of clips are kept.")
    parser.add_argument("--epoch", type=int, metavar="ROWS", help="Only print the memory of one.")
    given = parser.parse_args()
    cache: Path = given.cache or Path(tempfile.mkdtemp())
    data = datasets.read(given.folder)
    long = sorted(data.clips, key=lambda clip: -clip.path.stat().st_size)[: given.clips]
    data = replace(data, clips=tuple(long))
    measured = extraction.extract(data, cache, seconds=SECONDS, workers=1)
    if given.epoch:
        one_epoch(measured, given.epoch)
        return
    fronts = [front_row("FLAC at 22,050 Hz", [clip.path for clip in measured.clips])]
    if songs := sorted((given.folder.parent / "music").glob("*.mp3"))[: given.clips]:
        fronts.append(front_row("MP3 at 44,100 Hz", songs))
    learning, loading = ours(measured), librosas(measured)
    clip = measured.clips[0].path
    baseline = cost(partial(every_naive, clip), 2)
    statistics = cost(partial(every_statistic, clip.read_bytes()), 5)
    few = 250
    small = peak(given.folder, cache, given.clips, few)
    large = peak(given.folder, cache, given.clips, MEDIUM)
    n = len(measured)
    report = Report(
        "The laboratory",
        f"{n} clips of {SECONDS:g} s, one thread. A ratio is the measured value over its baseline, "
        "or the other way round where it says times faster.",
        ("what", "measured", "baseline", "ratio", "goal"),
        (
            *fronts,
            (
                "an epoch of the CNN, over the same network fed by librosa",
                f"{1000 * learning / n:.1f} ms per clip",
                f"{1000 * loading / n:.1f} ms per clip",
                f"{loading / learning:.1f} times faster",
                "-",
            ),
            (
                "every statistic, against librosa feature by feature",
                f"{statistics:.0f} ms",
                f"{baseline:.0f} ms",
                f"{baseline / statistics:.1f} times faster",
                ">= 20",
            ),
            (
                f"greatest memory of an epoch of {MEDIUM:,} rows, over one of {few}",
                f"{large:.0f} MiB",
                f"{small:.0f} MiB",
                f"{large / small:.2f}",
                "< 4096 MiB",
            ),
        ),
        (
            "Ours reads mapped spectrograms; librosa decodes and transforms in every epoch.",
            f"{MEDIUM:,} rows are FMA-medium; here they are the same {n} clips again and again.",
            "librosa: one call per feature, tonnetz of the harmonic part, all three chromagrams.",
        ),
    )
    print(report.markdown())


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
