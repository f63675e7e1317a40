"""A song of the catalogue as it would be without one property: with the catalogue's median for it.

Places are linear in their inputs up to their length, so the vector and the statistics' half of the
fine embedding are projected again exactly. What a network heard in it (the tagger's embedding, or
an encoder's vector) does not follow from its properties: that half moves as far as a ridge
regression on the tags of the catalogue's songs predicts.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musrec.audio import descriptors
from musrec.audio.features import STATISTIC_NAMES
from musrec.audio.tagger import TAGS
from musrec.columns import Profiles
from musrec.model import Places, Rhythm, TraitKind
from musrec.space import inputs, parts, place
from musrec.space.index import STILL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from musrec.model import Catalogue, FloatArray, Place
    from musrec.space.index import Index
    from musrec.space.inputs import DoubleArray
    from musrec.space.place import Space

SAMPLE = 1_000
"""Rows of the catalogue that medians are taken over."""

_FEWEST = 30
"""Songs with a fine embedding that the regression on tags needs."""

_RIDGE = 0.1
"""Of the mean variance of a tag."""

_KEY = slice(12, place.FACETS["harmony"])
_TAG_COLUMNS = {tag: column for column, tag in enumerate(TAGS)}
_TIMBRE_COLUMNS = {name: column for column, name in enumerate(inputs.STATISTICS)}
_RHYTHM_COLUMNS = {
    "tempo": place.TEMPO,
    "steadiness": slice(place.STEADINESS, place.STEADINESS + 1),
    "punch": slice(place.ONSET.stop - 1, place.ONSET.stop),
}


class Columns(NamedTuple):
    """What a property is made of: columns of the facets."""

    tags: tuple[int, ...] = ()
    timbre: tuple[int, ...] = ()
    rhythm: slice | None = None
    harmony: slice | None = None


def columns(kind: TraitKind, name: str) -> Columns:
    """Return what a property is made of; nothing for what has no part in any place."""
    if kind == "tag":
        return Columns(tags=(_TAG_COLUMNS[name],))
    if kind == "key":
        return Columns(harmony=_KEY)
    if kind == "tempo" or name in _RHYTHM_COLUMNS:
        return Columns(rhythm=_RHYTHM_COLUMNS[name or "tempo"])
    if name in descriptors.AXES:
        axis = descriptors.AXES[name]
        return Columns(tags=tuple(_TAG_COLUMNS[tag] for tag in (*axis.high, *axis.low)))
    statistics = descriptors.statistics_of(name)
    return Columns(
        timbre=tuple(_TIMBRE_COLUMNS[each] for each in statistics if each in _TIMBRE_COLUMNS)
    )


class Without:
    """Compares songs of a catalogue that lack a property with a query.

    Parameters
    ----------
    space : Space
    catalogue : Catalogue
        Placed in this space.
    index : Index
        Of the catalogue.
    """

    def __init__(self, space: Space, catalogue: Catalogue, index: Index) -> None:
        self._space, self._catalogue, self._index = space, catalogue, index
        self._profiles = Profiles.of(catalogue.profiles, tags=TAGS)
        self._settled = len(catalogue)

    def grown(self, catalogue: Catalogue, index: Index) -> Without:
        """Return the same for a catalogue that begins with the same songs.

        What it is usually like is kept until it has grown by a hundredth.
        """
        more = Without(self._space, catalogue, index)
        if len(catalogue) <= STILL * self._settled:
            more._settled = self._settled
            more.__dict__ |= {
                k: v for k, v in self.__dict__.items() if k in ("_medians", "_slopes")
            }
        return more

    def replaced(self, row: int, what: Sequence[tuple[TraitKind, str]]) -> Places:
        """Return a song (t rows) with each of t properties replaced by the catalogue's median."""
        return self.replaced_together(row, [[each] for each in what])

    def replaced_together(
        self, row: int, what: Sequence[Sequence[tuple[TraitKind, str]]]
    ) -> Places:
        """Return a song (t rows) with each of t sets of properties replaced."""
        own = {name: np.tile(rows[row], (len(what), 1)) for name, rows in self._facets.items()}
        tags = np.tile(self._tag_mean(row), (len(what), 1))
        for at, properties in enumerate(what):
            for kind, name in properties:
                made_of = columns(kind, name)
                tags[at, list(made_of.tags)] = self._medians["tags"][list(made_of.tags)]
                timbre = list(made_of.timbre)
                own["timbre"][at, timbre] = self._medians["timbre"][timbre]
                for facet in ("rhythm", "harmony"):
                    where = getattr(made_of, facet)
                    if where is not None:
                        own[facet][at, where] = self._medians[facet][where]
        return self._placed(row, tags, own)

    def alike(self, query: Place, songs: Places) -> FloatArray:
        """Return the similarities (t,) of a query to songs that `replaced` returned."""
        return self._index.between(query, songs.vectors, songs.fine, parts.of(songs.facets))

    def _placed(self, row: int, tags: FloatArray, facets: dict[str, FloatArray]) -> Places:
        space, n = self._space, inputs.N_TAGS
        before, after = (
            np.nan_to_num(each.astype(np.float64))
            for each in (self._facets["timbre"][row], facets["timbre"])
        )
        timbre = inputs.timbre(space.name)
        moved = (after - before) @ space.projection[timbre]
        fine = None if self._catalogue.fine is None else self._catalogue.fine[row]
        change = np.zeros((len(tags), n))
        if space.name == "full":
            old, new = (
                inputs.standardised(
                    np.concatenate([each, np.sqrt(np.maximum(each, 0))], axis=1, dtype=np.float64),
                    space.mean[: 2 * n],
                    space.scale[: 2 * n],
                )
                for each in (self._tag_mean(row)[None], tags)
            )
            moved += (new - old) @ space.projection[: 2 * n]
            change = new[:, :n] - old[:, :n]
            facets["tags"] = (self._facets["tags"][row] + change).astype(np.float32)
        return Places(
            (self._catalogue.vectors[row] + moved).astype(np.float32),
            facets,
            None if fine is None else self._fine(fine, after, change),
        )

    def _fine(self, fine: FloatArray, timbre: DoubleArray, change: DoubleArray) -> FloatArray:
        if self._space.fine is None:
            return np.tile(fine, (len(timbre), 1))
        width = self._space.fine.embedding.shape[1]
        embedding = fine[:width].astype(np.float64) * math.sqrt(2) + change @ self._slopes
        statistics = timbre @ self._space.fine.statistics + self._space.fine.offset
        halves = [
            each / np.linalg.norm(each, axis=1, keepdims=True) for each in (embedding, statistics)
        ]
        whole: FloatArray = (np.concatenate(halves, axis=1) / math.sqrt(2)).astype(np.float32)
        return whole

    # What the catalogue is usually like ---------------------------------------------------------

    @property
    def _facets(self) -> Mapping[str, FloatArray]:
        return self._catalogue.facets

    def _tag_mean(self, row: int) -> FloatArray:
        tags: FloatArray = np.nan_to_num(self._profiles.tags[row])
        return tags

    @cached_property
    def _sample(self) -> NDArray[np.intp]:
        n = len(self._catalogue)
        return np.sort(np.random.default_rng(0).permutation(n)[:SAMPLE])

    @cached_property
    def _medians(self) -> dict[str, FloatArray]:
        """Medians of the tag means and of each other facet; 0 where nothing is known."""
        rows = self._sample
        found: dict[str, NDArray[np.floating]] = {}
        found["tags"] = np.median(np.nan_to_num(self._profiles.tags[rows]), axis=0)
        for name in ("timbre", *parts.NAMES):
            known = self._facets[name][rows]
            known = known[np.isfinite(known).all(axis=1)]
            found[name] = np.median(known, axis=0) if len(known) else np.zeros(known.shape[1])
        tempi = self._profiles.tempi[rows, 0]
        tempi = tempi[tempi > 0]
        if len(tempi):
            # A median of places on a circle is no place on it: the median tempo is.
            usual = Rhythm(float(np.median(tempi)), 1.0, None, 0.5, ())
            nothing = np.full(len(STATISTIC_NAMES), np.nan, dtype=np.float32)
            found["rhythm"][place.TEMPO] = place.rhythm(usual, nothing)[place.TEMPO]
        return {name: values.astype(np.float32) for name, values in found.items()}

    @cached_property
    def _slopes(self) -> DoubleArray:
        """How far the embedding's half moves per deviation of each tag, (50, a)."""
        assert self._space.fine is not None
        width = self._space.fine.embedding.shape[1]
        fine, tags = self._catalogue.fine, self._facets["tags"]
        if fine is None:
            return np.zeros((inputs.N_TAGS, width))
        heard = np.flatnonzero(np.isfinite(fine).all(axis=1) & np.isfinite(tags).all(axis=1))
        if len(heard) < _FEWEST:
            return np.zeros((inputs.N_TAGS, width))
        heard = heard[:: math.ceil(len(heard) / SAMPLE)]
        x = tags[heard].astype(np.float64)
        y = fine[heard, :width].astype(np.float64) * math.sqrt(2)
        x, y = x - x.mean(axis=0), y - y.mean(axis=0)
        gram = x.T @ x
        gram += _RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
        return np.asarray(np.linalg.solve(gram, x.T @ y))
