"""One list of songs for several members: what they agree on, and what divides them.

How much a song suits a member is the share of the catalogue that is less similar to the member's
profile, the mean of the songs they like. The similarity to that mean is the mean cosine to all
likes, so a taste with several centres keeps each of them. The nearest liked song alone would take
one stray like as seriously as a whole scene, and finds fewer of the songs that members like
(``musrec evaluate recommend``, "Lists for several members").

A list is ranked by how much each song suits the member it suits least ("least misery"), so that no
member has to sit through what they dislike [1]_.

References
----------
.. [1] J. Masthoff, "Group modeling: selecting a sequence of television items to suit a group of
   viewers", User Modeling and User-Adapted Interaction 14, 2004.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musrec.columns import Tracks
from musrec.model import Catalogue
from musrec.recommend.taste import directions, l2_normalise
from musrec.recommend.variety import pick_varied
from musrec.titles import main_artist, recording_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.model import FloatArray

VARIETY = 0.1
"""What full similarity to all other picks takes off a score, in shares of the catalogue."""

SHORTLIST = 40
"""Best songs per pick that a varied list is chosen from; more if these are by too few artists."""

A_LITTLE = 0.4
WORDS = ((0.9, "very well"), (0.7, "well"), (A_LITTLE, "a little"))
"""Least share of the catalogue that suits a member less, and the word from there. Decided."""

_TIE_BREAK = 1e-6
"""Weight of the mean beside the minimum: less than one song's share of any catalogue."""


class GroupPick(NamedTuple):
    """A song for several members.

    Attributes
    ----------
    row : int
        Of the catalogue.
    suits : NDArray, shape (members,)
        0 to 1 for each member, as `suitability` has it.
    divisive : bool
        Whether it was picked because members are divided about it.
    """

    row: int
    suits: NDArray[np.float64]
    divisive: bool


def user_profile(vectors: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    """Return a member's profile (d,): the mean of liked songs (k, d), each at length 1.

    Parameters
    ----------
    weights : FloatArray, shape (k,), optional
        How much each is liked, above 0; by default all the same.
    """
    rows = l2_normalise(vectors)
    weights = np.ones(len(rows), np.float32) if weights is None else weights
    return np.asarray(weights @ rows / max(float(weights.sum()), 1e-9), np.float32)


def percentiles(values: FloatArray, among: FloatArray) -> NDArray[np.float64]:
    """Return the share of `among` below each value, 0 to 1; equal ones count half."""
    if not len(among):
        return np.full(len(values), 0.5)
    ordered = np.sort(among)
    below = np.searchsorted(ordered, values, "left")
    upto = np.searchsorted(ordered, values, "right")
    return np.asarray((below + upto) / (2 * len(ordered)))


def suitability(catalogue: Catalogue, profiles: Iterable[FloatArray]) -> NDArray[np.float64]:
    """Return (members, n), 0 to 1: the share of the catalogue that suits each member less.

    Parameters
    ----------
    catalogue : Catalogue
    profiles : iterable of FloatArray, shape (d,)
        One `user_profile` per member who likes anything; at least one.
    """
    rows = directions(catalogue)
    similarities = [rows @ profile for profile in profiles]
    return np.stack([percentiles(each, each) for each in similarities])


def suits_word(place: float) -> str:
    """Return how well a song suits a member, in words.

    Parameters
    ----------
    place : float
        0 to 1, from `suitability`.
    """
    return next((word for least, word in WORDS if place >= least), "hardly")


def least_misery(suits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n,) scores: how much a song suits the member it suits least; ties by the mean."""
    return np.asarray(suits.min(axis=0) + _TIE_BREAK * suits.mean(axis=0))


def disagreement(suits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n,) scores: how much more a song suits one member than another, at most."""
    return np.asarray(suits.max(axis=0) - suits.min(axis=0))


def recommend(
    catalogue: Catalogue,
    suits: NDArray[np.float64],
    *,
    count: int,
    divisive: int = 0,
    known: frozenset[str] = frozenset(),
) -> list[GroupPick]:
    """Choose songs for several members: by `least_misery`, then some by `disagreement`.

    Parameters
    ----------
    catalogue : Catalogue
    suits : NDArray, shape (members, n)
        From `suitability`; of at least one member.
    count : int
        How many songs in all.
    divisive : int
        How many of them are picked by disagreement.
    known : frozenset of str
        Ids of tracks that a member knows, likes or dislikes: no version of them is picked.

    Returns
    -------
    list of GroupPick
        At most `count`, no two by one artist; the songs that members agree on come first.
    """
    tracks, rows = Tracks.of(catalogue.tracks), directions(catalogue)
    taken = {recording_key(tracks[row]) for row in tracks.rows(known)}
    agreed = _choose(tracks, rows, least_misery(suits), taken, count - divisive)
    taken.update(main_artist(tracks[row]) for row in agreed)
    taken.update(recording_key(tracks[row]) for row in agreed)
    left = count - len(agreed) if divisive else 0
    divided = _choose(tracks, rows, disagreement(suits), taken, left)
    return [
        GroupPick(row, suits[:, row], chosen is divided)
        for chosen in (agreed, divided)
        for row in chosen
    ]


def _choose(
    tracks: Tracks,
    rows: FloatArray,
    scores: NDArray[np.float64],
    taken: set[str],
    count: int,
) -> list[int]:
    """Return the rows of a varied list, none of a recording or artist in `taken`."""
    shortlist: list[int] = []
    seen = taken - {""}  # songs by unknown artists may stand together
    for place, row in enumerate(np.argsort(-scores, kind="stable").tolist()):
        if place >= SHORTLIST * count and len(shortlist) >= count:
            break
        artist, name = main_artist(tracks[row]), recording_key(tracks[row])
        if artist in seen or name in seen:
            continue
        seen.update({artist, name} - {""})
        shortlist.append(row)
    chosen, _, _ = pick_varied(
        scores[shortlist].astype(np.float32),  # equals keep their order
        rows[shortlist],
        np.zeros(len(shortlist), np.int32),  # no two by one artist are left
        np.arange(len(shortlist)),
        count=count,
        variety=VARIETY,
        per_artist=None,
    )
    return [shortlist[at] for at in chosen]
