"""Words for a score: a friend's tip from its largest terms, and the evidence behind each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from musrec import wording
from musrec.audio.descriptors import AXES, DEFINITIONS, TAG_KINDS, said_tags, word
from musrec.model import Closeness, Explanation, Profile, Term, Track, TraitKind

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

_SAME_TEMPO = 1.06
"""The largest ratio of two tempi that count as the same."""

_OTHER_TEMPO = 1.2
"""The least ratio of two tempi from which one song is called faster."""

LONGEST_TITLE = 40
"""Characters of a title in a sentence."""

Property = tuple[TraitKind, str]


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
    """Return a track's title in quotation marks, cut when long, for use in a sentence."""
    name = track.title
    if len(name) > LONGEST_TITLE:
        name = name[: LONGEST_TITLE - 1].rstrip(" ,;:-([") + "…"
    return f"“{name}”"


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


def shared_traits(query: Profile, pick: Profile, usual: Mapping[str, float]) -> list[Property]:
    """Return the audible properties of two songs that may be named.

    Tags of which both songs have clearly more than the catalogue and enough to say them
    (`musrec.audio.descriptors.said_tags`), the most unusual first; descriptors by which both are
    clearly marked, the most marked first; the tempo within 6%; the key.

    Parameters
    ----------
    usual : mapping of str to float
        Mean share of each tag in the catalogue.
    """
    mine, theirs = said_tags(query.tags), said_tags(pick.tags)
    lifts = {
        tag: min(mine[tag], theirs[tag]) / (usual.get(tag, 0.0) + 0.05)
        for tag in mine
        if tag in theirs
    }
    tags = sorted((tag for tag, lift in lifts.items() if lift > 1.2), key=lambda tag: -lifts[tag])
    found: list[Property] = [("tag", tag) for tag in tags]
    places = {
        name: (place, pick.percentiles.get(name, 50.0))
        for name, place in query.percentiles.items()
        if name in DEFINITIONS and name != "tempo"
    }
    both = {
        name: min(abs(a - 50), abs(b - 50))
        for name, (a, b) in places.items()
        if word(name, a) and word(name, a) == word(name, b)
    }
    found += [("descriptor", name) for name in sorted(both, key=lambda name: -both[name])]
    if query.tempo and pick.tempo and 1 / _SAME_TEMPO <= pick.tempo / query.tempo <= _SAME_TEMPO:
        found.append(("tempo", ""))
    if query.key and query.key == pick.key:
        found.append(("key", ""))
    return found


def _faster(query: Profile, pick: Profile) -> float:
    """Return how many times faster a pick is; 1 where another count of either makes it unsure."""
    ratios = [
        its / ours
        for ours in (query.tempo, query.other_tempo)
        for its in (pick.tempo, pick.other_tempo)
        if ours and its
    ]
    if ratios and (min(ratios) > 1.0 or max(ratios) < 1.0):
        return min(ratios, key=lambda ratio: abs(math.log(ratio)))
    return 1.0


def sound_evidence(
    query: Profile | None, pick: Profile, usual: Mapping[str, float], near: str
) -> str:
    """Return how similar two songs are and what they audibly share, with numbers.

    Parameters
    ----------
    query : Profile or None
        With nothing but what may be named.
    usual : mapping of str to float
        Mean share of each tag in the catalogue.
    near : str
        How similar they are, from `near_evidence`.
    """
    shared = shared_traits(query, pick, usual) if query is not None else []
    parts = []
    for kind, name in shared:
        assert query is not None
        if kind == "tag":
            parts.append(f"both sound {_word(name)}")
        elif kind == "descriptor":
            a, b = query.percentiles[name], pick.percentiles[name]
            meaning = DEFINITIONS[name]
            compared = meaning.higher if a > 50 else meaning.lower
            least = min(a, b) if a > 50 else 100 - max(a, b)
            parts.append(f"both are {compared} than {least:.0f}% of songs")
        elif kind == "tempo":
            a, b = round(query.tempo or 0), round(pick.tempo or 0)
            told = wording.tempo(b)
            parts.append(f"both are at {told}" if a == b else f"they are at {a} and {told}")
        else:
            parts.append(f"both are in {query.key}")
    return "; ".join((near, *parts[:4]))


def near_evidence(closeness: Closeness | None, asked: str) -> str:
    """Return how similar a song sounds to the query, as it reads in a sentence."""
    if closeness is Closeness.STRETCH:
        return f"it is a stretch from {asked}"
    return f"it sounds {closeness} to {asked}" if closeness else f"it sounds like {asked}"


def _word(tag: str) -> str:
    """Return how a tag reads after "both sound"."""
    words = tag.lower()
    music = TAG_KINDS.get(tag) == "genre" and words not in _ADJECTIVES
    return SPOKEN.get(tag) or (f"like {words}" if music else words)


@dataclass(frozen=True, slots=True)
class Pair:
    """What the sentence of a pick may say.

    Attributes
    ----------
    track : Track
        The pick.
    asked : str
        What was asked about, as it reads in a sentence; empty for nothing.
    like : Track or None
        The member's like that it resembles.
    profiles : pair of Profile, or None
        Of the song asked about, or of the like, and of the pick.
    years : pair of int or None
        Of the same two.
    traits : sequence of (kind, name)
        What both share and may be named, the most important first.
    closeness : Closeness or None
    fans : int
        Members with something in common who like it.
    causes : sequence of str
        Names of the terms to speak of, largest first.
    """

    track: Track
    asked: str
    like: Track | None
    profiles: tuple[Profile, Profile] | None
    years: tuple[int | None, int | None]
    traits: Sequence[Property]
    closeness: Closeness | None
    fans: int
    causes: Sequence[str]


def sentences(pair: Pair) -> list[str]:
    """Return what may be said of a pick, the most telling first; the last is of this pick alone."""
    main = pair.causes[0] if pair.causes else ""
    by_cause = {
        "sound": _of_sound,
        "members": _of_members,
        "taste": _of_taste,
    }
    found = by_cause[main](pair) if main in by_cause else []
    if main == "popularity":
        found += ["Others like this one already.", "A safe bet: it is well known."]
    if not found:
        found = _turned(list(_OF_NOTHING), pair.track)
    alone = f"{title(pair.track)} by {pair.track.artist}"
    if pair.asked and main == "sound":
        found.append(f"Try {alone} after {pair.asked}.")
    elif pair.like is not None and main == "taste":
        found.append(f"Try {alone} after {title(pair.like)}.")
    else:
        found.append(f"Give {alone} a try.")
    return list(dict.fromkeys(found))


_OF_NOTHING = (
    "Worth a listen.",
    "This could be one for you.",
    "One I would put on next.",
    "See what you make of this one.",
)
"""What is said where nothing in particular counted."""


def tell_apart(options: Sequence[Sequence[str]]) -> list[str]:
    """Choose one sentence per pick: none twice, and first words as different as can be.

    Parameters
    ----------
    options : sequence of sequences of str
        From `sentences`, one per pick.
    """
    chosen: list[str] = []
    first: Counter[str] = Counter()
    for each in options:
        best = min(
            range(len(each)),
            key=lambda place: (each[place] in chosen, first[each[place].split()[0]], place),
        )
        chosen.append(each[best])
        first[each[best].split()[0]] += 1
    return chosen


def _of_sound(pair: Pair) -> list[str]:
    asked = pair.asked
    if pair.closeness is Closeness.STRETCH:
        alike = [
            f"A leap from {asked}, but worth a try.",
            f"Not quite {asked}, but give it a chance.",
            f"Further from {asked} than usual, in case you feel brave.",
            f"Something different after {asked}.",
        ]
    else:  # how close they sound stands beside the sentence
        alike = [
            f"Cut from the same cloth as {asked}.",
            f"You can play this right after {asked}.",
            f"In the same vein as {asked}.",
            f"If {asked} works for you, so should this.",
            f"Goes well with {asked}.",
            f"Right at home next to {asked}.",
        ]
    return [*_of_traits(pair, asked), *_turned(alike, pair.track)]


def _of_traits(pair: Pair, other: str) -> list[str]:
    """Return sentences that name what is shared, and what sets the pick apart from the other."""
    words, genre, kinds = _traits_in_words(pair)
    contrast = _contrast(pair)
    adjectives = [each for each in words if each not in _NEVER_ALONE]
    degrees = [each for each in words if each not in HAS]
    has = next((HAS[each] for each in words if each in HAS), "")
    found = []
    if contrast and degrees:
        found.append(f"As {degrees[0]} as {other}, but {contrast}.")
    elif contrast and has:
        found.append(f"{_capital(has)} as in {other}, but {contrast}.")
    if adjectives and genre:
        found.append(f"{_capital(adjectives[0])} {genre}, in the spirit of {other}.")
    elif genre:
        found.append(f"More {genre} in the vein of {other}.")
    if decade := _decade(pair.years):
        what = genre or (f"the same {words[0]} mood" if words and words[0] in _MOODY else "")
        if what:
            found.append(f"Like {other}, {what}, but from {decade}.")
    if len(adjectives) > 1:
        found.append(f"{_capital(adjectives[0])} and {adjectives[1]}, just like {other}.")
        found.append(f"Both this and {other} are {adjectives[0]} and {adjectives[1]}.")
    if degrees:
        found.append(f"If you like how {degrees[0]} {other} is, try this.")
        found.append(f"Every bit as {degrees[0]} as {other}.")
    if has:
        found.append(f"Has {has}, just like {other}.")
        found.append(f"Another one with {has}, like {other}.")
    found += _of_pulse(pair, kinds, other)
    return _turned(found, pair.track)


def _turned(found: list[str], track: Track) -> list[str]:
    """Return sentences that are equally telling from another one on for every song."""
    shift = sum(track.id.encode()) % len(found) if found else 0
    return found[shift:] + found[:shift]


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]


def _of_pulse(pair: Pair, kinds: set[str], other: str) -> list[str]:
    if kinds >= {"tempo", "key"}:
        return [f"Same tempo and key as {other}, so the two mix well."]
    if "tempo" in kinds:
        return [f"Moves at the same tempo as {other}."]
    if "key" in kinds and pair.profiles:
        return [f"Stays in {pair.profiles[0].key}, like {other}."]
    return []


HAS: Mapping[str, str] = {
    "acoustic": "an acoustic sound",
    "electronic": "an electronic sound",
    **wording.HAS,
    "instrumental": "an instrumental sound",
    "vintage": "a vintage sound",
    "modern": "a modern sound",
    "clean": "a clean sound",
    "alternative": "an alternative sound",
    "indie": "an indie sound",
    "ambient": "an ambient sound",
    "experimental": "an experimental sound",
    "female-voiced": "a female voice",
    "male-voiced": "a male voice",
    "guitar-led": "a guitar up front",
}
"""What a song has of which nobody says that it is as acoustic, or as vocal, as another."""

_NEVER_ALONE = {*wording.HAS, "clean"}
"""Words that do not describe a song unless it is said what of it: strong vocals."""

_MOODY = {"calm", "intense", "sad", "happy", "dreamy"}


def _traits_in_words(pair: Pair) -> tuple[list[str], str, set[str]]:
    """Return the adjectives of what is shared, a genre or "", and the kinds of property."""
    words: list[str] = []
    genre, said = "", []
    places = pair.profiles[1].percentiles if pair.profiles else {}
    for kind, name in pair.traits:
        if kind == "tag":
            music = TAG_KINDS.get(name) == "genre" and name not in _ADJECTIVES
            read = SPOKEN.get(name, name.lower())
            said.append(name)
            if music:
                genre = genre or read.removeprefix("like ")
            elif not read.startswith(("like ", "made ")):
                words.append(read)
    for kind, name in pair.traits:
        # Read off a tag that was said already: "electronic", and "more electronic".
        repeated = name in AXES and any(tag in (*AXES[name].high, *AXES[name].low) for tag in said)
        if kind == "descriptor" and not repeated:
            words.append(word(name, places.get(name, 50.0)))
    return words, genre, {kind for kind, _ in pair.traits}


def _contrast(pair: Pair) -> str:
    """Return what the pick is by comparison, such as "faster"; empty if nothing stands out."""
    if pair.profiles is None:
        return ""
    one, other = pair.profiles
    ratio = _faster(one, other)
    if ratio >= _OTHER_TEMPO:
        return "faster"
    if ratio <= 1 / _OTHER_TEMPO:
        return "slower"
    apart = {
        name: other.percentiles[name] - place
        for name, place in one.percentiles.items()
        if name in other.percentiles and name in DEFINITIONS and name != "tempo"
    }
    most = max(apart, key=lambda name: abs(apart[name]), default="")
    if not most or abs(apart[most]) < 40:
        return ""
    return DEFINITIONS[most].higher if apart[most] > 0 else DEFINITIONS[most].lower


def _decade(years: tuple[int | None, int | None]) -> str:
    """Return the decade of the pick, such as "the 1990s", if the other song is of another."""
    one, other = years
    if not one or not other or one // 10 == other // 10:
        return ""
    return f"the {other // 10 * 10}s"


def _of_members(pair: Pair) -> list[str]:
    who = "Another member" if pair.fans == 1 else "Members"
    s = "s" if pair.fans == 1 else ""
    if pair.asked and not pair.like:
        return [
            f"{who} who like{s} {pair.asked} like{s} this too.",
            f"Liked here by {who.lower()} who like{s} {pair.asked}.",
        ]
    return [
        f"{who} with your taste like{s} this.",
        f"Liked by {who.lower()} who share{s} your likes.",
        f"Going by {who.lower()} with likes like yours, this is for you.",
    ]


def _of_taste(pair: Pair) -> list[str]:
    if pair.like is None:
        return [
            "Right up your street.",
            "This fits what you like.",
            "Your kind of sound.",
            "Made for your taste.",
        ]
    like = title(pair.like)
    return [
        *_of_traits(pair, like),
        *_turned(
            [
                f"You like {like}, so try this.",
                f"Sits well next to {like}.",
                f"Reminds me of {like}, which you like.",
                f"Close in spirit to {like}, one of your likes.",
                f"A good neighbour for {like}.",
            ],
            pair.track,
        ),
    ]


LABELS: Mapping[str, str] = {
    "sound": "Sound",
    "members": "Other members",
    "taste": "Taste",
    "freshness": "Heard before",
    "popularity": "Popularity",
    "variety": "Variety",
}
"""What the terms are called under *Why?*."""


def explanation(
    sentence: str, terms: Sequence[Term], causes: Sequence[str], cause: Cause | None
) -> Explanation:
    """Return the words for one pick.

    Parameters
    ----------
    sentence : str
        From `sentences`.
    terms : sequence of Term
        All terms of the score.
    causes : sequence of str
        Names of the terms that the sentence speaks of.
    cause : Cause or None
        What the counterfactual takes away.
    """
    details = tuple(
        f"{LABELS[term.name]}: {term.because}"
        for term in sorted(terms, key=lambda term: -abs(term.value))
        if term.because
    )
    counterfactual = ""
    if cause is not None and cause.without > cause.rank:
        counterfactual = (
            f"Without {cause.what} it would be {ordinal(cause.without)} of {cause.candidates}"
            f" instead of {ordinal(cause.rank)}."
        )
    return Explanation(sentence, details, counterfactual, tuple(causes))


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


def taste_evidence(like: Track) -> str:
    """Return which of the member's likes a track sounds most like."""
    return f"of the songs you like, it sounds most like {title(like)}"


def _choose(seed: str, choices: Sequence[str]) -> str:
    return choices[sum(seed.encode()) % len(choices)]
