"""Members' drops composed before they are due, by any process: jobs of kind `JobKind.DROP`.

What comes of such a job stays with it. Whoever posts the drop takes it if nothing has happened
since that it was made from, and composes it again otherwise: so nobody waits for such a job, and a
drop is the same as if it had been composed when it is due.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from musrec.catalogue.model import Job, JobKind
from musrec.drops.compose import Composed, compose
from musrec.drops.model import Drop, Issue, Part, Post, State
from musrec.drops.ports import Library
from musrec.store import Store, codec

LEAD = timedelta(minutes=10)
"""How long before they are due drops are composed."""

FIRST = 0
"""Urgency: as what members wait for."""


async def plan(store: Store, now: datetime) -> None:
    """Let some process compose the drops that are due within `LEAD`."""
    soon = [(drop, _coming(drop, now)) for drop in await store.drops.soon(now, now + LEAD)]
    wanted = [(drop.key(week), None) for drop, week in soon if drop.due(week) <= now + LEAD]
    fresh = set(await store.jobs.known(JobKind.DROP, [key for key, _ in wanted]))
    await store.jobs.add(
        JobKind.DROP, [one for one in wanted if one[0] not in fresh], urgency=FIRST
    )


def _coming(drop: Drop, now: datetime) -> str:
    """Return the ISO week that a drop is due in next."""
    return drop.schedule.week_of(drop.following(now) - drop.delay)


async def composed(store: Store, library: Library, job: Job, now: datetime) -> dict[str, Any]:
    """Do a job: return what is in the issue, for `taken`; nothing if it is no longer wanted."""
    id_, _, week = job.key.partition(" ")
    drop = await store.drops.get(int(id_))
    if drop is None or drop.member is None or not drop.active or drop.due(week) <= now:
        return {}
    issue = Issue(0, drop, week, State.OPEN, "", 0, now)
    basis = await _basis(library, drop)
    made = await compose(library, issue, now)
    return {
        "basis": basis,
        "posts": [asdict(post) for post in made.posts],
        "answers": {id_: codec.pack_answer(answer) for id_, answer in made.answers.items()},
        "arms": dict(made.arms),
    }


async def taken(store: Store, library: Library, issue: Issue, now: datetime) -> Composed | None:
    """Return what a process composed for an issue; None if there is none, or it is out of date."""
    drop = issue.drop
    if drop.member is None:
        return None  # who has left the server since is asked of Discord first
    kept = await store.jobs.outcome(JobKind.DROP, drop.key(issue.week))
    if not kept or kept["basis"] != await _basis(library, drop):
        return None
    posts = tuple(
        Post(**{**post, "part": Part(post["part"]), "listeners": ()}) for post in kept["posts"]
    )
    songs = {post.track for post in posts if post.track}
    if songs & await library.recommended(drop.member, now):
        return None
    bodies: Mapping[str, Any] = kept["answers"]
    asked = {body["query"] for body in bodies.values() if body["query"]}
    tracks = await library.tracks(songs | asked)
    if not songs <= tracks.keys():
        return None
    answers = {id_: codec.unpack_answer(id_, body, tracks) for id_, body in bodies.items()}
    return Composed(posts, answers, kept["arms"])


async def _basis(library: Library, drop: Drop) -> list[Any]:
    """Return what changes with whatever a member does, or chooses for their drop."""
    assert drop.member is not None
    events = await library.feedback(drop.member)
    last = max((event.at for event in events), default=None)
    chosen = [drop.size, drop.adventurous, drop.since.isoformat()]
    return [*chosen, len(events), last and last.isoformat()]
