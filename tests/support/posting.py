"""A channel that is a file, so that it outlives the process that posts to it."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from musrec.drops.model import Drop, Issue, Post, Schedule, Undeliverable
from musrec.model import Answer, FeedbackKind
from musrec.service import Service
from musrec.settings import Settings
from tests.support.loopback import PROVIDERS_OFF

MONDAY = datetime(2026, 11, 16, 0, 0, tzinfo=UTC)
"""The beginning of 2026-W47."""


class Clock:
    """A clock that stands still until it is set forward."""

    def __init__(self, now: datetime = MONDAY) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **step: float) -> Clock:
        self.now += timedelta(**step)
        return self


class Channel:
    """Posts into a file, one line per message.

    Parameters
    ----------
    blind : bool
        Whether posted messages cannot be read again.
    closed : str
        Why nothing can be posted at all.
    broken : int
        How many of the next posts fail on the way.

    Attributes
    ----------
    gone : set of str
        Members who are not here any more.
    """

    def __init__(
        self, file: Path, *, blind: bool = False, closed: str = "", broken: int = 0
    ) -> None:
        self._file = file
        self.blind, self.closed, self.broken = blind, closed, broken
        self.told: list[str] = []
        self.gone: set[str] = set()

    @property
    def lines(self) -> list[dict[str, Any]]:
        if not self._file.exists():
            return []
        return [json.loads(line) for line in self._file.read_text("utf-8").splitlines()]

    @property
    def tracks(self) -> list[str]:
        return [line["track"] for line in self.lines if line["track"]]

    def times(self) -> Counter[tuple[int, str, int]]:
        """How often each message stands in the channel."""
        return Counter((line["drop"], line["week"], line["position"]) for line in self.lines)

    async def post(self, issue: Issue, post: Post, answer: Answer | None, *, again: bool) -> str:
        if self.closed:
            raise Undeliverable(self.closed, "Open them.")
        if self.broken:
            self.broken -= 1
            raise ConnectionResetError("on the way")
        assert (answer is None) == (post.track is None)
        line = {
            "drop": issue.drop.id,
            "week": issue.week,
            "position": post.position,
            "part": post.part,
            "words": post.words,
            "track": post.track,
            "listeners": post.listeners,
            "again": again,
            "id": f"{issue.id}.{post.position}.{os.getpid()}",
        }
        if answer is not None:
            assert [pick.track.id for pick in answer.picks] == [post.track]
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        return str(line["id"])

    async def find(self, issue: Issue, post: Post) -> str | None:
        if self.blind:
            return None
        key = issue.drop.id, issue.week, post.position
        found = [
            line["id"]
            for line in self.lines
            if (line["drop"], line["week"], line["position"]) == key
        ]
        return found[-1] if found else ""

    async def tell(self, drop: Drop, words: str) -> bool:
        assert drop.id
        self.told.append(words)
        return True

    async def there(self, drop: Drop, member: str) -> bool:
        assert drop.id
        return member not in self.gone


def settings(folder: Path, *, starter: bool = True, url: str | None = None) -> Settings:
    """Settings without any network."""
    return Settings.model_validate(
        {
            "paths": {"data": folder},
            "store": {"url": url},
            "catalogue": {"starter": starter},
            "sources": PROVIDERS_OFF,
            "workers": {"count": 1},
        }
    )


async def subscribe(service: Service, member: str = "ann", **changed: Any) -> Drop:
    """Subscribe a member to a drop on Wednesdays at 18:00 in Berlin, unless told otherwise."""
    schedule = changed.pop("schedule", Schedule(2, 18, "Europe/Berlin"))
    since = changed.pop("since", MONDAY)
    return await service.drops.keep(Drop(member, None, schedule, since, **changed))


async def likes(service: Service, member: str, *rows: int) -> None:
    """Let a member like some songs of the catalogue, long ago."""
    for row in rows:
        track = service.catalogue.songs.tracks[row].id
        at = MONDAY - timedelta(weeks=20)
        await service.members.learn(member, track, FeedbackKind.LIKE, at=at)


async def ticks(
    service: Service, channel: Channel, clock: Clock, until: datetime, step: Callable[[], timedelta]
) -> int:
    """Tick until some time; return how many issues were finished."""
    finished = 0
    while clock.now < until:
        finished += await service.drops.tick(channel, clock)
        clock.now += step()
    return finished
