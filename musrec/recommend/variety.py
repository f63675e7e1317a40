"""Variety within a list: no second version, no flood of one artist, no near-duplicates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from musrec import wording
from musrec.audio.descriptors import strengths
from musrec.columns import SINGING, Profiles, Tracks
from musrec.model import Catalogue, Constraints
from musrec.titles import fold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.model import FloatArray

STATED = 0.35
"""Probability from which a genre that was heard counts as one that was stated."""


_PLURAL = {"is": "are", "has": "have", "sounds": "sound"}


def pick_varied(
    scores: FloatArray,
    vectors: FloatArray,
    artists: Sequence[str] | NDArray[np.integer],
    recordings: Sequence[str] | NDArray[np.integer],
    *,
    count: int,
    variety: float,
    per_artist: int | None,
) -> tuple[list[int], list[float], list[int]]:
    """Choose greedily: each time the best song left, less its likeness to those already chosen.

    A list is worth the sum of its scores minus its mean likeness, which greedy choice serves best
    [1]_; likeness to the nearest chosen song alone, as in maximal marginal relevance, cost more
    hits for the same diversity.

    Parameters
    ----------
    scores : (r,)
    vectors : (r, d), unit length
    artists, recordings : length r
        Folded names, or numbers from `musrec.columns.number`; "" or 0 is an unknown artist, with
        no limit.
    variety : float
        What full likeness to all `count` - 1 others takes off a score.
    per_artist : int or None
        Most songs by one artist; None for no limit.

    Returns
    -------
    chosen : list of int
    penalties : list of float
        What was taken off each chosen song's score, 0 or below.
    unlike : list of int
        Position in `chosen` of the song that took most of it off; -1 if none did.

    References
    ----------
    .. [1] A. Borodin, H. C. Lee, Y. Ye, "Max-sum diversification, monotone submodular functions
       and dynamic updates", PODS 2012.
    """
    chosen: list[int] = []
    penalties: list[float] = []
    unlike: list[int] = []
    alive = np.isfinite(scores)
    each = variety / max(count - 1, 1)
    likeness, closest = np.zeros((2, len(scores)), np.float32)
    source = np.full(len(scores), -1)
    songs_of: dict[str | int, int] = {}
    artist_of, recording_of = np.asarray(artists), np.asarray(recordings)
    while len(chosen) < count and alive.any():
        marginal = np.where(alive, scores - each * likeness, -np.inf)
        best = int(np.argmax(marginal))
        penalties.append(-each * float(likeness[best]))
        unlike.append(int(source[best]))
        chosen.append(best)
        alive[best] = False
        alive &= recording_of != recording_of[best]
        artist = artist_of[best]
        songs_of[artist] = songs_of.get(artist, 0) + 1
        if artist and per_artist is not None and songs_of[artist] >= per_artist:
            alive &= artist_of != artist
        alike = np.maximum(vectors @ vectors[best], 0)
        likeness += alike
        closer = alike > closest
        closest[closer], source[closer] = alike[closer], len(chosen) - 1
    return chosen, penalties, unlike


def allowed(catalogue: Catalogue, constraints: Constraints) -> tuple[NDArray[np.bool_], list[str]]:
    """Return which tracks meet the constraints, shape (n,), and the reasons if none does.

    A track whose property is not known does not meet an "only", a range, a key or a voice; it does
    meet a "no".
    """
    n = len(catalogue)
    keep = np.ones(n, bool)
    reasons: list[str] = []
    for mask, what in (*_said(catalogue, constraints), *_heard(catalogue, constraints)):
        if keep.any() and not (keep & mask).any():
            alone = int(mask.sum())
            verb, rest = what.split(" ", 1)
            many = f"{_PLURAL[verb] if alone > 1 else verb} {rest}"
            reasons.append(
                f"none of the {n} songs I know {what}"
                if not alone
                else f"{alone} of the {n} songs I know {many}, but none of those meets the rest"
            )
        keep = keep & mask
    return keep, reasons


def _said(catalogue: Catalogue, wanted: Constraints) -> Iterator[tuple[NDArray[np.bool_], str]]:
    """Yield which songs meet each wish for a genre or a mood, and the wish in words."""
    if wanted.only_genres:
        yield _of_genre(catalogue, wanted.only_genres), f"is {_either(wanted.only_genres)}"
    if wanted.no_genres:
        mask = ~_of_genre(catalogue, wanted.no_genres)
        yield mask, f"is anything but {_either(wanted.no_genres)}"
    if wanted.only_moods:
        yield _moody(catalogue, wanted.only_moods), f"sounds {_either(wanted.only_moods)}"
    if wanted.no_moods:
        mask = ~_moody(catalogue, wanted.no_moods)
        yield mask, f"sounds anything but {_either(wanted.no_moods)}"


def _heard(catalogue: Catalogue, wanted: Constraints) -> Iterator[tuple[NDArray[np.bool_], str]]:
    """Yield the same for instruments, voice, tempo and key."""
    profiles = Profiles.of(catalogue.profiles)
    for word in sorted(wanted.only_instruments):
        yield np.isfinite(profiles.instrument(word)), f"has {_named(word)} that I can hear"
    for word in sorted(wanted.no_instruments):
        yield np.isnan(profiles.instrument(word)), f"is without {word}"
    if wanted.voice:
        yield profiles.voices == SINGING.index(wanted.voice), f"is {wanted.voice}"
    if wanted.tempo is not None:
        low, high = wanted.tempo
        mask = np.any((profiles.tempi >= low) & (profiles.tempi <= high), axis=1)
        yield mask, f"is between {low:.0f} and {wording.tempo(high)}"
    if wanted.keys:
        keys = {tuple(key.casefold().split()) for key in wanted.keys}
        heard = [tuple(name.casefold().split()) for name in profiles.key_names]
        fitting = [at for at, key in enumerate(heard) if key in keys or key[:1] in keys]
        yield np.isin(profiles.keys, fitting), f"is in {_either(wanted.keys)}"


def _named(instrument: str) -> str:
    return instrument if instrument in ("strings", "woodwind", "drums") else f"a {instrument}"


def _either(names: Iterable[str]) -> str:
    return " or ".join(sorted(names))


def _of_genre(catalogue: Catalogue, names: frozenset[str]) -> NDArray[np.bool_]:
    """Return which songs are stated or heard to be of any of these genres, shape (n,)."""
    wanted = {fold(name) for name in names}
    words = [re.compile(rf"\b{re.escape(name)}\b") for name in wanted]
    tracks, profiles = Tracks.of(catalogue.tracks), Profiles.of(catalogue.profiles)
    fitting = [
        at
        for at, genre in enumerate(tracks.genre_names)
        if any(word.search(fold(genre)) for word in words)
    ]
    has = np.isin(tracks.stated, fitting)
    for known, shares in (
        (profiles.genre_names, profiles.genres),
        (profiles.tag_names, profiles.tags),
    ):
        for column, name in enumerate(known):
            if fold(name) in wanted:
                has |= shares[:, column] >= STATED
    return has


def _moody(catalogue: Catalogue, moods: frozenset[str]) -> NDArray[np.bool_]:
    """Return of which songs any of these moods may be said, shape (n,)."""
    profiles = Profiles.of(catalogue.profiles)
    has = np.zeros(len(catalogue), bool)
    for mood in moods:
        has |= strengths(mood, profiles) > 0
    return has
