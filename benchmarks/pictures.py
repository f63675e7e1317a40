"""CPU time and size of every picture, against Matplotlib drawing the same two spectrograms.

``python -m benchmarks.pictures [--runs N]`` prints a table in Markdown, in a few seconds: the best
of several runs, in milliseconds of processor time, and the cost of the import in a new process.
Matplotlib is not a dependency: without it, its rows are left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from musrec.catalogue.model import GalleryRow
from musrec.evaluate.report import Cell, Report
from musrec.members.model import Portrait
from musrec.model import (
    Analysis,
    Closeness,
    Explanation,
    Harmony,
    Pick,
    Profile,
    Rhythm,
    SoundKind,
    Spectrogram,
    Term,
    Track,
    Trait,
)
from musrec.pictures import card, contributions
from musrec.pictures.comparisons import compare, gallery
from musrec.pictures.portraits import catalogue_map, taste

TRACK = Track("aaaaaaaaaa", "A Title as Long as Titles Often Are", ("An Artist",))
TERMS = tuple(Term(name, value, "a reason") for name, value in (("sound", 0.6), ("taste", -0.1)))
TRAITS = tuple(Trait("descriptor", name, 0.1) for name in ("brightness", "intensity", "mood"))


def heard(seed: int) -> Analysis:
    """Return noise that falls towards high frequencies as music does: hard to compress."""
    rng = np.random.default_rng(seed)
    slope = np.linspace(220, 40, 128)[:, None]
    mel = np.clip(slope + rng.normal(0, 22, (128, 640)), 0, 255).astype(np.uint8)
    return Analysis(
        version=1,
        digest="",
        seconds=30.0,
        kind=SoundKind.MUSIC,
        statistics=np.zeros(1000, dtype=np.float32),
        rhythm=Rhythm(120.0, 1.0, None, 1.0, tuple(np.arange(0.0, 30.0, 0.5).tolist())),
        harmony=Harmony("A", "minor", 1.0, 0.0),
        spectrogram=Spectrogram(
            mel=mel,
            chroma=rng.integers(0, 256, (12, 640), dtype=np.uint8),
            waveform=rng.integers(-100, 100, (2, 640)).astype(np.int8),
            seconds=30.0,
            fmin=0.0,
            fmax=11025.0,
        ),
    )


def with_matplotlib(one: Spectrogram, other: Spectrogram) -> bytes:
    """Draw two spectrograms with axes at the size of a card, and nothing else."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(2, 1, figsize=(8, 5.86), dpi=100, sharex=True)
    for panel, spectrogram in zip(panels, (one, other), strict=True):
        panel.imshow(
            spectrogram.mel, origin="lower", aspect="auto", cmap="magma", extent=(0, 30, 0, 128)
        )
        panel.set_title(TRACK.title)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    plt.close(figure)
    return buffer.getvalue()


def best(work: Callable[[], bytes], runs: int) -> tuple[float, int]:
    """Return the least processor time, in milliseconds, and the size in bytes."""
    size = len(work())
    times = []
    for _ in range(runs):
        start = time.process_time()
        work()
        times.append(1000 * (time.process_time() - start))
    return min(times), size


def imported(module: str) -> float:
    """Return the milliseconds of processor time that a new process takes to import `module`."""
    code = f"import time, {module}; print(time.process_time())"
    empty = "import time; print(time.process_time())"
    spent = [
        min(
            float(
                subprocess.run([sys.executable, "-c", text], capture_output=True, check=True).stdout
            )
            for _ in range(3)
        )
        for text in (code, empty)
    ]
    return 1000 * (spent[0] - spent[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    runs = parser.parse_args().runs

    one, other = heard(0), heard(1)
    assert one.spectrogram is not None
    assert other.spectrogram is not None
    spectrograms = one.spectrogram, other.spectrogram
    known = dict.fromkeys(("brightness", "noisiness", "intensity", "acoustic", "mood"), 60.0)
    profile = Profile(tags={"jazz": 0.5}, percentiles=known, tempo=120.0, key="A minor")
    pick = Pick(TRACK, 0.5, Closeness.CLOSE, TERMS, Explanation("", traits=TRAITS), profile)
    rng = np.random.default_rng(0)
    points = rng.normal(size=(5000, 2)).astype(np.float32)
    clusters = rng.integers(0, 8, 5000)
    row = GalleryRow("high", ((TRACK, one.spectrogram, "energy 90"),) * 4)
    works: dict[str, Callable[[], bytes]] = {
        "card, both heard": lambda: card(TRACK, one, profile, pick, other).png,
        "card, one heard": lambda: card(TRACK, one, profile, pick, None).png,
        "card, none heard": lambda: card(TRACK, None, profile, pick, None).png,
        "contributions": lambda: contributions(pick).png,
        "taste": lambda: taste(Portrait("A Member", 9, known, known, {"jazz": 1.0})).png,
        "map of 5,000 songs": lambda: (
            catalogue_map(points, clusters, list("abcdefgh"), clusters == 8).png
        ),
        "comparison": lambda: compare(TRACK, one, TRACK, other).png,
        "gallery, two rows of four": lambda: gallery("Gallery", [row, row]).png,
    }
    rows: list[tuple[Cell, ...]] = []
    baseline = None
    if importlib.util.find_spec("matplotlib"):
        baseline, size = best(lambda: with_matplotlib(*spectrograms), runs)
        rows.append(
            ("Matplotlib, two spectrograms", f"{baseline:.0f}", "1.0", f"{size / 1000:.0f}")
        )
    for name, work in works.items():
        spent, size = best(work, runs)
        ratio = f"{baseline / spent:.1f}" if baseline and "heard" in name else None
        rows.append((name, f"{spent:.0f}", ratio, f"{size / 1000:.0f}"))
    ours = imported("musrec.pictures")
    notes = [f"`import musrec.pictures`: {ours:.0f} ms of processor time"]
    if baseline:
        theirs = imported("matplotlib.pyplot")
        notes[0] += (
            f"; `import matplotlib.pyplot`: {theirs:.0f} ms, {theirs / ours:.1f} times as much"
        )
    print(
        Report(
            title="Pictures",
            protocol=(
                f"Best of {runs} runs in one process, milliseconds of processor time; "
                "noisy spectrograms of 128 x 640, which compress worse than music."
            ),
            columns=("picture", "ms", "times faster than Matplotlib", "kB"),
            rows=tuple(rows),
            notes=tuple(notes),
        ).markdown()
    )


if __name__ == "__main__":
    main()
