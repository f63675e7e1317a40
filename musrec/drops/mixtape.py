"""The songs of a server's mixtape: what its members agree on, and what divides them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from musrec.drops.choice import Choice
from musrec.drops.model import Part
from musrec.model import Catalogue, Explanation, Feedback, FeedbackKind, Pick, Term, Track
from musrec.recommend.taste import unit
from musrec.recommend.variety import main_artist, recording

if TYPE_CHECKING:
    from musrec.model import FloatArray


def mixtape(
    catalogue: Catalogue,
    opinions: Mapping[str, Sequence[Feedback]],
    *,
    size: int = 5,
    recent: frozenset[str] = frozenset(),
) -> list[Choice]:
    """Choose songs for several members: what they agree on, then what divides them.

    A song is as near to a member as the mean of their likes is to it (cosine), told as the share
    of the catalogue that is less near. They agree where the least pleased is pleased most ("least
    misery": Masthoff, Group Recommender Systems, 2015), and are divided where the two ends are
    furthest apart. No song that one of them liked already or has a thumb down on is picked.

    Parameters
    ----------
    opinions : mapping of member to their feedback
        Members without a like in the catalogue are left out.

    Returns
    -------
    list of Choice
        At most `size`, of as many artists; a fifth of them, at least one where there are two
        members, from what divides them.
    """
    row_of = {track.id: row for row, track in enumerate(catalogue.tracks)}
    members, places = _nearness(catalogue, opinions, row_of)
    if not members:
        return []
    known = {e.track for events in opinions.values() for e in events if e.kind.explicit} | recent
    taken = {recording(catalogue.tracks[row_of[id_]]) for id_ in known if id_ in row_of}
    artists: set[str] = set()
    chosen: list[Choice] = []

    def take(order: FloatArray, until: int, part: Part) -> None:
        for row in np.argsort(-order, kind="stable"):
            track = catalogue.tracks[row]
            if len(chosen) >= until:
                return
            if recording(track) in taken or main_artist(track) in artists:
                continue
            taken.add(recording(track))
            artists.update({main_artist(track)} - {""})
            chosen.append(_shared(catalogue, int(row), members, places[:, row], part))

    apart = max(1, size // 5) if len(members) > 1 and size > 1 else 0
    least, most = places.min(axis=0), places.max(axis=0)
    take(least + places.mean(axis=0) / 1000, size - apart, Part.TOGETHER)
    if apart:
        take(most - least, size, Part.APART)
    return chosen


def _nearness(
    catalogue: Catalogue, opinions: Mapping[str, Sequence[Feedback]], row_of: Mapping[str, int]
) -> tuple[list[str], FloatArray]:
    """Return members and (members, n), 0 to 100: the share of songs less near to each."""
    liked = {
        member: [
            row_of[event.track]
            for event in events
            if event.kind is FeedbackKind.LIKE and event.track in row_of
        ]
        for member, events in opinions.items()
    }
    members = [member for member, rows in liked.items() if rows]
    if not members:
        return [], np.zeros((0, len(catalogue)), np.float32)
    vectors = unit(catalogue.vectors)
    tastes = np.stack([vectors[liked[member]].mean(axis=0) for member in members])
    order = np.argsort(np.argsort(tastes @ vectors.T, axis=1), axis=1)
    return members, (100.0 * order / len(catalogue)).astype(np.float32)


def _shared(
    catalogue: Catalogue, row: int, members: list[str], places: FloatArray, part: Part
) -> Choice:
    """Describe how near a song is to each of several members."""
    least, most = int(places.min()), int(places.max())
    if part is Part.APART:
        listeners = [m for m, place in zip(members, places, strict=True) if place == places.max()]
        because = (
            f"closer to what {'they like' if len(listeners) > 1 else 'one of you likes'} than "
            f"{most}% of the songs here; to another of you it is closer than {least}%"
        )
        words, value = "What you do not agree on.", float(places.max() - places.min())
    else:
        listeners = members
        who = {1: "the one of you who joined likes", 2: "both of you like"}.get(
            len(members), f"each of the {len(members)} of you likes"
        )
        because = f"closer than {least}% of the songs here to what {who}"
        words, value = "What you agree on.", float(places.min())
    pick = Pick(
        track=catalogue.tracks[row],
        score=value / 100,
        match=least if part is Part.TOGETHER else most,
        terms=(Term("members", value / 100, because),),
        explanation=Explanation(f"{because[0].upper()}{because[1:]}.", causes=("members",)),
        profile=catalogue.profiles[row],
    )
    return Choice(part, pick, words, listeners=tuple(listeners))


def likes(events: Iterable[Feedback]) -> bool:
    """Whether there is a like among some feedback."""
    return any(event.kind is FeedbackKind.LIKE for event in events)


def common_ground(
    opinions: Mapping[str, Sequence[Feedback]], tracks: Mapping[str, Track]
) -> list[str]:
    """Name the songs that most agree on, and that most are divided about."""
    ups, downs = (
        Counter(e.track for events in opinions.values() for e in events if e.kind is kind)
        for kind in (FeedbackKind.LIKE, FeedbackKind.DISLIKE)
    )
    lines = []
    agreed = {track: count for track, count in ups.items() if count > 1 and not downs[track]}
    if agreed:
        best = max(agreed, key=lambda track: (agreed[track], track))
        lines.append(f"You agree on “{tracks[best].title}”: {agreed[best]} 👍.")
    divided = {track: min(count, downs[track]) for track, count in ups.items() if downs[track]}
    if divided:
        most = max(divided, key=lambda track: (divided[track], ups[track], track))
        lines.append(
            f"You are of two minds about “{tracks[most].title}”: {ups[most]} 👍, {downs[most]} 👎."
        )
    return lines
