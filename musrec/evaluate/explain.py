"""``musrec evaluate explain``: whether what a card names is what counted.

Every clip of the training tables asks for songs; its tempo and key, and those of all others, are
the annotated ones. Every second query is asked by a member, who likes songs of one genre. What a
card names is then replaced by the catalogue's median in the pick's own row, everything (index,
scales, scores) is built again, and the pick has to rank lower.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musrec.audio import descriptors
from musrec.evaluate import metrics
from musrec.evaluate.parts import annotation_tables
from musrec.evaluate.report import Cell, Report
from musrec.model import (
    Analysis,
    Catalogue,
    Constraints,
    Feedback,
    FeedbackKind,
    Harmony,
    Place,
    Rhythm,
    SoundKind,
    Track,
)
from musrec.recommend import Recommender, Request, Seed, closeness
from musrec.space import Index, Space, Without, parts, profile
from musrec.space.without import columns
from musrec.train.space import training_clips

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from musrec.model import Pick, Places, Trait
    from musrec.recommend.attribution import Property
    from musrec.recommend.scoring import Scoring

COUNT = 5
"""Picks of an answer."""

REBUILT = 1_000
"""Cards whose named properties are checked by building everything again."""

LIKES = 8
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Card(NamedTuple):
    """A pick, the scores that it came from, and where it stands among them."""

    query: int
    scoring: Scoring
    at: int
    pick: Pick


class Deck(NamedTuple):
    """The catalogue of one evaluation, and the events of its members."""

    space: Space
    catalogue: Catalogue
    genres: NDArray[np.str_]
    events: tuple[Feedback, ...]

    def recommender(self, catalogue: Catalogue | None = None) -> Recommender:
        """Return a recommender built from scratch."""
        songs = catalogue or self.catalogue
        index = Index(songs.vectors, fine=songs.fine, parts=parts.of(songs.facets))
        without = Without(self.space, songs, index)
        thresholds = closeness.shipped(self.space.name)
        return Recommender(songs, self.events, index.alike, thresholds=thresholds, without=without)

    def request(self, row: int) -> Request:
        """Return a query: a member asks every second one."""
        songs = self.catalogue
        facets = {name: rows[row] for name, rows in songs.facets.items()}
        fine = None if songs.fine is None else songs.fine[row]
        seed = Seed(Place(songs.vectors[row], facets, fine), songs.tracks[row], songs.profiles[row])
        member = f"likes {self.genres[row]}" if row % 2 else None
        return Request(member, (seed,), COUNT, constraints=Constraints(), now=NOW)


def run(data: Path, *, queries: int | None = None, rebuilt: int = REBUILT) -> tuple[Report, ...]:
    """Measure the truth of what cards name.

    Parameters
    ----------
    data : Path
        Folder with ``gtzan``: tables and annotations.
    queries : int, optional
        The most queries, evenly spread; by default every clip.
    rebuilt : int
        The most cards that are checked by building everything again.
    """
    deck = starter_deck(data / "gtzan")
    n = len(deck.catalogue)
    asked = np.unique(np.linspace(0, n - 1, min(queries or n, n)).astype(int)).tolist()
    recommender = deck.recommender()
    cards = [card for row in asked for card in _cards(recommender, deck, row)]
    return _truth(deck, cards, rebuilt), _curves(deck, cards)


def starter_deck(folder: Path) -> Deck:
    """Return the training clips as a catalogue, and members who like one genre each."""
    clips, space = training_clips(folder), Space.load("full")
    tempi, keys = annotation_tables(folder / "annotations")
    songs = []
    for row, clip in enumerate(clips.clips.tolist()):
        tempo = float(tempi.get(clip) or 0)
        tonic, _, mode = keys.get(clip, "").partition(" ")
        rhythm = Rhythm(tempo, 1.0, None, 0.5, ()) if tempo else None
        analysis = Analysis(
            1,
            clip,
            30.0,
            SoundKind.MUSIC,
            clips.statistics[row],
            tag_mean=clips.tag_mean[row],
            rhythm=rhythm,
            harmony=Harmony(tonic, mode, 1.0, 0.0) if mode else None,
            # The steadiness of an annotated tempo is not known.
            descriptors=descriptors.describe(clips.statistics[row], tag_mean=clips.tag_mean[row]),
        )
        artist = str(clips.artists[row])
        track = Track(str(row), str(clips.titles[row]) or clip, (artist,) if artist else ())
        songs.append((track, analysis, space.place(analysis)))
    tracks, analyses, places = zip(*songs, strict=True)
    fine = [place.fine for place in places if place.fine is not None]
    catalogue = Catalogue(
        tracks,
        tuple(map(profile, analyses)),
        np.stack([place.vector for place in places]),
        {name: np.stack([place.facets[name] for place in places]) for name in places[0].facets},
        np.stack(fine) if fine else None,
    )
    return Deck(space, catalogue, clips.genres, _events(clips.genres))


def _events(genres: NDArray[np.str_]) -> tuple[Feedback, ...]:
    rng = np.random.default_rng(0)
    out = []
    for genre in sorted(set(genres.tolist())):
        for member in (f"likes {genre}", f"also likes {genre}"):
            own = np.flatnonzero(genres == genre)
            for row in rng.choice(own, min(LIKES, len(own)), replace=False).tolist():
                at = NOW - timedelta(days=float(rng.uniform(1, 200)))
                out.append(Feedback(member, str(row), FeedbackKind.LIKE, at))
    return tuple(out)


def _cards(recommender: Recommender, deck: Deck, row: int) -> list[Card]:
    scoring, _, _ = recommender.score(deck.request(row))
    if scoring is None:
        return []
    place = {int(track): at for at, track in enumerate(scoring.rows)}
    return [
        Card(row, scoring, place[int(pick.track.id)], pick)
        for pick in scoring.picks(COUNT, same_artist=False)
    ]


# Named against what counted -----------------------------------------------------------------------


def _truth(deck: Deck, cards: Sequence[Card], rebuilt: int) -> Report:
    spread = np.unique(np.linspace(0, len(cards) - 1, min(rebuilt, len(cards))).astype(int))
    found: dict[str, list[bool]] = {}
    for card in (cards[at] for at in spread.tolist()):
        for trait in card.pick.explanation.traits:
            found.setdefault(trait.kind, []).append(_ranks_lower(deck, card, trait))
    everything = [each for values in found.values() for each in values]
    rows: list[tuple[Cell, ...]] = [
        (kind, len(values), float(np.mean(values)))
        for kind, values in [*sorted(found.items()), ("all", everything)]
    ]
    named = np.array([len(card.pick.explanation.traits) for card in cards])
    often = float((named > 0).mean())
    many = float(named[named > 0].mean()) if often else 0.0
    return Report(
        title="What is named against what counted",
        protocol=(
            f"{len(cards)} cards: {COUNT} picks for each of {len({c.query for c in cards})}"
            " training clips, tempo and key as annotated; a member asks every second one, with"
            f" {LIKES} likes of one genre. {len(spread)} cards, evenly spread: each property named"
            " is replaced by the catalogue's median in the pick's row, index, scales and scores are"
            " built again, and the rank among all candidates, before variety, is compared."
        ),
        columns=("property", "named", "ranks lower"),
        rows=tuple(rows),
        notes=(f"{often:.3f} of all cards name a property; those name {many:.1f} on average.",),
    )


def _ranks_lower(deck: Deck, card: Card, trait: Trait) -> bool:
    """Return whether a pick ranks lower without a property, with everything built again."""
    without, row = card.scoring.songs.without, int(card.scoring.rows[card.at])
    assert without is not None
    changed = _with_row(deck.catalogue, row, without.replaced(row, [(trait.kind, trait.name)]))
    scoring, _, _ = deck.recommender(changed).score(deck.request(card.query))
    assert scoring is not None
    at = int(np.flatnonzero(scoring.rows == row)[0])
    return scoring.rank(at) > card.scoring.rank(card.at)


def _with_row(songs: Catalogue, row: int, changed: Places) -> Catalogue:
    vectors, fine = songs.vectors.copy(), songs.fine
    vectors[row] = changed.vectors[0]
    facets = {name: rows.copy() for name, rows in songs.facets.items()}
    for name, rows in facets.items():
        rows[row] = changed.facets[name][0]
    if fine is not None and changed.fine is not None:
        fine = fine.copy()
        fine[row] = changed.fine[0]
    return replace(songs, vectors=vectors, facets=facets, fine=fine)


# Deletion and insertion ---------------------------------------------------------------------------

WAYS = ("named", "random", "unnamed")


def _curves(deck: Deck, cards: Sequence[Card]) -> Report:
    areas: dict[tuple[str, str], list[float]] = {}
    queries = []
    rng = np.random.default_rng(0)
    for card in cards:
        named: list[Property] = [(t.kind, t.name) for t in card.pick.explanation.traits]
        everything = _properties(deck, card)
        unnamed = [each for each in everything if each not in named]
        if not named or len(unnamed) < len(named):
            continue
        queries.append(str(card.query))
        for way, pool in zip(WAYS, (named, everything, unnamed), strict=True):
            order = (
                named
                if way == "named"
                else [pool[at] for at in rng.permutation(len(pool))[: len(named)]]
            )
            deleted, inserted = _areas(card, order, everything)
            areas.setdefault(("deletion", way), []).append(deleted)
            areas.setdefault(("insertion", way), []).append(inserted)
    rows: list[tuple[Cell, ...]] = []
    for (curve, way), values in sorted(areas.items()):
        ahead = np.array(areas[curve, "named"]) - np.array(values)
        interval = metrics.bootstrap(values, queries)
        low, high = metrics.bootstrap(ahead, queries)
        difference = None if way == "named" else f"{low:.3f} to {high:.3f}"
        rows.append((curve, way, len(values), float(np.mean(values)), *interval, difference))
    return Report(
        title="Deletion and insertion of named properties",
        protocol=(
            f"{len(queries)} cards that name a property, and leave at least as many unnamed."
            " Deletion: properties are replaced by the catalogue's median one after another;"
            " insertion: given back one after another to a song in which all are replaced. The area"
            " is the mean, over the steps, of the change of the score, in deviations of the"
            " scores of all candidates. Named: in the order of their worth; random and unnamed:"
            " as many, drawn from all that the pick has, or from what is not named (seed 0)."
        ),
        columns=("curve", "properties", "cards", "area", "low", "high", "named ahead by, 95%"),
        rows=tuple(rows),
        notes=("Intervals: 95% bootstrap over queries.",),
    )


def _properties(deck: Deck, card: Card) -> list[Property]:
    """Return all properties of a pick that have a part in its place."""
    own = deck.catalogue.profiles[int(card.scoring.rows[card.at])]
    out: list[Property] = [("tag", tag) for tag in own.tags]
    out += [("descriptor", name) for name in own.percentiles if name != "tempo"]
    out += [("tempo", "")] if own.tempo else []
    out += [("key", "")] if own.key else []
    return out


def _areas(
    card: Card, order: Sequence[Property], everything: Sequence[Property]
) -> tuple[float, float]:
    scoring, at = card.scoring, card.at
    without, row = scoring.songs.without, int(scoring.rows[at])
    assert without is not None
    steps = range(1, len(order) + 1)
    deleted = [list(order[:k]) for k in steps]
    # A tag given back is also given back to the descriptors that rest on it.
    inserted = [[p for p in everything if not _touches(p, order[:k])] for k in (0, *steps)]
    totals = scoring.replaced_total(at, without.replaced_together(row, [*deleted, *inserted]))
    scale = float(scoring.total.std())
    loss = (scoring.total[at] - totals[: len(order)]) / scale
    gain = (totals[len(order) + 1 :] - totals[len(order)]) / scale
    return float(loss.mean()), float(gain.mean())


def _touches(one: Property, others: Sequence[Property]) -> bool:
    own = columns(*one)
    for other in others:
        its = columns(*other)
        if one == other or set(own.tags) & set(its.tags) or set(own.timbre) & set(its.timbre):
            return True
    return False
