"""Posting drops, exactly once.

`tick` claims a week's issue in the database, decides what is in it, keeps that, and posts one
message after another, marking each before and after. A process that dies leaves a lease that runs
out; the next process to claim the issue continues after the last mark, and first looks whether the
message in between had been posted. Every instant comes from a clock given as an argument.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from musrec.drops.compose import Composed
from musrec.drops.model import (
    LONGEST_PAUSE,
    Drop,
    Issue,
    Part,
    Post,
    State,
    Undeliverable,
)
from musrec.drops.ports import Clock, Issues, Poster
from musrec.model import Answer, NotFound

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=3)
"""How long a claimed issue is left alone after its last sign of life."""

SIDE_BY_SIDE = 4
"""Drops that one process posts at the same time, well below what Discord lets it send."""

GIVEN_UP_AFTER = timedelta(days=3)
"""How long an issue is tried; then it is given up for its week."""

LATE = 5
"""Failures in a row, over half an hour, after which the owner is told that the drop is late."""

PATIENCE = 2
"""Weeks in a row that may fail or stay unanswered before a drop is paused."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What delivery works with.

    Attributes
    ----------
    issues : Issues
    compose : callable
        Decides what is in an issue.
    answer : callable
        Returns a kept answer by its id; raises `NotFound` if it is gone.
    """

    issues: Issues
    compose: Callable[[Issue, datetime], Awaitable[Composed]]
    answer: Callable[[str], Awaitable[Answer]]


async def tick(desk: Desk, poster: Poster, clock: Clock) -> int:
    """Post what is due and no other process is posting; return how many issues were finished.

    Call it about once a minute, in any number of processes. After a longer pause each drop
    comes once, however many weeks it was.
    """
    room = asyncio.Semaphore(SIDE_BY_SIDE)

    async def attend(drop: Drop, open_week: str | None) -> bool:
        async with room:
            try:
                state = await _attend(desk, poster, drop, open_week, clock)
            except Exception:
                # One failing drop holds up no other; its lease says when it is tried again.
                log.exception("drop failed", extra={"drop": drop.id})
                return False
        return state in (State.POSTED, State.ASKED)

    due = await desk.issues.due(clock())
    return sum(await asyncio.gather(*(attend(*one) for one in due)))


async def _attend(
    desk: Desk, poster: Poster, drop: Drop, open_week: str | None, clock: Clock
) -> State | None:
    now = clock()
    if drop.since > now:  # set up while the clock was ahead
        drop = await desk.issues.keep(replace(drop, since=now))
    week = drop.latest(now)
    if drop.due(week) < drop.since:
        week = ""
    week = max(week, open_week or "")
    if not week:
        await desk.issues.wake(drop.id, drop.following(now))
        return None
    issue = await _claim(desk, drop, week, now)
    return await _carry_out(desk, poster, issue, clock) if issue else None


async def post_now(desk: Desk, poster: Poster, drop: Drop, clock: Clock) -> State | None:
    """Post this week's issue without waiting for its hour.

    One that ended with questions is composed again, from the answers and thumbs since; one that was
    given up continues where it stopped.

    Returns
    -------
    State or None
        How far it came; None if it has come already, or another process is posting it.
    """
    now = clock()
    week = drop.schedule.week_of(now)
    await desk.issues.reopen(drop.id, week, now)
    issue = await _claim(desk, drop, week, now)
    return await _carry_out(desk, poster, issue, clock) if issue else None


async def _claim(desk: Desk, drop: Drop, week: str, now: datetime) -> Issue | None:
    token = secrets.token_hex(8)
    return await desk.issues.claim(
        drop, week, token, now, until=now + LEASE, following=drop.following(now)
    )


async def _carry_out(desk: Desk, poster: Poster, issue: Issue, clock: Clock) -> State:
    """Post what is not posted yet of an issue that was claimed."""
    drop = issue.drop
    try:
        if not issue.posts:
            await _who_left(desk, poster, drop)
            issue = await _compose(desk, issue, clock())
        for post in issue.posts:
            if post.message is None and not await _post(desk, poster, issue, post, clock):
                return State.OPEN
    except Undeliverable as error:
        why = f"{error} {error.hint}".strip()
        await _finish(desk, poster, issue, State.FAILED, clock(), pause=why)
        return State.FAILED
    except Exception:
        log.exception("drop interrupted", extra={"drop": drop.id, "failures": issue.failures})
        return await _failed(desk, poster, issue, clock())
    asked = {post.part for post in issue.posts} & {Part.QUESTIONS, Part.INVITATION}
    state = State.ASKED if asked else State.POSTED
    why = "My questions got no answer." if asked else ""
    mine = await _finish(desk, poster, issue, state, clock(), pause=why, after=PATIENCE)
    return state if mine else State.OPEN


async def _failed(desk: Desk, poster: Poster, issue: Issue, now: datetime) -> State:
    """Try an issue again later, each time after a longer pause, and give it up after days."""
    issues, drop = desk.issues, issue.drop
    if drop.trouble and now - issue.began >= GIVEN_UP_AFTER:  # never before its owner knows
        why = "Posting failed for weeks."
        await _finish(desk, poster, issue, State.FAILED, now, pause=why, after=PATIENCE)
        return State.FAILED
    failures = issue.failures + 1
    pause = timedelta(minutes=2 ** min(failures, 12))  # no power of two overflows after a day
    await issues.fail(issue, now + min(pause, LONGEST_PAUSE))
    if failures >= LATE and not drop.trouble:
        await _say_late(desk, poster, drop)
    return State.OPEN


async def _say_late(desk: Desk, poster: Poster, drop: Drop) -> None:
    """Tell whose drop it is that it is late: once, even if it is late for weeks."""
    why = f"Posting it fails. I try again every hour, for up to {GIVEN_UP_AFTER.days} days."
    what = "Your weekly drop" if drop.member else "This server's mixtape"
    await desk.issues.trouble(drop.id, why, active=True)
    if not await _tell(poster, drop, f"{what} is late: {why}"):
        await desk.issues.trouble(drop.id, "", active=True)  # told at the next failure


async def _tell(poster: Poster, drop: Drop, words: str) -> bool:
    try:
        return await poster.tell(drop, words)
    except Exception:
        log.exception("the owner of a drop could not be told", extra={"drop": drop.id})
        return False


async def _who_left(desk: Desk, poster: Poster, drop: Drop) -> None:
    """Drop members who left the server, so that nothing there is made from their likes.

    Raises
    ------
    Undeliverable
        It is the member whose drop it is.
    """
    if drop.member is not None and not await poster.there(drop, drop.member):
        raise Undeliverable("You left the server it was posted in.")
    if drop.member is None:
        for member in await desk.issues.mixtape_members(drop.id):
            if not await poster.there(drop, member):
                await desk.issues.join_mixtape(drop.id, member, there=False)


async def _post(desk: Desk, poster: Poster, issue: Issue, post: Post, clock: Clock) -> bool:
    """Post one message; False if another process has taken the issue over."""
    found = None if post.began is None else await poster.find(issue, post)
    if not found:
        answer = None
        if post.answer is not None:
            with contextlib.suppress(NotFound):  # its song may have gone since
                answer = await desk.answer(post.answer)
            if answer is None or not answer.picks:
                await desk.issues.skip_post(issue, post.position)
                return True
        now = clock()
        if not await desk.issues.begin_post(issue, post.position, now, until=now + LEASE):
            return False
        again = post.began is not None and found is None
        found = await poster.post(issue, post, answer, again=again)
    await desk.issues.end_post(issue, post.position, found)
    return True


async def _finish(
    desk: Desk,
    poster: Poster,
    issue: Issue,
    state: State,
    now: datetime,
    *,
    pause: str,
    after: int = 1,
) -> bool:
    """Mark how an issue ended; where that pauses its drop, tell whose it is, once.

    Returns
    -------
    bool
        False if another process has taken the issue over.
    """
    drop = issue.drop
    paused = await desk.issues.finish(issue, state, drop.following(now), pause=pause, after=after)
    if paused:
        what = "your weekly drop" if drop.member else "this server's mixtape"
        command = "/drops on" if drop.member else "/mixtape on"
        told = await _tell(poster, drop, f"I paused {what}: {pause} {command} starts it again.")
        log.info("drop paused", extra={"drop": drop.id, "told": told})
    return paused is not None


async def _compose(desk: Desk, issue: Issue, now: datetime) -> Issue:
    made = await desk.compose(issue, now)
    return await desk.issues.compose(issue, made.posts, now, answers=made.answers, arms=made.arms)
