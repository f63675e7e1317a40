"""``musrec train parts``: how much rhythm and harmony count beside the vector.

Each part gets the weight at which what it adds to the likeness of two songs deviates `SHARE` as
much as the cosine of their vectors: enough that a shared tempo or key is never without effect, too
little to overrule the vector. Rhythm and harmony are those heard in the training clips whose audio
is at hand, and the cosine is that of all training clips. No genre, artist or annotation has a say;
``musrec evaluate parts`` checks against them that retrieval does not suffer.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musrec.audio import decode, features, harmony, rhythm
from musrec.evaluate.report import Report
from musrec.model import SAMPLE_RATE, NotFound
from musrec.recommend.taste import l2_normalise
from musrec.space import Space, parts, place
from musrec.train.space import matrix, training_clips

if TYPE_CHECKING:
    from musrec.evaluate.tables import Tables
    from musrec.model import FloatArray

OUT = Path(parts.__file__).with_name(parts.FILE)

SHARE = 0.05
"""Of the deviation of the cosine. Decided, not fitted."""


def heard(folder: Path, clips: Tables) -> dict[str, FloatArray]:
    """Return the facets ``rhythm`` and ``harmony`` of the clips that have audio.

    Parameters
    ----------
    folder : Path
        With folders ``audio*`` that hold clips as ``NAME.flac``.
    clips : Tables
        Those that count; other files are ignored.

    Returns
    -------
    dict of str to FloatArray, shape (m, d_facet)
        Clips without a pulse, or without a key, are left out.

    Raises
    ------
    NotFound
        Fewer than two clips have a pulse, or a key.
    """
    names = set(clips.clips.tolist())
    found: dict[str, list[FloatArray]] = {name: [] for name in parts.NAMES}
    for file in sorted(file for file in folder.glob("audio*/*.flac") if file.stem in names):
        y = decode.decode(file.read_bytes()).y
        spectra = features.spectra(y)
        statistics = features.statistics(spectra)
        pulse = rhythm.pulse(
            rhythm.onsets(spectra.mel),
            sr=SAMPLE_RATE,
            hop_length=features.HOP_LENGTH,
            usual=rhythm.usual_tempo(statistics),
        )
        found["rhythm"].append(place.rhythm(pulse, statistics))
        found["harmony"].append(place.harmony(harmony.key(y, sr=SAMPLE_RATE), statistics))
    known = {
        name: [facet for facet in facets if np.isfinite(facet).all()]
        for name, facets in found.items()
    }
    if any(len(facets) < 2 for facets in known.values()):
        raise NotFound(
            f"Too few training clips in {folder} have audio with a pulse and a key.",
            "Name a folder with their audio.",
        )
    return {name: np.stack(facets) for name, facets in known.items()}


def deviation(rows: FloatArray) -> float:
    """Return the standard deviation of the cosines of all pairs of rows (n, d)."""
    unit = l2_normalise(rows)
    return float((unit @ unit.T)[np.triu_indices(len(unit), 1)].std())


def train(folder: Path, out: Path = OUT) -> Report:
    """Set the weights by a folder of tables with audio, write them, and report.

    Parameters
    ----------
    folder : Path
        Tables as `musrec.evaluate.tables` reads them, with a split ``train``, and folders
        ``audio*`` with some of the clips.
    """
    clips = training_clips(folder)
    facets = heard(folder, clips)
    cosine = deviation(Space.load("full").project(matrix("full", clips)))
    own = {name: deviation(rows) for name, rows in facets.items()}
    weights = {name: round(SHARE * cosine / each, 2) for name, each in own.items()}
    made = (
        f"musrec train parts: {len(clips)} training clips of {folder.name}, "
        + " and ".join(f"{name} as heard in {len(rows)}" for name, rows in facets.items())
        + f"; each part deviates {SHARE} as much as the cosine"
    )
    out.write_text(json.dumps({"made": made, "weights": weights}, indent=2) + "\n", "utf-8")
    return Report(
        title="Weights of rhythm and harmony",
        protocol=f"{made}. Deviations are those of the cosines of all pairs of clips.",
        columns=("part", "clips", "deviation", "deviation of the vectors", "weight"),
        rows=tuple(
            (name, len(facets[name]), each, cosine, weights[name]) for name, each in own.items()
        ),
    )
