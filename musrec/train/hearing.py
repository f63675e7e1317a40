"""``musrec train hearing``: which octave of a tempo people count, and which key they hear.

Both are choices between candidates, learned as conditional logits: the usual tempo of a song from
its tags and statistics by ridge regression on all labelled clips, then the octave and the key from
the clips whose audio is at hand. Classical music counts less: its tempo drifts within a clip. How
sure to be is fitted to choices for clips whose artists the choice was not learned from.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import minimize

from musrec import audio
from musrec.audio import decode, features, harmony, rhythm, tagger
from musrec.audio.features import STATISTIC_NAMES
from musrec.audio.tagger import TAGS
from musrec.evaluate import tables
from musrec.model import PITCH_CLASSES, SAMPLE_RATE, NotFound, Rhythm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.model import FloatArray

    Float64Array = NDArray[np.float64]

TOLERANCE = 0.04
"""Of tempo, the usual one (F. Gouyon et al., IEEE TASLP 14(5), 2006)."""

_RIDGE, _CHOICE, _KEY = 300.0, 10.0, 0.1
"""Penalties on standardised weights."""

_LEAN = 0.75
"""How much of the learned lean to minor is kept: two thirds of the heard clips are in minor, which
is more than of all labelled ones, and with all of it plain chords in major are called minor."""

_EXCERPTS = (2.5, 5.0, 10.0)
"""Seconds of shorter pieces, in which the key is less sure."""

_INNER = 5
"""Folds in which artists are predicted from the others."""

_CLASSICAL = 0.3
"""How much a classical clip counts in the choice of the octave."""

Key = tuple[int, int]
"""Pitch class of the tonic, and 0 for major or 1 for minor."""


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A labelled clip; what is not known is None.

    `bar` is how many beats a bar has; `excerpts` are seconds and profile of shorter pieces.
    """

    name: str
    genre: str
    performer: str
    split: str
    seconds: float
    tempo: float | None
    key: Key | None
    beats: tuple[float, ...]
    bar: int | None
    statistics: FloatArray
    tag_mean: FloatArray | None
    bands: FloatArray | None = None
    candidates: rhythm.Candidates | None = None
    profile: Float64Array | None = None
    excerpts: tuple[tuple[float, Float64Array], ...] = ()
    onset: FloatArray | None = None
    chroma: FloatArray | None = None


class Model(NamedTuple):
    """What is learned: ``usual`` (mean, scale, weight per input), and the two choices."""

    columns: tuple[int, ...]
    mean: Float64Array
    scale: Float64Array
    weights: Float64Array
    intercept: float
    choice: rhythm.Choice
    key: harmony.Choice

    def usual(self, clip: Clip) -> float:
        """Return the usual tempo of songs that sound like a clip, in beats per minute."""
        z = np.nan_to_num((_inputs(clip, self.columns) - self.mean) / self.scale)
        return float(2.0 ** (self.intercept + np.clip(z, -3, 3) @ self.weights))

    def pulse(self, clip: Clip) -> Rhythm:
        """Return the rhythm of a clip with audio."""
        assert clip.bands is not None
        return rhythm.pulse(
            clip.bands,
            sr=SAMPLE_RATE,
            hop_length=features.HOP_LENGTH,
            usual=self.usual(clip),
            choice=self.choice,
        )


def read(folder: Path, *, heard: bool = True) -> list[Clip]:
    """Return the labelled clips of a folder like ``gtzan``, heard where there is audio.

    Raises
    ------
    NotFound
        There are no tables, or no annotations.
    """
    table = tables.load(folder)
    tempo = _labels(folder, "tempo.tsv", "bpm")
    keys = _labels(folder, "key_lerch.tsv", "key")
    beats = _labels(folder, "beats.tsv", "times")
    bars = _labels(folder, "beats.tsv", "positions")
    sounds = {file.stem: file for file in sorted(folder.glob("audio*/*.flac"))} if heard else {}
    tags = tagger.load() if sounds else None
    clips = []
    rows = zip(
        *(table.clips, table.genres, table.performers, table.splits),
        *(table.statistics, table.tag_mean),
        strict=True,
    )
    for name, genre, performer, split, statistics, tag_mean in rows:
        stated = {
            "name": str(name),
            "genre": str(genre),
            "performer": str(performer),
            "split": str(split),
            "tempo": float(tempo[name]) if tempo.get(name) else None,
            "key": _key(keys.get(name, "")),
            "beats": tuple(float(second) for second in beats.get(name, "").split()),
            "bar": max((int(place) for place in bars.get(name, "").split()), default=0) or None,
            "statistics": statistics,
            "tag_mean": tag_mean if np.isfinite(tag_mean).all() else None,
            "seconds": 0.0,
        }
        if name in sounds and tags is not None:
            y = decode.decode(sounds[name].read_bytes(), seconds=40).y
            spectra = features.spectra(y)
            bands = rhythm.onsets(spectra.mel)
            stated |= {
                "seconds": y.size / SAMPLE_RATE,
                "tag_mean": tags.tag(y).mean,
                "bands": bands,
                "candidates": rhythm.candidates(bands, SAMPLE_RATE / features.HOP_LENGTH),
                "profile": harmony.profile(y, sr=SAMPLE_RATE),
                "excerpts": tuple(_excerpts(y)),
                "onset": spectra.onset,
                "chroma": spectra.chroma.mean(axis=1),
            }
        clips.append(Clip(**stated))
    return clips


def _excerpts(y: FloatArray) -> Iterator[tuple[float, Float64Array]]:
    """Yield seconds and profile of pieces from the middle."""
    for seconds in _EXCERPTS:
        length = round(seconds * SAMPLE_RATE)
        begin = (y.size - length) // 2
        found = harmony.profile(y[begin : begin + length], sr=SAMPLE_RATE) if begin > 0 else None
        if found is not None:
            yield seconds, found


def fit(clips: Sequence[Clip]) -> Model:
    """Learn from labelled clips; nothing but these is looked at."""
    timed = [clip for clip in clips if clip.tempo is not None and clip.tag_mean is not None]
    finite = np.isfinite([clip.statistics for clip in timed]).all(axis=0)
    columns = tuple(int(column) for column in np.flatnonzero(finite))
    x = np.stack([_inputs(clip, columns) for clip in timed])
    y = np.log2([clip.tempo or 0.0 for clip in timed])
    performers = np.array([clip.performer for clip in timed])
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-9
    z = np.clip((x - mean) / scale, -3, 3)
    weights, intercept = _ridge(z, y)
    # The octave is learned beside usual tempi that were predicted, as they are for a new song.
    usual = {}
    folds = fold_of(performers.tolist(), _INNER, seed=0)
    for fold in range(_INNER):
        inside = np.array([folds[performer] == fold for performer in performers])
        some, constant = _ridge(z[~inside], y[~inside])
        for clip, row in zip(np.array(timed, dtype=object)[inside], z[inside], strict=True):
            usual[clip.name] = float(2.0 ** (constant + row @ some))
    octaves = [
        Question(
            clip.performer,
            rhythm.table(clip.candidates, usual[clip.name]),
            same_tempo(clip.candidates.tempi, clip.tempo),
            weight=_CLASSICAL if clip.genre == "classical" else 1.0,
            clarity=clip.candidates.clarity,
        )
        for clip in timed
        if clip.candidates is not None and clip.tempo is not None
    ]
    keys, brief = [], []
    for clip in clips:
        if clip.profile is not None and clip.key is not None:
            right = np.arange(24) == 12 * clip.key[1] + clip.key[0]
            keys.append(Question(clip.performer, harmony.evidence(clip.profile), right))
            brief += [
                Question(clip.performer, harmony.evidence(profile), right, seconds=seconds)
                for seconds, profile in clip.excerpts
            ]
    return Model(
        *(columns, mean, scale, weights, intercept),
        choice=_octave(octaves),
        key=_key_of(keys, brief),
    )


class Question(NamedTuple):
    """A choice between candidates: `table` (c, d), which are `right` (c,), how much it counts."""

    performer: str
    table: Float64Array
    right: NDArray[np.bool_]
    weight: float = 1.0
    clarity: float = 1.0
    seconds: float = harmony.LONG


def _octave(questions: Sequence[Question]) -> rhythm.Choice:
    """Learn how to choose a tempo, and how sure to be."""
    pulsing = [
        (one, logits - np.logaddexp.reduce(logits))
        for one, logits in _foreign(questions, questions, _CHOICE)
        if one.clarity > 0.0
    ]

    def loss(trust: Float64Array) -> float:
        sharpness, none, none_if_clear = trust
        total = 0.0
        for one, shares in pulsing:
            every = np.append(sharpness * shares, none + none_if_clear * one.clarity)
            right = np.append(one.right, not one.right.any())
            total += np.logaddexp.reduce(every) - np.logaddexp.reduce(every[right])
        return total

    trust = minimize(loss, np.array([1.0, 0.0, 0.0]), method="L-BFGS-B").x
    return rhythm.Choice(choose(questions, _CHOICE), *trust.tolist())


def _key_of(questions: Sequence[Question], brief: Sequence[Question]) -> harmony.Choice:
    """Learn how to choose a key, and how sure to be, also after a few seconds."""
    lean = np.array([1.0, 1.0, _LEAN])
    weights = choose(questions, _KEY) * lean
    told = []
    for one, logits in _foreign(questions, [*questions, *brief], _KEY, lean):
        best, odds = harmony.chosen(logits)
        told.append((1.0 if one.right[best] else -1.0, odds, one.seconds))

    def loss(trust: Float64Array) -> float:
        choice = harmony.Choice(weights, *trust.tolist())
        return sum(
            float(np.logaddexp(0.0, -sign * choice.log_odds(odds, seconds)))
            for sign, odds, seconds in told
        )

    trust = minimize(loss, np.array([0.0, 1.0, 0.0]), method="L-BFGS-B").x
    return harmony.Choice(weights, *trust.tolist())


def _foreign(
    questions: Sequence[Question],
    asked: Sequence[Question],
    penalty: float,
    lean: Float64Array | float = 1.0,
) -> list[tuple[Question, Float64Array]]:
    """Return each that is asked with logits (c,) learned from questions of other artists."""
    folds = fold_of([one.performer for one in questions], _INNER, seed=0)
    answered = []
    for fold in range(_INNER):
        weights = lean * choose([one for one in questions if folds[one.performer] != fold], penalty)
        held = [one for one in asked if folds[one.performer] == fold]
        answered += [(one, one.table @ weights) for one in held]
    return answered


def choose(questions: Sequence[Question], penalty: float) -> Float64Array:
    """Return the weights of a conditional logit, shape (d,).

    Parameters
    ----------
    questions : sequence of Question
        Those of which no candidate is right teach nothing.
    penalty : float
        Half of it times the squared norm of the standardised weights is added to the loss.
    """
    rows = [(one.table, one.right, one.weight) for one in questions if one.right.any()]
    scale = np.concatenate([table for table, _, _ in rows]).std(axis=0) + 1e-9

    def loss(weights: Float64Array) -> tuple[float, Float64Array]:
        total, slope = penalty * float(weights @ weights) / 2, penalty * weights
        for table, right, weight in rows:
            logits = table / scale @ weights
            shares = np.exp(logits - logits.max())
            shares /= shares.sum()
            good = float(shares[right].sum()) + 1e-12
            total -= weight * np.log(good)
            slope = slope - weight * ((shares * right / good - shares) @ (table / scale))
        return total, slope

    found = minimize(loss, np.zeros(scale.size), jac=True, method="L-BFGS-B")
    weights: Float64Array = found.x / scale
    return weights


def fold_of(performers: Sequence[str], folds: int, *, seed: int) -> dict[str, int]:
    """Return performer to fold, so that no performer is on both sides of a test."""
    names = sorted(set(performers))
    order = np.random.default_rng(seed).permutation(len(names))
    return {names[int(place)]: number % folds for number, place in enumerate(order)}


def same_tempo(tempi: Float64Array, tempo: float) -> NDArray[np.bool_]:
    """Return which tempi lie within `TOLERANCE` of a labelled one."""
    return np.asarray(np.abs(tempi / tempo - 1.0) <= TOLERANCE)


def write(data: Path) -> Path:
    """Learn from all labelled clips and write ``musrec/audio/hearing.json``."""
    model = fit(read(data / "gtzan"))
    names = (*TAGS, *(STATISTIC_NAMES[column] for column in model.columns))
    inputs = zip(names, model.mean, model.scale, model.weights, strict=True)
    learned = {
        "tempo": {
            "usual": {name: [_short(value) for value in values] for name, *values in inputs},
            "intercept": _short(model.intercept),
            "choice": [_short(value) for value in model.choice.weights],
            "trust": [_short(value) for value in model.choice[1:]],
        },
        "key": {
            "choice": [_short(value) for value in model.key.weights],
            "trust": [_short(value) for value in model.key[1:]],
        },
    }
    path = Path(audio.__path__[0]) / "hearing.json"
    path.write_text(json.dumps(learned, indent=1) + "\n", "utf-8")
    return path


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _ridge(z: Float64Array, y: Float64Array) -> tuple[Float64Array, float]:
    intercept = float(y.mean())
    gram = z.T @ z + _RIDGE * np.eye(z.shape[1])
    weights: Float64Array = np.asarray(np.linalg.solve(gram, z.T @ (y - intercept)), np.float64)
    return weights, intercept


def _inputs(clip: Clip, columns: Sequence[int]) -> Float64Array:
    tags = np.full(len(TAGS), np.nan) if clip.tag_mean is None else rhythm.log_tags(clip.tag_mean)
    return np.concatenate([tags, clip.statistics[list(columns)]])


def _labels(folder: Path, name: str, column: str) -> dict[str, str]:
    path = folder / "annotations" / name
    if not path.is_file():
        raise NotFound(f"There is no {path}.", "Name a folder with audio and annotations.")
    with path.open(encoding="utf-8", newline="") as lines:
        return {row["clip"]: row[column] for row in csv.DictReader(lines, delimiter="\t")}


def _key(label: str) -> Key | None:
    tonic, _, mode = label.partition(" ")
    if tonic not in PITCH_CLASSES or mode not in ("major", "minor"):
        return None
    return PITCH_CLASSES.index(tonic), int(mode == "minor")
