"""What answers are computed from: every song that was heard, placed in one space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from musrec import space as spaces
from musrec.audio import tagger
from musrec.audio.encoder import Encoder
from musrec.catalogue import search
from musrec.model import Analysis, Catalogue, Feedback, Heard, Served, Track
from musrec.recommend import Recommender, closeness


@dataclass(frozen=True, slots=True, eq=False)
class Engine:
    """Swapped as a whole, so that no reader sees half of it.

    Attributes
    ----------
    space : Space
        Where songs stand: the full space, or the one without tags.
    catalogue : Catalogue
        Everything that can be recommended.
    index : Index
        Of `catalogue`, row by row.
    recommender : Recommender
        For one thread at a time.
    names : tuple of Name, length n
        What each song is found by.
    """

    space: spaces.Space
    catalogue: Catalogue
    index: spaces.Index
    recommender: Recommender
    names: tuple[search.Name, ...]

    def heard(self, track: Track, analysis: Analysis) -> Heard:
        """Describe and place a song."""
        return _heard(self.space, track, analysis)


def build(
    songs: Sequence[tuple[Track, Analysis]],
    feedback: Sequence[Feedback],
    served: Sequence[Served],
    encoder: Encoder | None = None,
) -> Engine:
    """Place every song; those heard without the tagger wait until they are heard again."""
    space = spaces.Space.load("full" if tagger.status().installed else "statistics")
    known = [song for song in songs if space.name != "full" or song[1].tag_mean is not None]
    if encoder is not None:
        space = space.hearing_with(encoder, (analysis for _, analysis in known))
    catalogue = _catalogue([_heard(space, track, analysis) for track, analysis in known], space)
    index = spaces.Index(
        catalogue.vectors, fine=catalogue.fine, parts=spaces.parts.of(catalogue.facets)
    )
    recommender = Recommender(
        catalogue,
        feedback,
        index.alike,
        thresholds=closeness.shipped(space.name),
        without=spaces.Without(space, catalogue, index),
        served=served,
    )
    return Engine(space, catalogue, index, recommender, search.names(catalogue.tracks))


def grown(engine: Engine, fresh: Sequence[Heard]) -> Engine:
    """Return an engine with more songs; the recommender is extended in place."""
    more = _catalogue(fresh, engine.space)
    catalogue = Catalogue(
        (*engine.catalogue.tracks, *more.tracks),
        (*engine.catalogue.profiles, *more.profiles),
        np.concatenate([engine.catalogue.vectors, more.vectors]),
        {
            name: np.concatenate([values, more.facets[name]])
            for name, values in engine.catalogue.facets.items()
        },
        None
        if engine.catalogue.fine is None or more.fine is None
        else np.concatenate([engine.catalogue.fine, more.fine]),
    )
    index = engine.index.extended(more.vectors, fine=more.fine, parts=spaces.parts.of(more.facets))
    without = spaces.Without(engine.space, catalogue, index)
    engine.recommender.extend(more, index.alike, without)
    names = (*engine.names, *search.names(more.tracks))
    return Engine(engine.space, catalogue, index, engine.recommender, names)


def _heard(space: spaces.Space, track: Track, analysis: Analysis) -> Heard:
    return Heard(track, analysis, spaces.profile(analysis), space.place(analysis))


def _catalogue(songs: Sequence[Heard], space: spaces.Space) -> Catalogue:
    # An empty catalogue still has columns: one made-up place lends its widths.
    shape = space.empty_place()
    return Catalogue(
        tracks=tuple(song.track for song in songs),
        profiles=tuple(song.profile for song in songs),
        vectors=np.stack([shape.vector, *(song.place.vector for song in songs)])[1:],
        facets={
            name: np.stack([values, *(song.place.facets[name] for song in songs)])[1:]
            for name, values in shape.facets.items()
        },
        fine=None
        if shape.fine is None
        else np.stack([shape.fine, *(d for s in songs if (d := s.place.fine) is not None)])[1:],
    )
