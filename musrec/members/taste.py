"""What a member likes, seen against everybody else, and two members seen together.

Everything here is computed from the songs that a member likes; none of it is stored.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from musrec.audio.descriptors import DEFINITIONS, word
from musrec.columns import Profiles, Tracks
from musrec.members.model import Blend, Portrait, Shared
from musrec.model import Catalogue, Feedback, Heard, Profile, Track
from musrec.recommend import group
from musrec.recommend.evidence import Ledger
from musrec.recommend.taste import directions, l2_normalise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.model import FloatArray
    from musrec.space import Space

MONTH = timedelta(days=30)

FEWEST = 3
"""Songs on each side before a change is spoken of."""

CERTAIN = 2.0
"""Standard errors that a change must exceed to be more than chance."""

SIGNATURE = 3
"""Songs that stand for a taste."""

MARKED = 8.0
"""Percentiles from the middle at which a taste leans to one side at all."""

VERDICTS = ((85, "much the same taste"), (70, "a lot in common"), (55, "something in common"))
"""Least `Blend.alike`, and how two tastes are called from there; 50 is chance. Decided."""

LEADING = 0.15
"""Share of a member's songs from which a genre says what they are into."""

LIKED = 0.4
"""Opinion from which a song is said to be liked; a song played once is not."""

FEWEST_MEMBERS = 3
"""Members who like anything, before one is seen against them all: of fewer it would tell."""

MOST_LIKES = 400
"""Songs of a member that are compared with the catalogue; the best liked are taken."""


@dataclass(frozen=True, slots=True, eq=False)
class Liked:
    """The songs that a member likes, best liked first, as parallel rows.

    Attributes
    ----------
    tracks : tuple of Track, length k
    profiles : tuple of Profile, length k
    vectors : FloatArray, shape (k, d)
        In the space of the catalogue.
    weights : FloatArray, shape (k,)
        How much, above 0 to 1.
    since : tuple of datetime, length k
        When the member first had to do with it.
    """

    tracks: tuple[Track, ...]
    profiles: tuple[Profile, ...]
    vectors: FloatArray
    weights: FloatArray
    since: tuple[datetime, ...]

    def __len__(self) -> int:
        return len(self.tracks)


def opinions(events: Sequence[Feedback], now: datetime) -> dict[str, tuple[float, datetime]]:
    """Return the tracks that a member likes at `now`, best liked first.

    Parameters
    ----------
    events : sequence of Feedback
        Of one member.

    Returns
    -------
    dict of str to (float, datetime)
        How much, above 0 to 1, by the rules of `musrec.recommend.evidence`; and since when.
    """
    ledger = Ledger()
    ledger.learn(events)
    first: dict[str, datetime] = {}
    for event in events:
        first[event.track] = min(event.at, first.get(event.track, event.at))
    liked: dict[str, tuple[float, datetime]] = {}
    for history in ledger.histories.values():
        numbers, values = history.opinions(now.timestamp())
        for number, value in zip(numbers.tolist(), values.tolist(), strict=True):
            name = ledger.names[number]
            if value > 0:
                liked[name] = (value, first[name])
    return dict(sorted(liked.items(), key=lambda item: (-item[1][0], item[0])))


def liked(
    opinions: Mapping[str, tuple[float, datetime]],
    catalogue: Catalogue,
    rows: Mapping[str, int],
    others: Mapping[str, Heard],
    space: Space,
) -> Liked:
    """Gather the songs behind `opinions`.

    Parameters
    ----------
    opinions : mapping
        From `opinions`.
    rows : mapping of str to int
        Where each track stands in the catalogue.
    others : mapping of str to Heard
        Songs that are not in it.
    space : Space
        That of the catalogue.
    """
    found = [id_ for id_ in opinions if id_ in rows or id_ in others]
    vectors = [catalogue.vectors[rows[i]] if i in rows else others[i].place.vector for i in found]
    return Liked(
        tracks=tuple(catalogue.tracks[rows[i]] if i in rows else others[i].track for i in found),
        profiles=tuple(
            catalogue.profiles[rows[i]] if i in rows else others[i].profile for i in found
        ),
        vectors=np.stack([np.zeros(space.dimensions, np.float32), *vectors])[1:],
        weights=np.array([opinions[i][0] for i in found], np.float32),
        since=tuple(opinions[i][1] for i in found),
    )


def portrait(
    name: str,
    liked: Liked,
    usual: Mapping[str, float],
    *,
    against: str,
    now: datetime | None = None,
) -> Portrait:
    """Say what a member likes, for a picture.

    Parameters
    ----------
    name : str
    liked : Liked
        Not empty.
    usual : mapping of str to float
        From `means`, of what the member is seen against.
    against : str
        What that is.
    """
    member, shares = (
        means(liked.profiles, liked.weights),
        genres(liked.profiles, liked.tracks, liked.weights),
    )
    return Portrait(
        name=name,
        songs=len(liked),
        member=member,
        server=usual,
        against=against,
        likes=headline(member, shares),
        genres=shares,
        decades=decades(liked.tracks),
        artists=artists(liked.tracks, liked.weights),
        signature=signature(liked),
        changed=changed(liked, now or datetime.now(UTC)),
    )


def headline(member: Mapping[str, float], genres: Mapping[str, float]) -> str:
    """Return what a taste is in a few words, such as "intense metal".

    Parameters
    ----------
    member : mapping of str to float
        Mean percentile of each descriptor over the songs liked. The one farthest from the middle
        is named, and only where it is clearly on one side.
    genres : mapping of str to float
        Shares, largest first.
    """
    clear = [
        (abs(place - 50), said) for name, place in member.items() if (said := word(name, place))
    ]
    leading = [genre for genre, share in genres.items() if genre and share >= LEADING]
    if clear:
        return f"{max(clear)[1]} {leading[0] if leading else 'music'}"
    return " and ".join(leading[:2]) or "a bit of everything"


def means(
    profiles: Sequence[Profile], weights: Sequence[float] | NDArray[np.floating]
) -> dict[str, float]:
    """Return the weighted mean percentile of each descriptor over the songs that have it."""
    columns, factors = Profiles.of(profiles), np.asarray(weights, np.float64)
    known = np.isfinite(columns.percentiles)
    sums = factors @ np.where(known, columns.percentiles, 0)
    counts = factors @ known
    return {
        name: float(total / count)
        for name, total, count in zip(columns.percentile_names, sums, counts, strict=True)
        if count > 0
    }


def genres(
    profiles: Sequence[Profile], tracks: Sequence[Track], weights: Sequence[float] | FloatArray
) -> dict[str, float]:
    """Return the share of each genre, largest first, summing to 1: as heard, else as stated."""
    shares: dict[str, float] = {}
    for profile, track, weight in zip(profiles, tracks, weights, strict=True):
        stated = {track.genre.casefold(): 1.0} if track.genre else {}
        for genre, share in (profile.genres or stated).items():
            shares[genre] = shares.get(genre, 0.0) + float(weight) * share
    whole = sum(shares.values())
    ranked = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
    return {genre: share / whole for genre, share in ranked if share >= 0.005 * whole}


def decades(tracks: Iterable[Track]) -> dict[int, int]:
    """Return how many songs are of each decade, by its first year; of those whose year is known."""
    counts: dict[int, int] = {}
    for track in tracks:
        if track.year and 1000 <= track.year <= 9999:
            decade = track.year // 10 * 10
            counts[decade] = counts.get(decade, 0) + 1
    return dict(sorted(counts.items()))


def artists(tracks: Sequence[Track], weights: Sequence[float] | FloatArray) -> tuple[str, ...]:
    """Return the first artists of the tracks, those with the most weight first."""
    sums: dict[str, float] = {}
    for track, weight in zip(tracks, weights, strict=True):
        for artist in track.artists[:1]:
            sums[artist] = sums.get(artist, 0.0) + float(weight)
    return tuple(sorted(sums, key=lambda artist: -sums[artist]))


def signature(liked: Liked, count: int = SIGNATURE) -> tuple[Track, ...]:
    """Return the songs that stand best for all that is liked.

    Each is the one that brings the whole taste closest to some chosen song: the greedy solution of
    the facility location problem, at least 63% as good as the best one (Nemhauser, Wolsey and
    Fisher, "An analysis of approximations for maximizing submodular set functions", 1978).
    """
    known = l2_normalise(liked.vectors[:MOST_LIKES])
    weights = liked.weights[:MOST_LIKES]
    alike = known @ known.T
    covered = np.full(len(known), -1.0, np.float32)
    chosen: list[int] = []
    for _ in range(min(count, len(known))):
        gains = weights @ np.maximum(alike - covered[:, None], 0) * weights
        gains[chosen] = -1
        best = int(np.argmax(gains))
        chosen.append(best)
        covered = np.maximum(covered, alike[:, best])
    return tuple(liked.tracks[row] for row in chosen)


def changed(liked: Liked, now: datetime) -> str:
    """Say in one sentence what this month's songs have that earlier ones had less of, or less.

    Only what differs by more than chance is said: Welch's t above `CERTAIN`.
    """
    fresh = [since > now - MONTH for since in liked.since]
    new, old = _split(liked.profiles, fresh)
    if not new or not old:
        return ""
    songs = f"{len(new)} new song{'s' if len(new) != 1 else ''} this month"
    if min(len(new), len(old)) < FEWEST:
        return songs
    moved = max(
        ((shift, name) for name in _described((*new, *old)) if (shift := _shift(new, old, name))),
        key=lambda found: abs(found[0].certainty),
        default=None,
    )
    if moved is None or abs(moved[0].certainty) < CERTAIN:
        return f"{songs}, much like those before"
    shift, name = moved
    meaning = DEFINITIONS[name]
    return f"{songs}, {meaning.higher if shift.now > shift.before else meaning.lower} than before"


def _split(
    profiles: Sequence[Profile], first: Sequence[bool]
) -> tuple[list[Profile], list[Profile]]:
    parts: tuple[list[Profile], list[Profile]] = ([], [])
    for profile, chosen in zip(profiles, first, strict=True):
        parts[0 if chosen else 1].append(profile)
    return parts


def _described(profiles: Iterable[Profile]) -> list[str]:
    return sorted({name for profile in profiles for name in profile.percentiles})


@dataclass(frozen=True, slots=True)
class _Shift:
    before: float
    now: float
    certainty: float


def _shift(new: Sequence[Profile], old: Sequence[Profile], name: str) -> _Shift | None:
    ours, theirs = (
        np.array([p.percentiles[name] for p in profiles if name in p.percentiles])
        for profiles in (new, old)
    )
    if min(len(ours), len(theirs)) < FEWEST:
        return None
    error = math.sqrt(ours.var(ddof=1) / len(ours) + theirs.var(ddof=1) / len(theirs))
    apart = float(ours.mean() - theirs.mean())
    return _Shift(float(theirs.mean()), float(ours.mean()), apart / max(error, 1.0))


def _leaning(name: str, places: tuple[float, float]) -> str:
    """Return the word for two places on the same side, or the comparative if they are not clear."""
    meaning = DEFINITIONS[name]
    first, second = (word(name, place) for place in places)
    if first and first == second:
        return first
    return meaning.higher if places[0] > 50 else meaning.lower


def blend(
    names: tuple[str, str],
    ours: Liked,
    theirs: Liked,
    catalogue: Catalogue,
    *,
    known: frozenset[str] = frozenset(),
    count: int = 10,
) -> Blend:
    """Put two tastes together.

    Parameters
    ----------
    names : pair of str
    ours, theirs : Liked
        Neither empty.
    catalogue : Catalogue
    known : frozenset of str
        Ids of tracks that need not be recommended: one of the two knows or dislikes them.
    count : int
        How many songs for both.

    Notes
    -----
    The songs are those of `musrec.recommend.group`: best for the member they suit less.
    """
    rows = directions(catalogue)
    shared = {track.id for track in ours.tracks} & {track.id for track in theirs.tracks}
    one, other = _suited(theirs, ours, catalogue, rows), _suited(ours, theirs, catalogue, rows)
    means_of_both = (means(ours.profiles, ours.weights), means(theirs.profiles, theirs.weights))
    meet, part = _leanings(names, *means_of_both)
    common = _common_genres(ours, theirs)
    alike = round(100 * (one + other) / 2)
    both = tuple(track for track in ours.tracks if track.id in shared)
    songs = _for_both(names, catalogue, (ours, theirs), known | shared, count)
    return Blend(
        names=names,
        alike=alike,
        verdict=next((word for least, word in VERDICTS if alike >= least), "worlds apart"),
        meet=meet,
        part=part,
        genres=common,
        both=both,
        songs=songs,
        portrait=Portrait(
            name=names[0],
            against=names[1],
            title=f"{names[0]} and {names[1]}",
            songs=len(ours) + len(theirs) - len(shared),
            member=means_of_both[0],
            server=means_of_both[1],
            genres=common,
            heading="genres in common",
        ),
    )


def _suited(of: Liked, by: Liked, catalogue: Catalogue, rows: FloatArray) -> float:
    """Return how well one's songs suit the other, 0 to 1: the mean share of other songs below them.

    Each song is measured by the other's liked song nearest to it, so that a taste suits itself
    entirely however many centres it has.
    """
    songs, own = (l2_normalise(liked.vectors[:MOST_LIKES]) for liked in (of, by))
    others = rows[~mine(catalogue, (track.id for track in by.tracks))]
    near, usual = ((each @ own.T).max(axis=1, initial=-1.0) for each in (songs, others))
    places = group.percentiles(near, usual)
    return float(np.average(places, weights=of.weights[:MOST_LIKES]))


def _leanings(
    names: tuple[str, str], ours: Mapping[str, float], theirs: Mapping[str, float]
) -> tuple[tuple[str, ...], str]:
    """Return what both lean to, strongest first, and where they are farthest apart."""
    both = [name for name in DEFINITIONS if name in ours and name in theirs]

    meeting = [
        (min(abs(ours[name] - 50), abs(theirs[name] - 50)), name)
        for name in both
        if (ours[name] - 50) * (theirs[name] - 50) > 0
    ]
    meet = tuple(
        _leaning(name, (ours[name], theirs[name]))
        for strength, name in sorted(meeting, reverse=True)
        if strength >= MARKED
    )
    apart = max(both, key=lambda name: abs(ours[name] - theirs[name]), default=None)
    if apart is None or abs(ours[apart] - theirs[apart]) < 2 * MARKED:
        return meet, ""
    words = DEFINITIONS[apart].lower, DEFINITIONS[apart].higher
    first, second = words if ours[apart] < theirs[apart] else words[::-1]
    return meet, f"{names[0]} likes it {first}, {names[1]} {second}"


def _common_genres(ours: Liked, theirs: Liked) -> dict[str, float]:
    one, other = (genres(liked.profiles, liked.tracks, liked.weights) for liked in (ours, theirs))
    common = {name: min(share, other[name]) for name, share in one.items() if name in other}
    ranked = sorted(common.items(), key=lambda item: (-item[1], item[0]))
    return {name: share for name, share in ranked if share >= 0.01}


def _for_both(
    names: tuple[str, str],
    catalogue: Catalogue,
    likes: tuple[Liked, Liked],
    known: frozenset[str],
    count: int,
) -> tuple[Shared, ...]:
    """Return songs new to both that suit each at least a little."""
    profiles = [group.user_profile(liked.vectors, liked.weights) for liked in likes]
    suits = group.suitability(catalogue, profiles)
    picks = group.recommend(catalogue, suits, count=count, known=known)
    return tuple(
        Shared(
            catalogue.tracks[pick.row],
            catalogue.profiles[pick.row],
            round(100 * ours),
            round(100 * theirs),
            _suits(names, ours, theirs),
        )
        for pick in picks
        for ours, theirs in [pick.suits.tolist()]
        if min(ours, theirs) >= group.A_LITTLE
    )


def _suits(names: tuple[str, str], ours: float, theirs: float) -> str:
    """Say how well a song suits both members, the better suited first."""
    first, second = map(group.suits_word, (ours, theirs))
    if first == second:
        return f"suits both {first}"
    said = [f"{names[0]} {first}", f"{names[1]} {second}"]
    return f"suits {', '.join(said if ours > theirs else said[::-1])}"


def mine(catalogue: Catalogue, liked: Iterable[str]) -> NDArray[np.bool_]:
    """Return (n,) which songs of the catalogue are among those ids."""
    found = np.zeros(len(catalogue), bool)
    found[Tracks.of(catalogue.tracks).rows(liked)] = True
    return found
