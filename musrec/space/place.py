"""From an `Analysis` to a `Place`: one learned vector, and facets that a member may weigh.

The vector has two halves. The first tells genres apart (shrinkage linear discriminants, cosine);
the second keeps together what else sounds alike, such as two songs of one artist (principal
components, half whitened). How much the second counts was chosen by cross-validation; the model
cards beside the shipped numbers say how, on what data and with what result.

Songs that were heard here, rather than known from a table, also have a fine embedding: the tagger's
embedding and more of the statistics, which tell songs of one genre, artist or recording apart.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from musrec import archives
from musrec.audio.features import N_CHROMA, STATISTIC_NAMES
from musrec.model import PITCH_CLASSES, ModelMissing, Place, Places
from musrec.space import inputs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from musrec.audio.encoder import Encoder
    from musrec.model import Analysis, FloatArray, Harmony, Rhythm
    from musrec.space.inputs import DoubleArray

FORMAT = 1
"""Of the shipped files; raised by one when their arrays change meaning."""

FACETS = {"timbre": len(inputs.STATISTICS), "rhythm": 10, "harmony": 19, "tags": inputs.N_TAGS}
"""Facet to its length.

timbre
    The statistics of `musrec.space.inputs`, standardised to the training population.
rhythm
    Tempo (`TEMPO`: its place within the octave on a circle, and half octaves from 120 BPM),
    steadiness, onset strength (mean, deviation).
harmony
    Share of each pitch class counted from the tonic, the mode, and the key: the place of its
    relative major on the circle of fifths.
tags
    Tag means, standardised to the training population.

Rhythm and harmony of the training population are not known, so these two are scaled by round
numbers: typical values of 30 s previews lie in -2 to 2.
"""

HARMONICS = 3
"""Of a place on a circle. With three, songs a sixteenth of a turn apart are hardly alike any more:
a tempo 5% faster. A fifth (a twelfth of a turn) still counts half as much as the same key. Averaged
over the circle, the likeness is 0: the same as for a song whose place is not known."""

TEMPO = slice(0, 2 * HARMONICS + 1)
"""Columns of ``rhythm`` that follow from the tempo."""
STEADINESS, ONSET = TEMPO.stop, slice(TEMPO.stop + 1, TEMPO.stop + 3)
"""Columns of ``rhythm`` for the other two."""

_TEMPO_LENGTH, _KEY_LENGTH = 2.0, 3.5
"""Of the two circles: the typical length of the rest of their facets."""

N_EMBEDDING = 200
"""Units of the tagger's last layer before the tags."""

ENOUGH_VECTORS = 30
"""Of an encoder, to say how they spread."""

_CHROMA = [STATISTIC_NAMES.index(f"chroma_{i}_mean") for i in range(N_CHROMA)]
_ONSET = [STATISTIC_NAMES.index(f"onset_strength_{moment}") for moment in ("mean", "std")]


@dataclass(frozen=True, slots=True, eq=False)
class FineEmbedding:
    """What maps a song to its fine embedding: two linear maps, learned without labels.

    Attributes
    ----------
    embedding : array, shape (m, a)
        For the tagger's embedding, m = 200, or the vector of an encoder: main directions, half
        whitened.
    statistics : array, shape (len(inputs.STATISTICS), b)
        For the standardised statistics: principal components, half whitened.
    offset : array, shape (b,)
        Added to what `statistics` gives.
    centre : array, shape (m,), or 0
        Taken away from what enters `embedding`.
    """

    embedding: DoubleArray
    statistics: DoubleArray
    offset: DoubleArray
    centre: DoubleArray | float = 0.0

    def project(self, embeddings: FloatArray, z: DoubleArray) -> FloatArray:
        """Return fine embeddings (n, a + b) of embeddings (n, m) and standardised statistics.

        Both parts have the same length, the whole has length 1; NaN in rows whose embedding is NaN.
        """
        embedded = (embeddings.astype(np.float64) - self.centre) @ self.embedding
        parts = (embedded, z @ self.statistics + self.offset)
        whole = np.concatenate([_unit(part) for part in parts], axis=1) / math.sqrt(len(parts))
        whole[~np.isfinite(embeddings).all(axis=1)] = np.nan
        return whole.astype(np.float32)


def half_whitening(vectors: FloatArray, width: int) -> tuple[DoubleArray, DoubleArray]:
    """Return the centre (m,) of vectors (n, m) and their half-whitened main directions (m, a).

    Nothing is moved or turned by fewer vectors than `ENOUGH_VECTORS`.
    """
    if len(vectors) < ENOUGH_VECTORS:
        return np.zeros(width), np.eye(width)
    wide = vectors.astype(np.float64)
    centre = wide.mean(axis=0)
    _, values, directions = np.linalg.svd(wide - centre, full_matrices=False)
    kept = values > 1e-3 * max(values[0], np.finfo(np.float32).tiny)
    if not kept.any():
        return np.zeros(width), np.eye(width)
    return centre, directions[kept].T / np.sqrt(values[kept] / math.sqrt(len(vectors)))


def _unit(x: DoubleArray) -> DoubleArray:
    length = np.linalg.norm(x, axis=1, keepdims=True)
    scaled: DoubleArray = x / np.maximum(length, np.finfo(np.float32).tiny)
    return scaled


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """A learned space.

    Attributes
    ----------
    name : str
        ``"full"`` (tags and statistics) or ``"statistics"``.
    mean, scale : array, shape (F,)
        Of each column of `inputs.matrix` over the training population.
    projection : array, shape (F, d)
    offset : array, shape (d,)
    made : mapping
        How, from what and when it was made.
    fine : FineEmbedding or None
        None in the space without the tagger.
    encoder : Encoder or None
        Of the owner's own: in the fine embedding its vectors stand in place of the tagger's.
    """

    name: inputs.Name
    mean: DoubleArray
    scale: DoubleArray
    projection: DoubleArray
    offset: DoubleArray
    made: Mapping[str, Any]
    fine: FineEmbedding | None = None
    encoder: Encoder | None = None

    @staticmethod
    @cache
    def load(name: inputs.Name) -> Space:
        """Return a space that came with the package.

        Raises
        ------
        ModelMissing
            Its file is absent, damaged or of another version.
        """
        arrays, made = shipped(f"models/space-{name}.npz")
        if made["columns"] != list(inputs.names(name)):
            raise ModelMissing(f"The {name} space was made from other statistics.", REINSTALL)
        parts = {key: arrays[key] for key in ("mean", "scale", "projection", "offset")}
        fine = None
        if "fine_embedding" in arrays:
            fine = FineEmbedding(
                *(arrays[f"fine_{field}"] for field in ("embedding", "statistics", "offset"))
            )
        return Space(name=name, made=made, fine=fine, **parts)

    def hearing_with(self, encoder: Encoder, found: Sequence[FloatArray]) -> Space:
        """Return this space with the vectors of an encoder in the fine embedding.

        Networks give vectors that all point about the same way, which makes hubs. So they are
        centred (I. Suzuki et al., "Centering similarity measures to reduce hubs", EMNLP 2013) and
        half whitened by those `found` in songs so far; mutual proximity
        (`musrec.space.index`) then corrects what is left.
        """
        known = [vector for vector in found if vector.shape == (encoder.dimensions,)]
        centre, embedding = half_whitening(np.array(known), encoder.dimensions)
        other = self.fine or Space.load("full").fine
        assert other is not None
        fine = replace(other, embedding=embedding, centre=centre)
        return replace(self, fine=fine, encoder=encoder)

    def embedding_of(self, analysis: Analysis) -> FloatArray:
        """Return what enters the fine embedding of a song; NaN where it is not known."""
        if self.encoder is not None:
            found, length = self.encoder.vector_of(analysis), self.encoder.dimensions
        else:
            found, length = analysis.embedding, N_EMBEDDING
        return np.full(length, np.nan, dtype=np.float32) if found is None else found

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return int(self.projection.shape[1])

    def place(self, analysis: Analysis) -> Place:
        """Return where a song stands.

        Raises
        ------
        ValueError
            In the full space, for an analysis without tags.
        """
        found = self.places([analysis])
        facets = {name: rows[0] for name, rows in found.facets.items()}
        return Place(found.vectors[0], facets, None if found.fine is None else found.fine[0])

    def places(self, analyses: Sequence[Analysis]) -> Places:
        """Return where many songs stand, about a hundred times as fast as one by one.

        Raises
        ------
        ValueError
            In the full space, for an analysis without tags.
        """
        parts = [self._places(analyses[at : at + _AT_ONCE]) for at in _starts(len(analyses))]
        return Places(
            np.concatenate([part.vectors for part in parts]),
            {name: np.concatenate([part.facets[name] for part in parts]) for name in FACETS},
            None
            if self.fine is None
            else np.concatenate([part.fine for part in parts if part.fine is not None]),
        )

    def _places(self, analyses: Sequence[Analysis]) -> Places:
        n = len(analyses)
        statistics = np.empty((n, len(STATISTIC_NAMES)), np.float32)
        length = N_EMBEDDING if self.encoder is None else self.encoder.dimensions
        embeddings = np.empty((n, length), np.float32)
        tags = np.full((n, inputs.N_TAGS), np.nan, np.float32)
        for row, analysis in enumerate(analyses):
            statistics[row] = analysis.statistics
            embeddings[row] = self.embedding_of(analysis)
            if analysis.tag_mean is not None:
                tags[row] = analysis.tag_mean
            elif self.name == "full":
                raise ValueError("the full space needs tags")
        return Places(
            self.place_all(statistics, tags),
            self._facets(analyses, statistics, tags),
            self.fine_all(statistics, embeddings),
        )

    def place_all(self, statistics: FloatArray, tag_mean: FloatArray | None = None) -> FloatArray:
        """Return the vectors of many songs.

        Parameters
        ----------
        statistics : FloatArray, shape (n, len(STATISTIC_NAMES))
            NaN is taken as the training population's mean.
        tag_mean : FloatArray, shape (n, 50)
            Needed in the full space, ignored in the other.

        Returns
        -------
        FloatArray, shape (n, dimensions)
        """
        return self.project(inputs.matrix(self.name, statistics, tag_mean))

    def fine_all(self, statistics: FloatArray, embeddings: FloatArray) -> FloatArray | None:
        """Return the fine embeddings of many songs, or None in a space without the tagger.

        Parameters
        ----------
        statistics : FloatArray, shape (n, len(STATISTIC_NAMES))
        embeddings : FloatArray, shape (n, m)
            Of `embedding_of`; NaN in rows of songs that were not heard.

        Returns
        -------
        FloatArray, shape (n, e)
            Of length 1; NaN in the same rows.
        """
        if self.fine is None:
            return None
        return self.fine.project(embeddings, self._timbre(statistics))

    def project(self, x: DoubleArray) -> FloatArray:
        """Return the vectors (n, dimensions) of rows of `inputs.matrix`."""
        z = inputs.standardised(x, self.mean, self.scale)
        vectors: FloatArray = (z @ self.projection + self.offset).astype(np.float32)
        return vectors

    def empty_place(self) -> Place:
        """Return the place of an unknown song: zeros and NaN of the right lengths."""
        unknown = {name: _unknown(name) for name in FACETS}
        nothing = np.full((1, len(STATISTIC_NAMES)), np.nan, dtype=np.float32)
        width = N_EMBEDDING if self.encoder is None else self.encoder.dimensions
        fine = self.fine_all(nothing, np.full((1, width), np.nan, dtype=np.float32))
        vector = np.zeros(self.dimensions, dtype=np.float32)
        return Place(vector, unknown, None if fine is None else fine[0])

    def _timbre(self, statistics: FloatArray) -> DoubleArray:
        x = inputs.matrix("statistics", statistics)[:, inputs.timbre("statistics")]
        here = inputs.timbre(self.name)
        return inputs.standardised(x, self.mean[here], self.scale[here])

    def _facets(
        self, analyses: Sequence[Analysis], statistics: FloatArray, tag_mean: FloatArray
    ) -> dict[str, FloatArray]:
        timbre = self._timbre(statistics).astype(np.float32)
        timbre[~np.isfinite(statistics[:, inputs.COLUMNS]).any(axis=1)] = np.nan
        tags = np.full_like(tag_mean, np.nan)
        if self.name == "full":
            n = inputs.N_TAGS
            tags[:] = inputs.standardised(
                tag_mean.astype(np.float64), self.mean[:n], self.scale[:n]
            )
        pulse, keys = (np.empty((len(analyses), FACETS[f]), np.float32) for f in _HEARD)
        for row, analysis in enumerate(analyses):
            pulse[row] = rhythm(analysis.rhythm, statistics[row])
            keys[row] = harmony(analysis.harmony, statistics[row])
        return {"timbre": timbre, "rhythm": pulse, "harmony": keys, "tags": tags}


_HEARD = ("rhythm", "harmony")

_AT_ONCE = 4_096
"""Songs that are placed together: more would only need more memory."""


def _starts(n: int) -> range:
    return range(0, max(n, 1), _AT_ONCE)


REINSTALL = "Install musrec again."


def shipped(path: str, *names: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arrays of a file that came with the package, and how it was made.

    Parameters
    ----------
    names : str
        The arrays to read; by default all.

    Raises
    ------
    ModelMissing
        It is absent, damaged or of another version.
    """
    try:
        with (files("musrec.space") / path).open("rb") as stream:
            arrays = archives.read(stream, *((*names, "made") if names else ()))
        made: dict[str, Any] = json.loads(str(arrays.pop("made")))
        form = made["format"]
    except (OSError, ValueError, KeyError) as error:
        raise ModelMissing(f"{path} of this package cannot be read: {error}.", REINSTALL) from None
    if form != FORMAT:
        raise ModelMissing(f"{path} has format {form}; this version reads {FORMAT}.", REINSTALL)
    return arrays, made


def _unknown(facet: str) -> FloatArray:
    return np.full(FACETS[facet], np.nan, dtype=np.float32)


def rhythm(heard: Rhythm | None, statistics: FloatArray) -> FloatArray:
    """Return the facet ``rhythm``; onsets that are not known count as usual ones."""
    if heard is None or heard.tempo <= 0:
        return _unknown("rhythm")
    octaves = math.log2(heard.tempo / 120.0)
    rest = [octaves * 2, (heard.steadiness - 0.5) * 4, *((statistics[_ONSET] - 1.3) * 2.5)]
    return np.concatenate(
        [
            _on_circle(octaves, _TEMPO_LENGTH),
            np.clip(np.nan_to_num(np.array(rest, dtype=np.float32)), -3, 3),
        ]
    )


def harmony(heard: Harmony | None, statistics: FloatArray) -> FloatArray:
    """Return the facet ``harmony``; a chroma that is not known counts as an even one."""
    if heard is None or heard.key not in PITCH_CLASSES:
        return _unknown("harmony")
    tonic = PITCH_CLASSES.index(heard.key)
    from_tonic = np.roll(statistics[_CHROMA], -tonic)
    shape = np.nan_to_num((from_tonic - from_tonic.mean()) / 0.15)
    major = heard.mode == "major"
    mode = heard.confidence if major else -heard.confidence
    fifths = 7 * (tonic if major else tonic + 3) / 12
    return np.concatenate(
        [
            np.clip(np.append(shape, 2 * mode).astype(np.float32), -3, 3),
            _on_circle(fifths, _KEY_LENGTH),
        ]
    )


def _on_circle(turns: float, length: float) -> FloatArray:
    """Return cosines and sines (2 * HARMONICS,) of a place on a circle, in turns."""
    angles = 2 * math.pi * turns * np.arange(1, HARMONICS + 1)
    place = np.concatenate([np.cos(angles), np.sin(angles)]) * (length / math.sqrt(HARMONICS))
    return place.astype(np.float32)
