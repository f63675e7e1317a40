"""Records of weekly drops: subscriptions, their weeks and the messages in them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from musrec.model import MusrecError, Pick

SIZES = range(1, 11)
"""Songs that a drop may have."""

STARS = range(1, 6)
"""How well a week suited a member: 1 is not at all, 5 very well."""

QUESTIONS = 3
"""Questions to a member who likes nothing yet."""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

SPREAD = timedelta(minutes=10)
"""Drops of one hour are spread over so long, each always at its own minute."""


LONGEST_PAUSE = timedelta(hours=1)
"""The longest that an issue rests between two attempts to post it."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """One moment in every ISO week, as the clocks of one place show it.

    Attributes
    ----------
    weekday : int
        0 is Monday.
    hour : int
        0 to 23.
    zone : str
        IANA name.
    """

    weekday: int
    hour: int
    zone: str

    def at(self, week: str) -> datetime:
        """Return the moment in an ISO week such as ``2026-W43``, in UTC.

        An hour that the clocks skip begins when they have been put forward (PEP 495's reading of
        such a time); of an hour that they show twice it is the first.
        """
        day = date.fromisocalendar(int(week[:4]), int(week[6:]), self.weekday + 1)
        return datetime.combine(day, time(self.hour), ZoneInfo(self.zone)).astimezone(UTC)

    def week_of(self, now: datetime) -> str:
        """Return the ISO week that a calendar on the wall there shows."""
        return _week(now.astimezone(ZoneInfo(self.zone)).date())

    def __str__(self) -> str:
        return f"{WEEKDAYS[self.weekday]}, {self.hour:02}:00, {self.zone.replace('_', ' ')}"


def _week(day: date) -> str:
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02}"


FRIDAY_EVENING = Schedule(WEEKDAYS.index("Friday"), 18, "UTC")
"""When a drop comes unless its owner chose a time."""


@dataclass(frozen=True, slots=True)
class Drop:
    """A subscription: a member's weekly drop, or a server's weekly mixtape.

    Attributes
    ----------
    id : int
        0 until it is kept.
    member, guild : str or None
        Whose it is; exactly one of the two.
    channel : str or None
        Where it is posted; None means to the member directly.
    home : str or None
        Where it was set up, and where trouble is told.
    size : int
        Songs, 1 to 10.
    adventurous : float
        0 to 1.
    active : bool
        Whether it comes every week.
    trouble : str
        Why it was paused or is late, as its owner was told; empty if neither.
    since : datetime
        When it was last set up; weeks that were due before are not caught up.
    """

    member: str | None
    guild: str | None
    schedule: Schedule
    since: datetime
    channel: str | None = None
    home: str | None = None
    size: int = 5
    adventurous: float = 0.3
    active: bool = True
    trouble: str = ""
    id: int = 0

    def key(self, week: str) -> str:
        """Return what tells one week of it from all others."""
        return f"{self.id} {week}"

    @property
    def delay(self) -> timedelta:
        """How long after its hour this one comes: always the same, and spread over all."""
        owner = f"{self.member or ''}:{self.guild or ''}"
        digest = hashlib.blake2b(owner.encode(), digest_size=4).digest()
        return timedelta(seconds=int.from_bytes(digest) % int(SPREAD.total_seconds()))

    def due(self, week: str) -> datetime:
        """Return when it is due in an ISO week, in UTC."""
        return self.schedule.at(week) + self.delay

    def latest(self, now: datetime) -> str:
        """Return the newest ISO week in which it has been due."""
        today = now.astimezone(ZoneInfo(self.schedule.zone)).date()
        weeks = (_week(today - timedelta(weeks=back)) for back in range(3))
        return next(week for week in weeks if self.due(week) <= now)

    def following(self, now: datetime) -> datetime:
        """Return when it is due next, in UTC."""
        today = now.astimezone(ZoneInfo(self.schedule.zone)).date()
        dues = (self.due(_week(today + timedelta(weeks=ahead))) for ahead in range(3))
        return next(due for due in dues if due > now)


class State(StrEnum):
    """How far a week's issue is."""

    OPEN = "open"
    ASKED = "asked"
    POSTED = "posted"
    FAILED = "failed"


class Part(StrEnum):
    """What a message of an issue is there for."""

    OPENING = "opening"
    SOUND = "sound"
    MEMBERS = "members"
    TASTE = "taste"
    BRAVE = "brave"
    TOGETHER = "together"
    APART = "apart"
    QUESTIONS = "questions"
    INVITATION = "invitation"


@dataclass(frozen=True, slots=True)
class Post:
    """One message of an issue.

    Attributes
    ----------
    position : int
        From 0.
    words : str
        What is said in it beside the card; plain text, with titles of songs in it.
    track, answer : str or None
        The song it features, and the kept answer that it is the only pick of.
    listeners : tuple of str
        Members that a song of a mixtape is for.
    began : datetime or None
        When a process last set out to post it.
    message : str or None
        What it was posted as.
    """

    position: int
    part: Part
    words: str
    track: str | None = None
    answer: str | None = None
    listeners: tuple[str, ...] = ()
    began: datetime | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Issue:
    """One week of a drop, in the hands of one process.

    Attributes
    ----------
    token : str
        Known to the process that holds the lease alone.
    failures : int
        How often in a row posting it has failed since it last came further.
    began : datetime
        When it was first claimed, or its content last decided.
    posts : tuple of Post
        Empty until its content is decided.
    """

    id: int
    drop: Drop
    week: str
    state: State
    token: str
    failures: int
    began: datetime
    posts: tuple[Post, ...] = ()


@dataclass(frozen=True, slots=True)
class Rating:
    """How well one week of a drop suited one member.

    Attributes
    ----------
    week : str
        ISO week, such as ``2026-W43``.
    mixtape : bool
        Whether it was a server's mixtape.
    stars : int
        One of `STARS`.
    arms : frozenset of str
        The arms of `musrec.recommend.hybrid.ARMS` that chose its songs, if known.
    """

    member: str
    week: str
    mixtape: bool
    stars: int
    arms: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Weekly:
    """One week's issue of a member's drop, to be read at once.

    Attributes
    ----------
    week : str or None
        ISO week, such as ``2026-W43``; None if there is no issue.
    opening : tuple of str
        Messages without a song.
    picks : tuple of (Post, Pick)
        Songs, each with its message.
    again : bool
        It had been made before.
    """

    week: str | None
    opening: tuple[str, ...]
    picks: tuple[tuple[Post, Pick], ...]
    again: bool


class Undeliverable(MusrecError):
    """Nothing can be posted where a drop goes, and trying again would not help."""

    exit_code = 9
