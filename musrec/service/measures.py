"""What this process has done since it started, counted in memory.

Counting costs next to nothing, so it is always on; `musrec.service.metrics` shows it where the
owner wants that. No count has a member's or a song's name.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

from musrec.model import Feedback, FeedbackKind, MusrecError

if TYPE_CHECKING:
    from musrec.service.live import Live

T = TypeVar("T")
P = ParamSpec("P")

BOUNDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""Seconds: the upper bounds by which lengths of time are counted."""

STAGES = ("resolve", "hear", "candidates", "recommend", "draw")
"""Of an answer: finding the song, hearing it, hearing songs to consider, choosing, drawing."""

DOORS = ("bot", "page", "api")
KINDS = ("clip", "song", "text", "wish", "taste")
"""Where a question came in, and what was asked by."""


@dataclass
class Lengths:
    """How often a stage took how long."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


@dataclass
class Told:
    """How an answer ends; set `outcome` where it ends in something else than songs."""

    outcome: str = "songs"


class Measures:
    """Counts of one process.

    Attributes
    ----------
    answers : Counter
        (door, kind, outcome) to how many: one of `DOORS`, one of `KINDS`, and ``songs``,
        ``choices``, ``start``, ``late`` (cut off, or stopped by its asker), ``failed`` (a bug), or
        a kind of error such as ``notfound``.
    thumbs : Counter
        Kind of feedback to how many.
    ratings : Counter
        Stars, 1 to 5, to how many.
    drops : int
        Weekly drops and mixtapes posted.
    stages : dict
        Name of each of `STAGES` to how long it took.
    """

    def __init__(self) -> None:
        # What is watched begins at 0: Prometheus sees no increase in what begins at 1.
        self.answers = Counter({(door, kind, "failed"): 0 for door in DOORS for kind in KINDS})
        self.thumbs = Counter({kind.value: 0 for kind in FeedbackKind})
        self.ratings = Counter(dict.fromkeys(range(1, 6), 0))
        self.drops = 0
        self.stages = {name: Lengths() for name in STAGES}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure how long one of `STAGES` takes, however it ends."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.stages[name].add(time.perf_counter() - began)

    @contextmanager
    def answer(self, door: str, kind: str) -> Iterator[Told]:
        """Count how an answer ends."""
        told = Told()
        try:
            yield told
        except asyncio.CancelledError:
            told.outcome = "late"
            raise
        except MusrecError as error:
            told.outcome = type(error).__name__.lower()
            raise
        except BaseException:
            told.outcome = "failed"
            raise
        finally:
            self.answers[door, kind, told.outcome] += 1

    def learnt(self, events: Iterable[Feedback]) -> None:
        """Count what members did."""
        self.thumbs.update(event.kind.value for event in events)


class _HasLive(Protocol):
    _live: Live


S = TypeVar("S", bound=_HasLive)


def measured(
    stage: str,
) -> Callable[
    [Callable[Concatenate[S, P], Coroutine[Any, Any, T]]],
    Callable[Concatenate[S, P], Coroutine[Any, Any, T]],
]:
    """Measure how long a method takes, as one of `STAGES`."""

    def decorate(
        method: Callable[Concatenate[S, P], Coroutine[Any, Any, T]],
    ) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
        @wraps(method)
        async def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
            with self._live.measures.stage(stage):
                return await method(self, *args, **kwargs)

        return run

    return decorate
