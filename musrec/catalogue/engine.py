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
from musrec.space import place


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
        return Heard(track, analysis, spaces.profile(analysis), self.space.place(analysis))


def build(
    songs: Sequence[tuple[Track, Analysis]],
    feedback: Sequence[Feedback],
    served: Sequence[Served],
    encoder: Encoder | None = None,
) -> Engine:
    """Place every song; those heard without the tagger wait until they are heard again."""
    space = spaces.Space.load("full" if tagger.status().installed else "statistics")
    known = [song for song in songs if space.name != "full" or song[1].tag_mean is not None]
    analyses = [analysis for _, analysis in known]
    if encoder is not None:
        space = space.hearing_with(encoder, analyses)
    places = space.places(analyses)
    catalogue = Catalogue(
        tuple(track for track, _ in known),
        tuple(spaces.profiles(analyses)),
        places.vectors,
        places.facets,
        places.fine,
    )
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


def _catalogue(songs: Sequence[Heard], space: spaces.Space) -> Catalogue:
    """Return at least one song as a catalogue."""
    fine = [song.place.fine for song in songs if song.place.fine is not None]
    return Catalogue(
        tracks=tuple(song.track for song in songs),
        profiles=tuple(song.profile for song in songs),
        vectors=np.stack([song.place.vector for song in songs]),
        facets={name: np.stack([s.place.facets[name] for s in songs]) for name in place.FACETS},
        fine=None if space.fine is None else np.stack(fine),
    )
