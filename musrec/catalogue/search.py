"""Songs of the catalogue by title, artist, genre, tempo, key and mood."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from rapidfuzz import fuzz, process

from musrec.audio.descriptors import DEFINITIONS, TAG_KINDS, said_tags, strength, word
from musrec.catalogue.model import SongFilter
from musrec.model import Catalogue, Choices, Constraints, NotFound, Track
from musrec.recommend import variety
from musrec.titles import fold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.model import FloatArray


NEARLY = 80
"""The least likeness, of 100, at which a name completes what is typed with a slip in it."""


class Name(NamedTuple):
    """What a song is found by: title, artists, and both in either order; folded."""

    title: str
    artist: str
    whole: str
    reversed: str


def names(tracks: Iterable[Track]) -> tuple[Name, ...]:
    """Return what each track is found by."""
    folded = ((fold(track.title), fold(track.artist)) for track in tracks)
    return tuple(
        Name(title, artist, f"{title} {artist}", f"{artist} {title}") for title, artist in folded
    )


def titled(catalogue: Catalogue, names: Sequence[Name], text: str) -> Track | Choices | None:
    """Find a title, with or without its artist, in the catalogue; only an exact one counts."""
    wanted = fold(text)
    exact = [
        track
        for track, name in zip(catalogue.tracks, names, strict=True)
        if wanted in (name.title, name.whole, name.reversed)
    ]
    if len(exact) > 1:
        return Choices(tuple(exact[:10]), "Several songs have that title.")
    return exact[0] if exact else None


def suggest(catalogue: Catalogue, names: Sequence[Name], text: str, limit: int) -> list[Track]:
    """Complete what is being typed with songs of the catalogue, best first.

    Names that start with the text come first, then names in which a word starts with it, then
    names that are spelt nearly like it. In each group the shortest name comes first.
    """
    typed = fold(text)
    starts, words = list[int](), list[int]()
    for row, name in enumerate(names):
        if name.whole.startswith(typed) or name.artist.startswith(typed):
            starts.append(row)
        elif f" {typed}" in name.whole or name.reversed.startswith(typed):
            words.append(row)
    rows = [
        row for group in (starts, words) for row in sorted(group, key=lambda r: len(names[r].whole))
    ]
    if len(rows) < limit:
        near = process.extract(
            typed,
            [name.whole for name in names],
            scorer=fuzz.WRatio,
            limit=limit,
            score_cutoff=NEARLY,
        )
        rows = list(dict.fromkeys([*rows, *(row for _, _, row in near)]))
    return [catalogue.tracks[row] for row in rows[:limit]]


def near(catalogue: Catalogue, names: Sequence[Name], text: str, limit: int) -> list[Track]:
    """Return songs that are spelt nearly like a text, with or without artist, the nearest first.

    The whole text counts: a title that only has a word in common with it is not near.
    """
    typed = fold(text)
    likeness: dict[int, float] = {}
    for forms in zip(*((name.title, name.whole, name.reversed) for name in names), strict=True):
        found = process.extract(typed, forms, scorer=fuzz.ratio, limit=limit, score_cutoff=NEARLY)
        for _, score, row in found:
            likeness[row] = max(score, likeness.get(row, 0.0))
    best = sorted(likeness, key=lambda row: -likeness[row])
    return [catalogue.tracks[row] for row in best[:limit]]


def one_of_each(catalogue: Catalogue) -> list[Track]:
    """Return one song of each stated genre, by the artist with most songs there."""
    artists: dict[str, Counter[str]] = defaultdict(Counter)
    for track in catalogue.tracks:
        if track.genre and track.artists:
            artists[track.genre.lower()][track.artists[0]] += 1
    chosen: dict[str, Track] = {}
    for track in catalogue.tracks:
        genre = (track.genre or "").lower()
        if track.artists and artists[genre].most_common(1)[:1] == [
            (track.artists[0], artists[genre][track.artists[0]])
        ]:
            chosen.setdefault(genre, track)
    return [chosen[genre] for genre in sorted(chosen)]


def moods(catalogue: Catalogue) -> tuple[str, ...]:
    """Return the words, of descriptors and mood tags, that are said of some song, in order."""
    found: set[str] = set()
    for profile in catalogue.profiles:
        found |= {
            word(name, place) for name, place in profile.percentiles.items() if name in DEFINITIONS
        }
        found |= {tag.casefold() for tag in said_tags(profile.tags) if TAG_KINDS.get(tag) == "mood"}
    return tuple(sorted(found - {""}))


def search(catalogue: Catalogue, names: Sequence[Name], wanted: SongFilter) -> list[Track]:
    """Find the songs of the catalogue that are as wanted, best first, as `rows` does."""
    return [catalogue.tracks[row] for row in rows(catalogue, names, wanted)]


def rows(catalogue: Catalogue, names: Sequence[Name], wanted: SongFilter) -> NDArray[np.intp]:
    """Find the rows of the songs that are as wanted, best first.

    Parameters
    ----------
    names : sequence of Name, length n
        Of the songs of the catalogue, in its order.

    Raises
    ------
    NotFound
        No song is; the message says which wish none meets.
    """
    mood = wanted.mood.casefold()
    if mood and mood not in (known := moods(catalogue)):
        near = [one for one, *_ in process.extract(mood, known, limit=3, score_cutoff=NEARLY)]
        hint = f"Did you mean {' or '.join(near)}?" if near else f"Try one of: {', '.join(known)}."
        raise NotFound(f"No song I know sounds “{mood[:40]}”.", hint if known else "")
    keep, reasons = variety.allowed(
        catalogue,
        Constraints(
            only_genres=frozenset((wanted.genre.casefold(),) if wanted.genre else ()),
            only_moods=frozenset((mood,) if mood else ()),
            keys=frozenset((wanted.key,) if wanted.key else ()),
            tempo=wanted.tempo,
        ),
    )
    if reasons:
        sentence = "; ".join(reasons)
        raise NotFound(f"{sentence[0].upper()}{sentence[1:]}.", "Ask for less.")
    found = np.flatnonzero(keep)
    if wanted.artist:
        part = fold(wanted.artist)
        found = np.array([row for row in found.tolist() if part in names[row].artist], np.intp)
    if wanted.text:
        found = _named(names, found, wanted.text)
    elif mood:
        profiles = [catalogue.profiles[row] for row in found]
        found = _best(found, [strength(mood, p.tags, p.percentiles) for p in profiles], 0)
    if not len(found):
        raise NotFound("No song I know is all of that.", "Ask for less, or spell it differently.")
    return found


def _best(
    rows: NDArray[np.intp], scores: Sequence[float] | FloatArray, least: float
) -> NDArray[np.intp]:
    values = np.array(scores, np.float64)
    order = np.argsort(-values, kind="stable")
    return rows[[at for at in order if values[at] >= least]]


def _named(names: Sequence[Name], rows: NDArray[np.intp], text: str) -> NDArray[np.intp]:
    """Return the rows whose title, or title and artist, are nearly that text, best first."""
    wanted = fold(text)
    whole = process.cdist([wanted], [names[row].whole for row in rows], scorer=fuzz.WRatio)[0]
    alone = process.cdist([wanted], [names[row].title for row in rows], scorer=fuzz.ratio)[0]
    # Of songs that hold the words alike, the one with that very title comes first.
    return _best(rows, np.maximum(whole, alone) + alone / 1000, 60)
