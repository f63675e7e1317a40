"""``musrec evaluate descriptors``: tempo, key and music-or-not on real music.

Few clips have a label, so most measures need none and test what holds for any song: both halves
have one tempo, and a song played a semitone faster is a semitone higher and 5.9% faster.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soxr

from musrec.audio import decode, features, harmony, kind, rhythm
from musrec.evaluate.metrics import bootstrap
from musrec.evaluate.report import Cell, Report
from musrec.model import PITCH_CLASSES, SAMPLE_RATE, NotFound, Rhythm, SoundKind

if TYPE_CHECKING:
    from musrec.audio.features import Spectra
    from musrec.model import FloatArray

_SEMITONE = 2 ** (1 / 12)

_TOLERANCE = 0.04
"""Of tempo, the usual one (F. Gouyon et al., IEEE TASLP 14(5), 2006)."""

_NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_TITLE = re.compile(r"\bin ([A-G])( flat| sharp)?( major| minor)?\b", re.IGNORECASE)

_KRUMHANSL = np.array(
    [
        [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88],
        [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17],
    ]
)
"""Krumhansl and Kessler (1982): the baseline, on librosa's chroma."""

_Key = tuple[int, int]
"""Pitch class of the tonic, and 0 for major or 1 for minor."""


@dataclass(frozen=True, slots=True, eq=False)
class _Heard:
    """One clip as heard by ours and by the baselines; `halves` are the tempi of each half."""

    halves: tuple[float, float]
    baseline_halves: tuple[float, float]
    key: _Key
    baseline_key: _Key
    faster: tuple[float, _Key]
    baseline_faster: tuple[float, _Key]
    tempo: float
    baseline_tempo: float
    kind: SoundKind
    title_key: _Key | None


def run(shared_data: Path) -> Report:
    """Measure rhythm, harmony and kind on all available music.

    Parameters
    ----------
    shared_data : Path
        Folder with ``music``, ``gtzan/audio`` and ``gtzan/clips.csv``.

    Raises
    ------
    NotFound
        There is no music.
    """
    clips = _clips(shared_data)
    pulsing = [clip for clip in clips if min(clip.halves) > 0]
    both = [clip for clip in clips if clip.tempo > 0 and clip.faster[0] > 0]
    titled = [clip for clip in clips if clip.title_key is not None]
    rows: list[tuple[Cell, ...]] = [
        _row(
            "both halves have one tempo",
            [_same_tempo(*clip.halves) for clip in pulsing],
            [_same_tempo(*clip.baseline_halves) for clip in pulsing],
        ),
        _row(
            "the same, octaves apart allowed",
            [_same_tempo(*clip.halves, octaves=True) for clip in pulsing],
            [_same_tempo(*clip.baseline_halves, octaves=True) for clip in pulsing],
        ),
        _row(
            "tempo follows the speed",
            [_same_tempo(clip.tempo * _SEMITONE, clip.faster[0]) for clip in both],
            [
                _same_tempo(clip.baseline_tempo * _SEMITONE, clip.baseline_faster[0])
                for clip in both
            ],
        ),
        _row(
            "key follows the pitch",
            [_raised(clip.key) == clip.faster[1] for clip in clips],
            [_raised(clip.baseline_key) == clip.baseline_faster[1] for clip in clips],
        ),
        _row(
            "key in the title, exact",
            [clip.key == clip.title_key for clip in titled],
            [clip.baseline_key == clip.title_key for clip in titled],
        ),
        _row(
            "key in the title, or its relative or a fifth away",
            [_related(clip.key, clip.title_key) for clip in titled],
            [_related(clip.baseline_key, clip.title_key) for clip in titled],
        ),
        _row("music is called music", [clip.kind is SoundKind.MUSIC for clip in clips], None),
    ]
    return Report(
        title="Tempo, key and music or not",
        protocol=(
            f"{len(clips)} excerpts of real music, up to 30 s each. Tempi within 4% are the same."
            " Speed and pitch: resampled one semitone up. Baselines: the tempo of librosa 0.11, and"
            " Krumhansl's key profiles on librosa's chroma, averaged over time. Intervals are a 95%"
            " bootstrap over clips."
        ),
        columns=("measure", "clips", "ours", "95% CI", "baseline", "95% CI (baseline)"),
        rows=tuple(rows),
        notes=(
            "Tempo is compared on clips in which ours hears a pulse, without tags or statistics.",
            "A title names the key of a whole work; an excerpt from its middle may be in another.",
            "The weights of the key profiles were learned with some of these clips.",
        ),
    )


def _clips(shared_data: Path) -> list[_Heard]:
    keys = _title_keys(shared_data / "gtzan" / "clips.csv")
    folders = (shared_data / "music", shared_data / "gtzan" / "audio")
    paths = sorted(
        path
        for folder in folders
        if folder.is_dir()
        for path in folder.iterdir()
        if path.suffix != ".csv"
    )
    if not paths:
        raise NotFound(f"There is no music in {shared_data}.", "Name the folder that holds it.")
    return [_hear(decode.decode(path.read_bytes()).y, keys.get(path.stem)) for path in paths]


def _hear(y: FloatArray, title_key: _Key | None) -> _Heard:
    spectra = features.spectra(y)
    faster = soxr.resample(y, SAMPLE_RATE * _SEMITONE, SAMPLE_RATE).astype(np.float32)
    spectra_faster = features.spectra(faster)
    middle = spectra.onset.size // 2
    halves = spectra.onset[:middle], spectra.onset[middle:]
    onsets = rhythm.onsets(spectra.mel)
    pulse = _pulse(onsets)
    return _Heard(
        halves=(_pulse(onsets[:, :middle]).tempo, _pulse(onsets[:, middle:]).tempo),
        baseline_halves=(features.tempo(halves[0]), features.tempo(halves[1])),
        key=_key(y),
        baseline_key=_krumhansl(spectra),
        faster=(_pulse(rhythm.onsets(spectra_faster.mel)).tempo, _key(faster)),
        baseline_faster=(features.tempo(spectra_faster.onset), _krumhansl(spectra_faster)),
        tempo=pulse.tempo,
        baseline_tempo=features.tempo(spectra.onset),
        kind=kind.classify(spectra, rhythm=pulse),
        title_key=title_key,
    )


def _pulse(onsets: FloatArray) -> Rhythm:
    return rhythm.pulse(onsets, sr=SAMPLE_RATE, hop_length=features.HOP_LENGTH)


def _key(y: FloatArray) -> _Key:
    heard = harmony.key(y, sr=SAMPLE_RATE)
    if heard is None:
        return (-1, -1)
    return PITCH_CLASSES.index(heard.key), ("major", "minor").index(heard.mode)


def _krumhansl(spectra: Spectra) -> _Key:
    return krumhansl(spectra.chroma.mean(axis=1))


def krumhansl(chroma: FloatArray) -> _Key:
    """Return the key whose profile correlates most with a chroma (12,), the baseline."""
    keys = [np.roll(profile, tonic) for profile in _KRUMHANSL for tonic in range(12)]
    mode, tonic = divmod(int(np.argmax([np.corrcoef(chroma, key)[0, 1] for key in keys])), 12)
    return tonic, mode


def _same_tempo(one: float, other: float, *, octaves: bool = False) -> bool:
    distance = float(np.log2(one / other))
    if octaves:
        distance -= round(distance)
    return bool(abs(distance) < np.log2(1 + _TOLERANCE))


def _raised(key: _Key) -> _Key:
    return (key[0] + 1) % 12, key[1]


def _related(key: _Key, title: _Key | None) -> bool:
    if title is None:
        return False
    tonic, mode = title
    relative = ((tonic + (3 if mode else 9)) % 12, 1 - mode)
    return key in {title, relative, ((tonic + 7) % 12, mode), ((tonic + 5) % 12, mode)}


def _title_keys(path: Path) -> dict[str, _Key]:
    """Return the keys in titles of classical works, by clip; major unless the title says minor."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["genre"] == "classical"]
    keys = {}
    for row in rows:
        if stated := _TITLE.search(row["title"]):
            letter, accidental, mode = ((part or "").strip().lower() for part in stated.groups())
            shift = {"flat": -1, "sharp": 1}.get(accidental, 0)
            keys[row["clip"]] = ((_NATURALS[letter.upper()] + shift) % 12, int(mode == "minor"))
    return keys


def _row(name: str, ours: list[bool], baseline: list[bool] | None) -> tuple[Cell, ...]:
    if not ours:
        return name, 0, None, None, None, None
    cells: list[Cell] = [name, len(ours)]
    for values in (ours, baseline):
        if values is None:
            cells += [None, None]
        else:
            low, high = bootstrap(np.array(values, dtype=np.float64))
            cells += [float(np.mean(values)), f"{low:.2f} to {high:.2f}"]
    return tuple(cells)
