"""The songs of a server's mixtape: what its members agree on, and what divides them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from musrec.columns import Tracks
from musrec.drops.choice import Choice
from musrec.drops.model import Part
from musrec.model import Catalogue, Explanation, Feedback, FeedbackKind, Pick, Term, Track
from musrec.recommend import group

LIKE, DISLIKE = FeedbackKind.LIKE, FeedbackKind.DISLIKE


def mixtape(
    catalogue: Catalogue,
    opinions: Mapping[str, Sequence[Feedback]],
    *,
    size: int = 5,
    recent: frozenset[str] = frozenset(),
) -> list[Choice]:
    """Choose songs for several members: what they agree on, then what divides them.

    The songs are those of `musrec.recommend.group`. No song that one of them liked already or has a
    thumb down on is picked.

    Parameters
    ----------
    opinions : mapping of member to their feedback
        Members without a like in the catalogue are left out.

    Returns
    -------
    list of Choice
        At most `size`, of as many artists; a fifth of them, at least one if there are two members,
        from what divides them.
    """
    row_of = Tracks.of(catalogue.tracks).row_of
    liked = {
        member: [row_of[e.track] for e in events if e.kind is LIKE and e.track in row_of]
        for member, events in opinions.items()
    }
    members = [member for member, rows in liked.items() if rows]
    if not members:
        return []
    profiles = [group.user_profile(catalogue.vectors[liked[member]]) for member in members]
    picks = group.recommend(
        catalogue,
        group.suitability(catalogue, profiles),
        count=size,
        divisive=max(1, size // 5) if len(members) > 1 and size > 1 else 0,
        known=frozenset(e.track for ev in opinions.values() for e in ev if e.kind.explicit)
        | recent,
    )
    return [_choice(catalogue, members, pick) for pick in picks]


def _choice(catalogue: Catalogue, members: Sequence[str], pick: group.GroupPick) -> Choice:
    """Describe how well a song suits each of several members."""
    places = pick.suits
    least, most = float(places.min()), float(places.max())
    if pick.divisive:
        part, words, value = Part.APART, "What you do not agree on.", most - least
        listeners = [m for m, place in zip(members, places, strict=True) if place == places.max()]
        sentence = "It suits one of you far better than another."
        who = "one of you" if len(listeners) == 1 else f"{len(listeners)} of you"
        because = f"it suits {who} {group.suits_word(most)}, and another {group.suits_word(least)}"
    else:
        part, words, value = Part.TOGETHER, "What you agree on.", least
        listeners = list(members)
        who = {1: "the one of you who joined", 2: "both of you"}.get(
            len(members), f"all {len(members)} of you"
        )
        sentence = f"It suits {who}."
        because = f"it suits {who} {group.suits_word(least)}"
    shown = Pick(
        track=catalogue.tracks[pick.row],
        score=value,
        closeness=None,  # nearness to tastes, not the likeness of two songs
        terms=(Term("members", value, because),),
        explanation=Explanation(sentence, causes=("members",)),
        profile=catalogue.profiles[pick.row],
    )
    return Choice(part, shown, words, listeners=tuple(listeners))


def likes(events: Iterable[Feedback]) -> bool:
    """Whether there is a like among some feedback."""
    return any(event.kind is LIKE for event in events)


def common_ground(
    opinions: Mapping[str, Sequence[Feedback]], tracks: Mapping[str, Track]
) -> list[str]:
    """Name the songs that most agree on, and that most are divided about."""
    ups, downs = (
        Counter(e.track for events in opinions.values() for e in events if e.kind is kind)
        for kind in (LIKE, DISLIKE)
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
