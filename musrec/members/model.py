"""Records of members and servers, and of what is shown about them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import IntEnum, StrEnum

from musrec.model import Feedback, FeedbackKind, MusrecError, Profile, Track


@dataclass(frozen=True, slots=True)
class Member:
    """What a member has chosen.

    Attributes
    ----------
    listening : bool
        They agreed that what they play teaches; it is never assumed.
    paused : bool
        Nothing new is kept about them until they say so.
    hidden : bool
        Other members may not ask to see their taste.
    since : datetime
        When they were first met.
    """

    id: str
    name: str | None
    listening: bool
    paused: bool
    hidden: bool
    since: datetime


class Paused(MusrecError):
    """A member who paused asked for something to be kept."""

    def __init__(self) -> None:
        super().__init__(
            "You paused learning, so I keep nothing new about you.",
            "`/privacy pause` starts it again.",
        )


class Deleted(IntEnum):
    """What came of a wish to delete everything about a member; false if there was nothing."""

    NOTHING = 0
    ALMOST = 1
    """It is deleted, but a file holds traces until readers of the database have ended."""
    WHOLLY = 2
    """No file holds a byte of it."""


@dataclass(frozen=True, slots=True)
class Card:
    """A message that features one track.

    Attributes
    ----------
    query : str, optional
        The track it was found for.
    guild : str, optional
        The server that it was posted in; None for a direct message, or if that is not known.
    """

    message: str
    channel: str
    track: str
    at: datetime
    query: str | None = None
    guild: str | None = None


@dataclass(frozen=True, slots=True)
class Intended:
    """A card about to be posted, or posted by a process that died before it could note that.

    Attributes
    ----------
    channel : str
    after : str
        A message of that channel, or any Discord id, older than the card.
    at : datetime
        When it was about to be posted.
    guild : str or None
        As for a `Card`.
    """

    id: int
    channel: str
    after: str
    at: datetime
    guild: str | None


@dataclass(frozen=True, slots=True)
class Shards:
    """The shards of a Discord bot that a process runs, of so many in all.

    A server belongs to the shard that its id shifted right by 22 bits leaves, modulo `count`; what
    belongs to no server, to shard 0.
    """

    own: tuple[int, ...]
    count: int


Thumb = tuple[str, FeedbackKind]
"""A reaction under a card: who gave it, and what it says."""


@dataclass(frozen=True, slots=True)
class Accounted:
    """The reactions under a card that are accounted for.

    Attributes
    ----------
    counted : frozenset of Thumb
    uncounted : frozenset of Thumb
        Those of members who had paused or had everything deleted, by `mark`.
    """

    message: str
    counted: frozenset[Thumb]
    uncounted: frozenset[Thumb]

    def news(self, there: Set[Thumb]) -> set[Thumb]:
        """Return those of the reactions under the card that are not accounted for."""
        return {
            (member, kind)
            for member, kind in there - self.counted
            if (mark(self.message, member), kind) not in self.uncounted
        }


def mark(message: str, member: str) -> str:
    """Return 16 bits that tell a member from the others who reacted under the same card."""
    return hashlib.sha256(f"{message}:{member}".encode()).hexdigest()[:4]


def mark_of_deleted(member: str) -> str:
    """Return 16 bits of a member who had everything deleted: one member in 65,536 shares them."""
    return mark("deleted", member)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How a server uses the bot.

    Attributes
    ----------
    channels : frozenset of str
        Where clips are answered without a command.
    roles : frozenset of str
        Who may use the bot; empty means every member.
    dates : str
        How dates are written: ``reader`` leaves it to each reader's own client.
    """

    channels: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    dates: str = "reader"


@dataclass(frozen=True, slots=True)
class Portrait:
    """What a member likes, in numbers.

    Attributes
    ----------
    name : str
    songs : int
        How many songs this was learned from.
    member, server : mapping of str to float
        Mean percentile, 0 to 100, of each of `musrec.audio.descriptors.DEFINITIONS` over the songs
        that the member likes, and over what they are seen against.
    genres : mapping of str to float
        Share of the member's songs, 0 to 1.
    decades : mapping of int to int
        First year of a decade to the number of songs; empty where years are not known.
    artists : tuple of str
        The most liked first; at most three are shown.
    signature : tuple of Track
        Songs that say most of this taste, at most three are shown.
    changed : str
        One sentence about this month; empty where there is none.
    against : str
        What `server` is the mean of, for people.
    likes : str
        What is liked in a few words, such as "intense metal".
    title : str
        Whose it is, where it is not one member's.
    heading : str
        What stands over the genres.
    """

    name: str
    songs: int
    member: Mapping[str, float]
    server: Mapping[str, float]
    genres: Mapping[str, float] = field(default_factory=dict)
    decades: Mapping[int, int] = field(default_factory=dict)
    artists: tuple[str, ...] = ()
    signature: tuple[Track, ...] = ()
    changed: str = ""
    against: str = "the server"
    likes: str = ""
    title: str = ""
    heading: str = "genres"


@dataclass(frozen=True, slots=True)
class Shared:
    """A song for two.

    Attributes
    ----------
    ours, theirs : int
        0 to 100: the share of the catalogue that suits each of the two less.
    suits : str
        How well it suits each, in words.
    """

    track: Track
    profile: Profile
    ours: int
    theirs: int
    suits: str


@dataclass(frozen=True, slots=True)
class Blend:
    """Two members together.

    Attributes
    ----------
    names : pair of str
    alike : int
        0 to 100: how much of the catalogue suits one less than the other's songs do, mean of both
        directions. 50 is what two tastes without anything in common would give.
    verdict : str
        The same in words.
    meet : tuple of str
        What both lean to, strongest first.
    part : str
        Where they differ most, likewise; empty where they do not.
    genres : mapping of str to float
        What both like: the smaller share of the two, largest first.
    both : tuple of Track
        Songs that both like.
    songs : tuple of Shared
        New to both, best for the one it suits less (least misery).
    portrait : Portrait
        The two against each other, for a picture.
    """

    names: tuple[str, str]
    alike: int
    verdict: str
    meet: tuple[str, ...]
    part: str
    genres: Mapping[str, float]
    both: tuple[Track, ...]
    songs: tuple[Shared, ...]
    portrait: Portrait


HISTORY_KINDS: Mapping[str, frozenset[FeedbackKind]] = {
    "all": frozenset(FeedbackKind),
    "liked": frozenset((FeedbackKind.LIKE,)),
    "disliked": frozenset((FeedbackKind.DISLIKE,)),
    "played": frozenset(
        (FeedbackKind.PLAY, FeedbackKind.FINISH, FeedbackKind.REPEAT, FeedbackKind.PREVIEW)
    ),
    "skipped": frozenset((FeedbackKind.SKIP, FeedbackKind.NEXT)),
}
"""What a history can be narrowed to."""


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """Which part of a history.

    Attributes
    ----------
    kind : str
        One of `HISTORY_KINDS`.
    text : str
        Part of a title or artist; empty for any.
    """

    kind: str = "all"
    text: str = ""


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """One page of what a member did, newest first.

    Attributes
    ----------
    page, pages : int
        From 0; there is at least one page, which may be empty.
    total : int
        How many events there are on all pages.
    """

    events: tuple[tuple[Feedback, Track], ...]
    page: int
    pages: int
    total: int


@dataclass(frozen=True, slots=True)
class Playing:
    """A song that is on.

    Attributes
    ----------
    track : Track
    since : datetime
        When its first second was heard; moves when the listener winds back or forth.
    duration : timedelta
    """

    track: Track
    since: datetime
    duration: timedelta

    def share(self, at: datetime) -> float:
        """Share of the song heard by then, 0 to 1."""
        whole = self.duration.total_seconds()
        return min(1.0, max(0.0, (at - self.since).total_seconds() / whole)) if whole > 0 else 0.0


class Role(StrEnum):
    """How a member came to the page, which decides what they may do there."""

    OWNER = "owner"
    """Runs this machine: sees its files and its state, and invites others."""
    GUEST = "guest"
    """Has an account that the owner made: plays the owner's files, too."""
    MEMBER = "member"
    """Came from Discord: hears previews alone."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A member who is signed in to the page, or whose program asks.

    Attributes
    ----------
    name : str
        What the page calls them.
    """

    member: str
    name: str
    role: Role

    @property
    def owner(self) -> bool:
        """Whether they run this machine."""
        return self.role is Role.OWNER

    @property
    def may_play_files(self) -> bool:
        """Whether they may play the files of this machine."""
        return self.role is not Role.MEMBER


@dataclass(frozen=True, slots=True)
class Day:
    """What happened on one day.

    Attributes
    ----------
    added : int
        Songs of the catalogue that were first met then.
    feedback : mapping of FeedbackKind to int
        How often members did what.
    """

    day: date
    added: int
    feedback: Mapping[FeedbackKind, int]


@dataclass(frozen=True, slots=True)
class Week:
    """How well the drops of one week suited members.

    Attributes
    ----------
    week : str
        ISO week, such as ``2026-W43``.
    stars : float
        Mean of `ratings` ratings by `members` members, 1 to 5.
    """

    week: str
    stars: float
    ratings: int
    members: int


@dataclass(frozen=True, slots=True)
class Account:
    """Someone who signs in to the page with a name and a password.

    Attributes
    ----------
    member : str
        Begins with `LOCAL`, which no Discord id does.
    password : str or None
        Its hash; None until they chose one.
    """

    member: str
    name: str
    password: str | None
    made_at: datetime


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key with which a member's programs ask in their name; its secret is shown once, not kept.

    Attributes
    ----------
    name : str
        What the member calls it, such as the program it is for.
    """

    id: int
    name: str
    made_at: datetime


LOCAL = "local:"
"""How the ids of members begin who do not come from Discord."""
OWNER = f"{LOCAL}owner"
"""The member who runs this machine."""
