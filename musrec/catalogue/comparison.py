"""Two songs, feature by feature."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from musrec import wording
from musrec.audio.descriptors import DEFINITIONS, TAG_KINDS
from musrec.audio.features import STATISTIC_NAMES
from musrec.audio.tagger import TAGS
from musrec.catalogue.atlas import percentiles
from musrec.catalogue.model import Comparison, Difference, Feature
from musrec.columns import Profiles
from musrec.model import Analysis, Catalogue, Heard, Place, Profile
from musrec.recommend import closeness
from musrec.recommend.taste import l2_normalise
from musrec.space import inputs
from musrec.space.index import FINE_SHARE

if TYPE_CHECKING:
    from musrec.model import FloatArray
    from musrec.space import Space


def compare(space: Space, catalogue: Catalogue, ours: Heard, theirs: Heard) -> Comparison:
    """Compare two songs in every feature that was measured."""
    because = _because(space, ours, theirs)
    apart = _apart(catalogue, (ours.place, ours.profile), (theirs.place, theirs.profile))
    pair = ((ours.analysis, ours.profile), (theirs.analysis, theirs.profile))
    return Comparison(
        alike=_alike(ours.place, theirs.place),
        closeness=closeness.shipped(space.name).word(
            _cosine(ours.place.vector, theirs.place.vector)
        ),
        because=tuple(because),
        differences=tuple(_differences(catalogue, *pair, apart)),
        features=tuple(_features(catalogue, *pair, apart)),
    )


def _alike(ours: Place, theirs: Place) -> float:
    cosine = _cosine(ours.vector, theirs.vector)
    fine = _fine(ours, theirs)
    return cosine if fine is None else (1 - FINE_SHARE) * cosine + FINE_SHARE * float(np.dot(*fine))


def _cosine(one: FloatArray, other: FloatArray) -> float:
    rows = l2_normalise(np.stack([one, other]))
    return float(rows[0] @ rows[1])


def _fine(ours: Place, theirs: Place) -> tuple[FloatArray, FloatArray] | None:
    """Return both fine embeddings, of length 1, where both songs have one."""
    one, other = ours.fine, theirs.fine
    if one is None or other is None or not (np.isfinite(one).all() and np.isfinite(other).all()):
        return None
    return one, other


def _because(space: Space, ours: Heard, theirs: Heard) -> list[tuple[str, float]]:
    """Return what each feature adds to the likeness of two songs.

    A vector is linear in the standardised features, so its product with another is an exact sum
    over them: half from our features against their vector, half the other way round. A fine
    embedding has two parts, each counting as a whole: what they are made of is in the vector too.
    """
    rows, vectors = [], []
    for song in (ours, theirs):
        tags = None if song.analysis.tag_mean is None else song.analysis.tag_mean[None]
        matrix = inputs.matrix(space.name, song.analysis.statistics[None], tags)
        rows.append(inputs.standardised(matrix, space.mean, space.scale)[0])
        vectors.append(song.place.vector.astype(np.float64))
    lengths = float(np.linalg.norm(vectors[0]) * np.linalg.norm(vectors[1]))
    if not lengths:
        return []
    sums: dict[str, float] = {}
    share, fine = 1.0, _fine(ours.place, theirs.place)
    if space.fine is not None and fine is not None:
        share, width = 1 - FINE_SHARE, space.fine.embedding.shape[1]
        products = FINE_SHARE * fine[0] * fine[1]
        hearing = "tagger" if space.encoder is None else "encoder"
        sums[f"what the {hearing} hears"] = float(products[:width].sum())
        sums["fine timbre"] = float(products[width:].sum())
    parts = rows[0] * (space.projection @ vectors[1]) + rows[1] * (space.projection @ vectors[0])
    parts *= share / (2 * lengths)
    for name, part in zip(inputs.names(space.name), parts, strict=True):
        label = _label(name)
        sums[label] = sums.get(label, 0.0) + float(part)
    return sorted(sums.items(), key=lambda item: -item[1])


def _label(column: str) -> str:
    """Return the feature that a column of the space belongs to, for people."""
    if column.startswith("tag_"):
        return f"the tag “{TAGS[int(column.rpartition('_')[2])]}”"
    if column.startswith("tonnetz_"):
        return "harmony (tonnetz)"
    series = column.rpartition("_")[0]
    return _SERIES.get(series, "timbre (MFCC)" if series.startswith("mfcc") else series)


_SERIES = {
    "spectral_centroid": "spectral centroid",
    "spectral_flatness": "spectral flatness",
    "spectral_rolloff": "spectral roll-off",
}


_SHOWN = {
    "spectral_rolloff_mean": ("spectral roll-off", "Hz"),
    "spectral_bandwidth_mean": ("spectral bandwidth", "Hz"),
    "zero_crossing_rate_mean": ("zero crossings", "%"),
    "spectral_contrast_3_mean": ("spectral contrast, mids", "dB"),
    "rms_mean": ("level (RMS)", ""),
    "onset_strength_mean": ("onset strength", ""),
}
"""Statistics worth a line of their own beside the descriptors."""


def _apart(
    catalogue: Catalogue, ours: tuple[Place, Profile], theirs: tuple[Place, Profile]
) -> dict[str, float]:
    """Return how far apart two songs are in statistics and tags, in deviations of the catalogue."""
    whole = catalogue.facets["timbre"]
    known = whole[np.isfinite(whole).all(axis=1)]
    # The facet comes in deviations of the training population: a single song has no other.
    spread = known.std(axis=0) if len(known) > 1 else np.ones(len(inputs.STATISTICS), np.float32)
    steps = np.abs(ours[0].facets["timbre"] - theirs[0].facets["timbre"])
    steps = steps / np.where(spread > 0, spread, 1)
    found = {
        name: float(step)
        for name, step in zip(inputs.STATISTICS, steps, strict=True)
        if math.isfinite(step)
    }
    for tag, share in ours[1].tags.items():
        if tag in theirs[1].tags:
            shares = Profiles.of(catalogue.profiles).tag(tag)
            shares = shares[np.isfinite(shares)].astype(np.float64)
            deviation = float(np.std(shares)) if len(shares) else 0.0
            found[tag] = abs(share - theirs[1].tags[tag]) / max(deviation, 0.01)
    return found


def _differences(
    catalogue: Catalogue,
    ours: tuple[Analysis, Profile],
    theirs: tuple[Analysis, Profile],
    apart: Mapping[str, float],
) -> list[Difference]:
    found = []
    pairs = (ours[0].descriptors, theirs[0].descriptors)
    for name, definition in DEFINITIONS.items():
        step = _descriptor_step(catalogue, name, ours[1], theirs[1])
        if step is None or name not in pairs[0] or name not in pairs[1]:
            continue
        one, other = (
            _written(values[name], profile.percentiles[name], definition.unit)
            for values, profile in zip(pairs, (ours[1], theirs[1]), strict=True)
        )
        found.append(Difference(name, one, other, step))
    statistics = [analysis.statistics for analysis, _ in (ours, theirs)]
    for column, (label, unit_) in _SHOWN.items():
        values = [float(row[STATISTIC_NAMES.index(column)]) for row in statistics]
        if column in apart and all(map(math.isfinite, values)):
            one, other = (_number(value, unit_) for value in values)
            found.append(Difference(label, one, other, apart[column]))
    for tag, step in apart.items():
        if tag in TAG_KINDS and tag in ours[1].tags and tag in theirs[1].tags:
            shares = ours[1].tags[tag], theirs[1].tags[tag]
            if max(shares) >= 0.1:
                found.append(
                    Difference(f"tagged {tag}", f"{shares[0]:.0%}", f"{shares[1]:.0%}", step)
                )
    if ours[1].key and theirs[1].key:
        steps = key_steps(ours[1].key, theirs[1].key)
        found.append(Difference("key", ours[1].key, theirs[1].key, steps / _KEY_SPREAD))
    return found


def _descriptor_step(
    catalogue: Catalogue, name: str, ours: Profile, theirs: Profile
) -> float | None:
    if name not in ours.percentiles or name not in theirs.percentiles:
        return None
    values = percentiles(Profiles.of(catalogue.profiles), name)
    values = values[np.isfinite(values)]
    spread = float(values.std()) if len(values) > 1 else 0.0
    # Percentiles of the reference population are even from 0 to 100.
    return abs(ours.percentiles[name] - theirs.percentiles[name]) / (spread or 100 / math.sqrt(12))


def _written(value: float, place: float, unit_: str) -> str:
    if unit_ in ("Hz", "dB", "LUFS"):
        return _number(value, unit_)
    return wording.tempo(value) if unit_ == "beats per minute" else f"{place:.0f} of 100"


def _number(value: float, unit_: str) -> str:
    if unit_ == "%":
        return f"{value:.1%}"
    if unit_ == "Hz":
        return f"{value:,.0f}\u00a0Hz"
    said = f"{value:.1f}\u00a0{unit_}" if unit_ else f"{value:.2f}"
    return said.replace("-", "−")


_FIFTHS = ("C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "D#", "A#", "F")


_KEY_SPREAD = 1.8
"""Deviation of the steps between two keys drawn evenly from the circle of fifths."""


def key_steps(one: str, other: str) -> int:
    """Return how many fifths lie between two keys, 0 to 6; a minor key stands at its major.

    Parameters
    ----------
    one, other : str
        Such as ``"A minor"``.
    """
    places = []
    for key in (one, other):
        tonic, mode = key.split()
        places.append(_FIFTHS.index(tonic) - (3 if mode == "minor" else 0))
    steps = (places[0] - places[1]) % 12
    return min(steps, 12 - steps)


def _features(
    catalogue: Catalogue,
    ours: tuple[Analysis, Profile],
    theirs: tuple[Analysis, Profile],
    apart: Mapping[str, float],
) -> list[Feature]:
    found = []
    for name in DEFINITIONS:
        values = [analysis.descriptors.get(name) for analysis, _ in (ours, theirs)]
        step = _descriptor_step(catalogue, name, ours[1], theirs[1])
        found.append(Feature(name, values[0], values[1], step))
    for tag in TAG_KINDS:
        shares = [profile.tags.get(tag) for _, profile in (ours, theirs)]
        found.append(Feature(f"tag: {tag}", shares[0], shares[1], apart.get(tag)))
    for column, name in enumerate(STATISTIC_NAMES):
        numbers = [float(analysis.statistics[column]) for analysis, _ in (ours, theirs)]
        one, other = (value if math.isfinite(value) else None for value in numbers)
        found.append(Feature(name, one, other, apart.get(name)))
    return [one for one in found if one.ours is not None or one.theirs is not None]
