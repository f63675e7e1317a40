"""CPU time of rhythm, key, loudness, kind and descriptors, against librosa's beat tracker.

``OMP_NUM_THREADS=1 python -m benchmarks.descriptors [CLIP] [--runs N]`` prints a table in Markdown:
the least of several runs, in milliseconds of processor time.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

from musrec.audio import decode, descriptors, features, harmony, kind, rhythm
from musrec.evaluate.report import Report
from musrec.model import SAMPLE_RATE, Rhythm

ROOT = Path(__file__).resolve().parents[1]
CLIP = "fairy-bot-orchestra--heaven-can-t-wait.mp3"


def cost(work: Callable[[], object], runs: int) -> float:
    """Return the least milliseconds of processor time, after one run that compiles."""
    work()
    times = []
    for _ in range(runs):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1e3 * min(times)


def main() -> None:
    from librosa.beat import beat_track

    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    folder = os.environ.get("MUSREC_SHARED_DATA", str(ROOT.parent / "shared" / "data"))
    parser.add_argument("clip", type=Path, nargs="?", default=Path(folder, "music", CLIP))
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    y = decode.decode(arguments.clip.read_bytes()).y
    spectra = features.spectra(y)
    statistics = features.statistics(spectra)

    def pulse() -> Rhythm:
        return rhythm.pulse(
            rhythm.onsets(spectra.mel), sr=SAMPLE_RATE, hop_length=features.HOP_LENGTH
        )

    heard = pulse()
    parts: dict[str, Callable[[], object]] = {
        "tempo and beats": pulse,
        "key and tuning": lambda: harmony.key(y, sr=SAMPLE_RATE),
        "loudness": lambda: descriptors.loudness(y, SAMPLE_RATE),
        "music or not": lambda: kind.classify(spectra, rhythm=heard),
        "descriptors and percentiles": lambda: descriptors.percentiles(
            descriptors.describe(statistics, rhythm=heard, loudness=-12.0)
        ),
    }
    baseline = cost(lambda: beat_track(onset_envelope=spectra.onset), arguments.runs)
    costs = {name: cost(work, arguments.runs) for name, work in parts.items()}
    rows = [
        ("librosa.beat.beat_track on the same onsets (baseline)", baseline),
        (
            "the transform and the series that all of them share",
            cost(lambda: features.spectra(y), arguments.runs),
        ),
        *costs.items(),
        ("**all five**", sum(costs.values())),
    ]
    print(
        Report(
            "Descriptors",
            f"{y.size / SAMPLE_RATE:.0f} s of {arguments.clip.name}.",
            ("step", "CPU ms", "times the baseline"),
            tuple((name, f"{ms:.1f}", f"{ms / baseline:.2f}") for name, ms in rows),
        ).markdown()
    )


if __name__ == "__main__":
    main()
