"""One gate in front of every provider: rate, places, circuit breaker, time; and the four outcomes.

A question to a provider has four outcomes. *Found* is the value itself. The other three are
raised, and differ in what the next question may expect:

=================  ===========================================  ===============================
outcome            meaning                                      remembered
=================  ===========================================  ===============================
`Absent`           the provider knows that there is none        in the lookup cache
`Refused`          throttled, denied, broken or too slow        no; the breaker counts it
`Unsupported`      this provider, or this key, cannot do it     until the process ends
=================  ===========================================  ===============================

None of them leaves `musrec.sources`. Their texts name the provider and what happened, never an
address with its query and never the text of a foreign exception: both may hold a key.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from aiolimiter import AsyncLimiter

_log = logging.getLogger(__name__)


class Unanswered(Exception):
    """A provider gave no value; `str()` is one sentence for people."""


class Absent(Unanswered):
    """The provider knows that there is no such thing.

    Attributes
    ----------
    lasting : bool
        Whether it is worth remembering; a private page may become public any minute.
    """

    def __init__(self, what: str, *, lasting: bool = True) -> None:
        super().__init__(what)
        self.lasting = lasting


class Refused(Unanswered):
    """The provider throttled, denied, broke or was too slow: nothing is known about the song.

    Attributes
    ----------
    retry_after : float or None
        Seconds after which to ask again, where the provider said so.
    """

    def __init__(self, what: str, retry_after: float | None = None) -> None:
        super().__init__(what)
        self.retry_after = retry_after


class Unsupported(Unanswered):
    """The provider cannot answer such a question, or not with this key."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment by which an answer is due; passed down, so that all parts share one budget.

    Attributes
    ----------
    at : float
        On the clock of `time.monotonic`, which is the event loop's.
    """

    at: float

    @classmethod
    def within(cls, seconds: float) -> Deadline:
        """Start a budget now."""
        return cls(time.monotonic() + seconds)

    @property
    def left(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self.at - time.monotonic())

    def sooner(self, seconds: float) -> Deadline:
        """Return the same deadline, or `seconds` from now where that is earlier."""
        return Deadline(min(self.at, time.monotonic() + seconds))


class Breaker:
    """Stops asking a provider that keeps failing, or that said when to come back.

    Three failures in a row open it for 30 s, doubled with each further failure up to 15 min; a
    Retry-After opens it at once, for at least that long. Then one question is let through as a
    trial. An answer to a question that was asked before it opened does not close it.

    Parameters
    ----------
    clock : callable, optional
        Gives seconds; for tests.
    """

    TOLERATED = 3
    SHORTEST, LONGEST = 30.0, 900.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._open_until = self._told_until = 0.0
        self._trial = False

    @property
    def closed_for(self) -> float:
        """Seconds until the next trial; 0 while questions go through."""
        return max(0.0, self._open_until - self._clock())

    @property
    def state(self) -> str:
        """``closed``, ``open`` or ``half-open``, in the words of the pattern."""
        if self.closed_for:
            return "open"
        return "half-open" if self._open_until else "closed"

    def admit(self, name: str) -> None:
        """Let a question through, or raise `Refused` at once."""
        if wait := self.closed_for:
            raise Refused(f"{name} is not asked for another {span(wait)}", wait)
        if self._open_until:
            if self._trial:
                raise Refused(f"{name} is being tried again")
            self._trial = True

    def succeeded(self) -> None:
        """Count an answer of any kind."""
        if not self.closed_for:
            self._failures, self._open_until, self._trial = 0, 0.0, False

    def failed(self, retry_after: float | None = None) -> None:
        """Count a failure; `retry_after` in seconds opens the breaker at once."""
        self._failures += 1
        self._trial = False
        wait = retry_after or 0.0
        self._told_until = max(self._told_until, self._clock() + wait)
        if self._failures >= self.TOLERATED:
            doubled = self.SHORTEST * 2.0 ** min(10, self._failures - self.TOLERATED)
            wait = max(wait, min(self.LONGEST, doubled))
        if wait:
            self._open_until = max(self._open_until, self._clock() + wait)

    @property
    def told_to_wait(self) -> float:
        """Seconds until the provider wants to be asked again."""
        return max(0.0, self._told_until - self._clock())

    def resume(self, seconds: float) -> None:
        """Wait for as long as another process was told to."""
        if seconds > 0:
            self._open_until = self._told_until = self._clock() + seconds

    def abandoned(self) -> None:
        """Forget a trial that ended without a result, so that there can be another."""
        self._trial = False


@dataclass(frozen=True, slots=True)
class Record:
    """What a gate knows of its provider that outlasts the process; times in seconds since 1970.

    Attributes
    ----------
    error : str
        The last one.
    at : float
        When it happened.
    come_back : float
        When the provider said to come back. After a mere failure, the next process tries again: it
        may have been our own network.
    remaining : int or None
        Questions left in the provider's quota, where it tells.
    """

    error: str
    at: float
    come_back: float
    remaining: int | None


class Gate:
    """The only way to a provider.

    Parameters
    ----------
    name : str
        The provider's, for people.
    rate, seconds : float
        Questions in so many seconds. A leaky bucket lets a burst of its whole size through and
        refills meanwhile, so up to twice `rate` may pass in any window of `seconds`: give half of
        what the service allows.
    places : int
        Questions at the same time.
    longest : float
        Seconds that one question may take, however much budget is left.
    clock : callable, optional
        Of the breaker; for tests.
    """

    PATIENCE = 3.0
    """Seconds after which a missing answer is the provider's fault rather than our hurry."""

    def __init__(
        self,
        name: str,
        *,
        rate: float,
        seconds: float,
        places: int = 6,
        longest: float = 8.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.breaker = Breaker(clock)
        self.last_error = ""
        self.last_error_at = 0.0
        self.remaining: int | None = None
        self.news = False
        """Whether there is something new since `record` was called last."""
        self._longest = longest
        self._limiter = AsyncLimiter(rate, seconds)
        self._places = asyncio.Semaphore(places)
        self._cannot: dict[str, str] = {}
        self._troubled = False

    @property
    def cannot(self) -> tuple[str, ...]:
        """What turned out to be unsupported, in sentences."""
        return tuple(dict.fromkeys(self._cannot.values()))

    def record(self) -> Record:
        """Return what the next process should know."""
        self.news = False
        come_back = time.time() + self.breaker.told_to_wait
        return Record(self.last_error, self.last_error_at, come_back, self.remaining)

    def resume(self, record: Record) -> None:
        """Take over what another process knew, so that no provider is asked too early."""
        self.last_error, self.last_error_at = record.error, record.at
        self.remaining = record.remaining
        self.breaker.resume(record.come_back - time.time())

    @asynccontextmanager
    async def turn(self, deadline: Deadline, ability: str = "") -> AsyncIterator[Deadline]:
        """Wait for a turn, then give the deadline of this one question.

        It gets at most half of the time left, so that another provider can still be asked. What
        the body raises is counted: `Refused` and a timeout as failures, other outcomes as answers.

        Parameters
        ----------
        deadline : Deadline
        ability : str, optional
            Name of what is asked for, under which an `Unsupported` is remembered.

        Raises
        ------
        Refused
            The breaker is open, or no turn came in time.
        Unsupported
            The same was unsupported before.
        """
        if why := self._cannot.get(ability):
            raise Unsupported(why)
        if self.breaker.closed_for:
            self.breaker.admit(self.name)
        late = Refused(f"{self.name} had no turn free in time")
        if not deadline.left:
            raise late
        try:
            async with asyncio.timeout(deadline.left):
                await self._places.acquire()
        except TimeoutError:
            raise late from None
        try:
            self.breaker.admit(self.name)
            try:
                async with asyncio.timeout(deadline.left):
                    await self._limiter.acquire()
            except BaseException as cut:
                self.breaker.abandoned()
                if isinstance(cut, TimeoutError):
                    raise late from None
                raise
            async with self._counted(
                deadline.sooner(min(self._longest, deadline.left / 2)), ability
            ) as own:
                yield own
        finally:
            self._places.release()

    @asynccontextmanager
    async def _counted(self, deadline: Deadline, ability: str) -> AsyncIterator[Deadline]:
        given = deadline.left
        try:
            async with asyncio.timeout(given):
                yield deadline
        except TimeoutError:
            what = f"{self.name} did not answer within {given:.1f} s"
            if given >= self.PATIENCE:
                self._failed(what, None)
            else:
                self.breaker.abandoned()
            raise Refused(what) from None
        except Refused as refusal:
            self._failed(str(refusal), refusal.retry_after)
            raise
        except Unsupported as limit:
            self._cannot[ability] = str(limit)
            self._noted(str(limit))
            self._answered()
            raise
        except Unanswered:
            self._answered()
            raise
        except BaseException:
            self.breaker.abandoned()
            raise
        self._answered()

    def _noted(self, what: str) -> None:
        self.last_error, self.last_error_at, self.news = what, time.time(), True

    def _failed(self, what: str, retry_after: float | None) -> None:
        self._noted(what)
        self.breaker.failed(retry_after)
        # One line however long it lasts; `health` says what is wrong now.
        level = logging.DEBUG if self._troubled else logging.WARNING
        _log.log(level, "%s (breaker %s)", what, self.breaker.state)
        self._troubled = True

    def _answered(self) -> None:
        self.breaker.succeeded()
        if self._troubled and self.breaker.state == "closed":
            self._troubled = False
            _log.info("%s answers again", self.name)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of a Retry-After header (RFC 9110, 10.2.3), number or date, up to a week.

    Parameters
    ----------
    headers : mapping of str to str
        Must take names in any case: services write them in small letters too.
    """
    said = headers.get("Retry-After") or headers.get("X-RateLimit-Reset-In")
    if not said:
        return None
    try:
        seconds = float(said)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(said).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return min(max(seconds, 1.0), 7 * 86_400.0) if math.isfinite(seconds) else None


def span(seconds: float) -> str:
    """Return a length of time for people, such as ``22 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3600:.0f} h"
