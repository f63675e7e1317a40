"""What is in a week's issue of a drop or a mixtape, and what its messages say."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from musrec.drops.choice import Choice, listed, most_liked, personal, songs_around, with_likes
from musrec.drops.mixtape import common_ground, likes, mixtape
from musrec.drops.model import Issue, Part, Post
from musrec.drops.newcomers import artists_to_ask
from musrec.drops.ports import Library
from musrec.model import Answer, Feedback, FeedbackKind, Heard, Track

SEASON = timedelta(days=91)
"""No song comes twice in a drop within it."""

_LIKES_LOOKED_AT = 30


@dataclass(frozen=True, slots=True)
class Composed:
    """What was decided for an issue.

    Attributes
    ----------
    answers : mapping of str to Answer
        Id to the answer that a post features, each with one pick.
    arms : mapping of str to str
        Track to what it was chosen by, where that is known.
    """

    posts: tuple[Post, ...]
    answers: Mapping[str, Answer]
    arms: Mapping[str, str]


async def compose(library: Library, issue: Issue, now: datetime) -> Composed:
    """Decide what is in an issue; each song becomes an answer of its own."""
    if issue.drop.member is None:
        opening, choices = await _mixtape(library, issue, now)
    else:
        opening, choices = await _personal(library, issue, issue.drop.member, now)
    posts, answers = [opening], dict[str, Answer]()
    for position, choice in enumerate(choices, start=1):
        query = choice.query
        answer = Answer(
            query=query.track if query else None,
            analysis=query.analysis if query else None,
            profile=query.profile if query else None,
            picks=(choice.pick,),
        )
        kept = secrets.token_urlsafe(8)
        answers[kept] = answer
        track = choice.pick.track.id
        posts.append(Post(position, choice.part, choice.words, track, kept, choice.listeners))
    arms = await _arms(library, issue, posts)
    return Composed(tuple(posts), answers, arms)


async def _arms(library: Library, issue: Issue, posts: Sequence[Post]) -> dict[str, str]:
    """Return which weights chose each song of a member's drop."""
    member = issue.drop.member
    if member is None:
        return {}
    tracks = [post.track for post in posts if post.track]
    return await library.think(lambda recommender, _: recommender.served(member, tracks))


async def _personal(
    library: Library, issue: Issue, member: str, now: datetime
) -> tuple[Post, list[Choice]]:
    drop = issue.drop
    events = await library.feedback(member)
    liked = [event.track for event in events if event.kind is FeedbackKind.LIKE]
    questions = await library.think(lambda _, catalogue: artists_to_ask(catalogue))
    if not liked and questions:
        words = "Your drop starts with what you like: pick some artists, and it is on its way."
        return Post(0, Part.QUESTIONS, words), []
    recent = await library.dropped(drop.id, now - SEASON)
    recent |= await library.recommended(member, now)
    names = await library.tracks(liked)
    seeds = await _seeds(library, issue, liked[-_LIKES_LOOKED_AT:])
    genres = most_liked([t.genre.lower() for i in liked if (t := names.get(i)) and t.genre])
    choices, near = await library.think(
        lambda recommender, catalogue: with_likes(
            catalogue,
            personal(
                recommender,
                member,
                seeds,
                genres=genres,
                size=drop.size,
                adventurous=drop.adventurous,
                recent=frozenset(recent),
                now=now,
            ),
            liked,
        )
    )
    choices = await _beside(library, choices, near)
    last = await library.previous(issue)
    shown = await library.tracks({event.track for event in events})
    lines = [_thumbs(events, shown, last, now)]
    if not choices:
        lines.append("I have nothing left that is new to you; I keep listening.")
    elif len(choices) < drop.size:
        lines.append(
            f"Only {len(choices)} of {drop.size} songs: I know no more that are new to you."
        )
    return Post(0, Part.OPENING, "\n".join(lines)), choices


async def _seeds(library: Library, issue: Issue, liked: Sequence[str]) -> list[Heard]:
    """Choose liked songs to look around this week: other ones every week, newer ones rather."""
    if not liked:
        return []
    rng = np.random.default_rng(list(f"{issue.drop.id} {issue.week}".encode()))
    chances = np.linspace(1, 2, len(liked))
    order = rng.choice(len(liked), len(liked), replace=False, p=chances / chances.sum())
    seeds: list[Heard] = []
    for at in order:
        if len(seeds) < songs_around(issue.drop.size) and (heard := await library.heard(liked[at])):
            seeds.append(heard)
    return seeds


async def _beside(library: Library, choices: list[Choice], near: list[str]) -> list[Choice]:
    """Put a liked song beside those that were not found around one, for their cards."""
    return [
        choice if choice.query else replace(choice, query=await library.heard(like))
        for choice, like in zip(choices, near, strict=True)
    ]


def _thumbs(
    events: Sequence[Feedback], tracks: Mapping[str, Track], last: datetime | None, now: datetime
) -> str:
    """Say in one line what a member thumbed since the last drop, or in the last week."""
    since = last or now - timedelta(weeks=1)
    said = []
    for kind, sign in ((FeedbackKind.LIKE, "👍"), (FeedbackKind.DISLIKE, "👎")):
        found = [event.track for event in events if event.kind is kind and event.at > since]
        titles = [f"“{tracks[track].title}”" for track in found[::-1]]
        if titles:
            more = [f"{len(titles) - 2} more"] if len(titles) > 2 else []
            said.append(f"{sign} {listed(titles[:2] + more, 'and')}")
    when = "the last drop" if last else "last week"
    return f"Since {when}: {'; '.join(said)}." if said else f"No thumbs since {when}."


async def _mixtape(library: Library, issue: Issue, now: datetime) -> tuple[Post, list[Choice]]:
    drop = issue.drop
    members = await library.mixtape_members(drop.id)
    opinions = {member: await library.feedback(member) for member in members}
    opinions = {member: events for member, events in opinions.items() if likes(events)}
    if not opinions:
        words = (
            "A mixtape for this server every week, from what you agree on and what you do not. "
            "Press “Count me in”, and give some songs a thumb."
        )
        return Post(0, Part.INVITATION, words), []
    recent = frozenset(await library.dropped(drop.id, now - SEASON))
    liked = [e.track for events in opinions.values() for e in events if e.kind is FeedbackKind.LIKE]
    choices, near = await library.think(
        lambda _, catalogue: with_likes(
            catalogue, mixtape(catalogue, opinions, size=drop.size, recent=recent), liked
        )
    )
    choices = await _beside(library, choices, near)
    tracks = await library.tracks({e.track for events in opinions.values() for e in events})
    lines = [*common_ground(opinions, tracks)]
    if not choices:
        lines.append("I have nothing left that is new to all of you; I keep listening.")
    elif len(choices) < drop.size:
        lines.append(
            f"Only {len(choices)} of {drop.size} songs: I know no more that are new to all of you."
        )
    return Post(0, Part.OPENING, "\n".join(lines), listeners=tuple(opinions)), choices
