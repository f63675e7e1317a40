"""Words for a score: the sentence names its largest terms, with the number behind each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from musrec import wording
from musrec.audio.descriptors import AXES, DEFINITIONS, TAG_KINDS
from musrec.model import Closeness, Explanation, Profile, Term, Track

SPOKEN: Mapping[str, str] = {
    "female vocalists": "female-voiced",
    "female vocalist": "female-voiced",
    "male vocalists": "male-voiced",
    "guitar": "guitar-led",
    "chillout": "chilled-out",
    "party": "made for a party",
    "dance": "made for dancing",
    "00s": "like the 2000s",
    "90s": "like the 90s",
    "80s": "like the 80s",
    "70s": "like the 70s",
    "60s": "like the 60s",
    "oldies": "like oldies",
    "rnb": "like R&B",
    "easy listening": "like easy listening",
}
"""How a tag reads after "both sound".

Of all other tags, a genre follows "like" ("like jazz") and the rest are adjectives ("sad").
"""

_ADJECTIVES = {"alternative", "indie", "electronic", "ambient", "experimental"}
"""Genres that are adjectives all the same."""

_SAME_TEMPO = 0.06
_AUDIBLE = 0.1


@dataclass(frozen=True, slots=True)
class Cause:
    """What the rank of a pick depends on most: one like, or one term.

    Attributes
    ----------
    what : str
        As it reads after "without".
    rank, without : int
        Rank among all candidates, from 1, with it and without it.
    candidates : int
    """

    what: str
    rank: int
    without: int
    candidates: int


def title(track: Track) -> str:
    """Return a track's title in quotation marks, for use in a sentence."""
    return f"“{track.title}”"


def ordinal(number: int) -> str:
    """Return 1st, 2nd, 3rd, 4th ..."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10)
    return f"{number}{ending or 'th'}"


MEANING: Mapping[str, str] = {
    "sound": "how much it sounds like the song you asked about",
    "members": "what members who like the same songs have in common",
    "taste": "how well its sound fits what you like",
    "freshness": "how long ago you heard it",
    "popularity": "how well known it is",
}
"""What a term of a score stands for, used when there is no particular evidence to name."""


def members_word(count: int) -> str:
    """Return "1 member", "2 members" ..."""
    return f"{count} member{'' if count == 1 else 's'}"


def sound_evidence(
    query: Profile | None, pick: Profile, usual: Mapping[str, float], near: str
) -> str:
    """Return what two songs audibly share, with numbers; failing that, how similar they are.

    Parameters
    ----------
    usual : mapping of str to float
        Mean share of each tag in the catalogue; a tag is named if both songs have clearly more.
    near : str
        How similar they are, from `near_evidence`.
    """
    if query is None:
        return near
    tags = _shared_tags(query, pick, usual)
    parts = [f"{_word(tag)} ({query.tags[tag]:.0%} and {pick.tags[tag]:.0%})" for tag in tags]
    words = [f"both sound {' and '.join(parts)}" if parts else near]
    words += _shared_rest(query, pick, tags)
    return words[0] if len(words) == 1 else f"{words[0]}, {' and '.join(words[1:3])}"


def near_evidence(closeness: Closeness | None, likeness: float, asked: str) -> str:
    """Return how similar a song is to the query.

    Parameters
    ----------
    closeness : Closeness or None
    likeness : float
        Cosine of their vectors; below 0 is told as 0.
    asked : str
        The query, as it reads in a sentence.
    """
    told = f"{max(likeness, 0):.2f} of 1"
    if closeness is None or closeness is Closeness.STRETCH:
        return f"its likeness in sound to {asked} is {told}"
    return f"it sounds {closeness} to {asked} ({told})"


def _shared_tags(query: Profile, pick: Profile, usual: Mapping[str, float]) -> list[str]:
    lifts = {
        tag: min(share, pick.tags.get(tag, 0.0)) / (usual.get(tag, 0.0) + 0.05)
        for tag, share in query.tags.items()
        if min(share, pick.tags.get(tag, 0.0)) >= _AUDIBLE
    }
    best = sorted((t for t, lift in lifts.items() if lift > 1.2), key=lambda t: -lifts[t])
    chosen: list[str] = []
    for tag in best:
        if not any(_same(tag, other) for other in chosen):
            chosen.append(tag)
        if len(chosen) == 2:
            break
    # "both sound sad and like jazz", never "like jazz and sad".
    return sorted(chosen, key=lambda tag: _word(tag).startswith("like "))


def _same(tag: str, other: str) -> bool:
    """Return whether one tag only repeats the other, as rock after classic rock does."""
    one, two = (_word(name).removeprefix("like ") for name in (tag, other))
    return one in two or two in one


def _word(tag: str) -> str:
    """Return how a tag reads after "both sound"."""
    words = tag.lower()
    music = TAG_KINDS.get(tag) == "genre" and words not in _ADJECTIVES
    return SPOKEN.get(tag) or (f"like {words}" if music else words)


def _shared_rest(query: Profile, pick: Profile, said: Sequence[str]) -> list[str]:
    words = []
    if query.tempo and pick.tempo and abs(np.log2(query.tempo / pick.tempo)) < _SAME_TEMPO:
        a, b = round(query.tempo), round(pick.tempo)
        words.append(f"both at {wording.tempo(a)}" if a == b else f"at {a} and {wording.tempo(b)}")
    extremes = []
    for name, place in query.percentiles.items():
        other = pick.percentiles.get(name)
        if other is None or not np.isfinite(place) or not np.isfinite(other):
            continue
        if name in AXES and any(tag in AXES[name].high + AXES[name].low for tag in said):
            continue  # "electronic, and more electronic than 98% of songs"
        if min(place, other) >= 75:
            extremes.append((min(place, other), DEFINITIONS[name].higher))
        elif max(place, other) <= 25:
            extremes.append((100 - max(place, other), DEFINITIONS[name].lower))
    if extremes:
        most = sorted(extremes, reverse=True)[:2]
        than = " and ".join(f"{word} than {share:.0f}%" for share, word in most)
        words.append(f"both {than} of songs")
    if query.key and query.key == pick.key:
        words.append(f"both in {query.key}")
    return words


def explanation(
    track: Track, terms: Sequence[Term], causes: Sequence[str], cause: Cause | None, left: int
) -> Explanation:
    """Return the words for one pick.

    Parameters
    ----------
    terms : sequence of Term
        All terms of the score.
    causes : sequence of str
        Names of the one or two terms to mention, largest first; empty if none speaks for the pick.
    cause : Cause or None
        What the counterfactual takes away.
    left : int
        Number of candidates.
    """
    by_name = {term.name: term for term in terms}
    reasons = [by_name[name].because for name in causes if by_name[name].because]
    if reasons:
        joint = _choose(track.id, ("; ", "; and ", ", and "))
        sentence = joint.join(reasons)
    elif left == 1:
        sentence = "it is the 1 song left that fits"
    else:
        best = f"{sum(term.value for term in terms):+.2f}"
        sentence = f"no single reason stands out: its score of {best} leads the {left} songs left"
    details = tuple(
        f"{term.name} {term.value:+.2f}" + (f": {term.because}" if term.because else "")
        for term in sorted(terms, key=lambda term: -abs(term.value))
        if term.value or term.because
    )
    counterfactual = ""
    if cause is not None and cause.without > cause.rank:
        counterfactual = (
            f"Without {cause.what} it would be {ordinal(cause.without)} of {cause.candidates}"
            f" instead of {ordinal(cause.rank)}."
        )
    return Explanation(
        sentence[0].upper() + sentence[1:] + ".", details, counterfactual, tuple(causes)
    )


def members_evidence(track: Track, supporters: int, shared: int) -> str:
    """Return how many members with likes in common with the one asking like a track."""
    if not supporters:
        return ""
    likes = f"{shared} of your likes" if shared > 1 else "1 of your likes"
    who = members_word(supporters)
    verb = "likes" if supporters == 1 else "like"
    return _choose(
        track.id,
        (
            f"{who} who share{'s' if supporters == 1 else ''} {likes} {verb} it",
            f"it is liked by {who} with {likes} in common",
            f"{who} who {verb} it share{'s' if supporters == 1 else ''} {likes}",
        ),
    )


def asked_evidence(asked: str, supporters: int) -> str:
    """Return how many members like both this track and the song asked about."""
    verb = "likes" if supporters == 1 else "like"
    return f"{members_word(supporters)} who {verb} {asked} {verb} it too"


def taste_evidence(track: Track, like: Track, likeness: float) -> str:
    """Return which of the member's likes a track is most like, and how like it (cosine)."""
    return _choose(
        track.id,
        (
            f"of the songs you like, it sounds most like {title(like)} ({likeness:.2f} of 1)",
            f"you like {title(like)}, which sounds like it ({likeness:.2f} of 1)",
            f"among your likes, {title(like)} sounds most like it ({likeness:.2f} of 1)",
        ),
    )


def _choose(seed: str, choices: Sequence[str]) -> str:
    return choices[sum(seed.encode()) % len(choices)]
