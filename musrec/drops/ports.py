"""What delivering and composing drops need: where messages go, and what is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from musrec.drops.model import Drop, Issue, Post, State
    from musrec.model import Answer, Catalogue, Feedback, Heard, Track
    from musrec.recommend import Recommender

T = TypeVar("T")

Clock = Callable[[], datetime]


class Poster(Protocol):
    """Where messages go. Raises `Undeliverable` where trying again would not help."""

    async def post(self, issue: Issue, post: Post, answer: Answer | None, *, again: bool) -> str:
        """Post a message and return its id.

        Parameters
        ----------
        answer : Answer or None
            With the one pick that it features.
        again : bool
            It may have been posted before: the message has to say so.
        """

    async def find(self, issue: Issue, post: Post) -> str | None:
        """Look for a message that may have been posted since `post.began`.

        Returns
        -------
        str or None
            Its id, "" if it is certainly not there, None if that cannot be known.
        """

    async def tell(self, drop: Drop, words: str) -> bool:
        """Tell whose drop it is about trouble; say whether they could be told."""

    async def there(self, drop: Drop, member: str) -> bool:
        """Whether a member is still where a drop is posted; with direct messages everybody is."""


class Unposted:
    """A `Poster` for where there are no messages: the issue is read from the store instead."""

    async def post(self, issue: Issue, post: Post, answer: Answer | None, *, again: bool) -> str:  # noqa: ARG002
        """Post nothing."""
        return f"{issue.id}.{post.position}"

    async def find(self, issue: Issue, post: Post) -> str | None:  # noqa: ARG002
        """Find nothing: nothing was posted."""
        return ""

    async def tell(self, drop: Drop, words: str) -> bool:  # noqa: ARG002
        """Do nothing: there is nowhere to tell it."""
        return False

    async def there(self, drop: Drop, member: str) -> bool:  # noqa: ARG002
        """Nobody can leave a place that is none."""
        return True


class Issues(Protocol):
    """Drops and their weeks as they are kept; each call is one transaction."""

    async def due(self, now: datetime) -> list[tuple[Drop, str | None]]:
        """Return the drops to look at now, each with a week that was begun but not finished."""

    async def wake(self, id_: int, at: datetime) -> None:
        """Leave a drop alone until then."""

    async def claim(
        self,
        drop: Drop,
        week: str,
        token: str,
        now: datetime,
        *,
        until: datetime,
        following: datetime,
    ) -> Issue | None:
        """Take a week's issue for one process until its lease ends."""

    async def compose(
        self,
        issue: Issue,
        posts: Sequence[Post],
        at: datetime,
        *,
        answers: Mapping[str, Answer],
        arms: Mapping[str, str],
    ) -> Issue:
        """Keep what is in an issue."""

    async def begin_post(
        self, issue: Issue, position: int, now: datetime, *, until: datetime
    ) -> bool:
        """Mark that a message is about to be posted; False where another process has the issue."""

    async def end_post(self, issue: Issue, position: int, message: str) -> None:
        """Mark that a message was posted."""

    async def skip_post(self, issue: Issue, position: int) -> None:
        """Leave a message out."""

    async def finish(
        self, issue: Issue, state: State, following: datetime, *, pause: str = "", after: int = 1
    ) -> bool | None:
        """Mark how an issue ended; pause the drop if so many in a row ended like this.

        Returns
        -------
        bool or None
            Whether the drop was paused; None where another process has the issue.
        """

    async def fail(self, issue: Issue, again_at: datetime) -> None:
        """Count a failure, and let the issue be claimed again, but not before that."""

    async def reopen(self, drop: int, week: str, now: datetime) -> bool:
        """Reopen a week's issue that ended without songs."""

    async def trouble(self, id_: int, why: str, *, active: bool) -> None:
        """Note what is wrong with a drop, and whether it goes on coming."""

    async def keep(self, drop: Drop) -> Drop:
        """Keep a drop as it now is, in place of the earlier one."""

    async def mixtape_members(self, drop: int) -> list[str]:
        """Return the members whose likes a mixtape may be made from."""

    async def join_mixtape(self, drop: int, member: str, *, there: bool) -> None:
        """Note that a mixtape may use a member's likes, or no longer may."""


class Library(Protocol):
    """What an issue is made from."""

    async def feedback(self, member: str) -> list[Feedback]:
        """Return what a member did, oldest first."""

    async def tracks(self, ids: Iterable[str]) -> dict[str, Track]:
        """Return the tracks of those ids that exist."""

    async def heard(self, track: str) -> Heard | None:
        """Return a song with what was heard in it."""

    async def dropped(self, drop: int, since: datetime) -> set[str]:
        """Return the tracks that were in a drop since then."""

    async def previous(self, issue: Issue) -> datetime | None:
        """Return when the last issue with songs in it was made."""

    async def recommended(self, member: str, now: datetime) -> set[str]:
        """Return what was recommended to a member too lately to come again."""

    async def mixtape_members(self, drop: int) -> list[str]:
        """Return the members whose likes a mixtape may be made from."""

    async def think(self, job: Callable[[Recommender, Catalogue], T]) -> T:
        """Run what picks songs where the recommender may be used."""
