"""Programs that ask in a member's name: the keys they show, and how often they may ask.

Subsonic's own sign-in is a hash of the password and a salt that the program chooses. Checking it
takes the password itself, and of passwords only slow hashes are kept here. So programs sign in with
keys alone: random, one per program, each withdrawn without touching the others.
"""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response

from musrec.members.model import Visit
from musrec.model import Busy, MusrecError
from musrec.web.pages import form, render, service_of
from musrec.web.sessions import NotSignedIn, visit

BURST = 300
"""Requests that one member's programs may send at once."""
PER_SECOND = 5.0
"""Requests that are added to those per second, up to `BURST`."""

RECOMMENDING = 10
"""Requests that one recommendation counts as, and one wrong key."""


class TooMany(Busy):
    """A program asks more often than it may.

    Attributes
    ----------
    seconds : int
        After which it may ask again.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__("That is too many requests.", f"Ask again in {seconds} s.")
        self.seconds = seconds


class Allowance:
    """How often each member's programs may still ask (a token bucket each)."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, whose: str, cost: int = 1) -> None:
        """Count a request.

        Raises
        ------
        TooMany
            There were too many; this one is not counted.
        """
        now = time.monotonic()
        left, at = self._left.get(whose, (BURST, now))
        left = min(BURST, left + (now - at) * PER_SECOND)
        if left < cost:
            raise TooMany(1 + int((cost - left) / PER_SECOND))
        self._left[whose] = left - cost, now
        if len(self._left) > 10_000:  # whoever has not asked for so long has all of it again
            full = BURST / PER_SECOND
            self._left = {who: one for who, one in self._left.items() if one[1] > now - full}


async def holder(request: Request, key: str) -> Visit:
    """Return in whose name a program asks, and count its request.

    Raises
    ------
    NotSignedIn
        There is no such key.
    TooMany
        It asks too often, or shows wrong keys too often.
    """
    allowance: Allowance = request.app.state.allowance
    found = await service_of(request).visits.keyed(key) if key else None
    if found is None:
        if key:
            allowance.take(f"from {request.client.host if request.client else ''}", RECOMMENDING)
        raise NotSignedIn
    allowance.take(found.member)
    request.state.visit = found
    return found


async def bearer(request: Request) -> Visit:
    """Return in whose name a program asks that sends its key as a bearer token."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return await holder(request, key.strip() if scheme.casefold() == "bearer" else "")


async def show(request: Request) -> Response:
    """Show a member's keys, make one, or withdraw one."""
    visits, who, secret = service_of(request).visits, visit(request), ""
    if request.method == "POST":
        fields = await form(request)
        if gone := str(fields.get("withdraw", "")):
            if not gone.isdecimal() or len(gone) > 9:
                raise MusrecError("That is no key.")
            await visits.withdraw_key(who.member, int(gone))
        else:
            secret = await visits.make_key(who.member, who.role, str(fields.get("name", "")))
    return render(
        request,
        "keys.html",
        keys=await visits.keys(who.member),
        secret=secret,
        base=str(request.base_url).rstrip("/"),
    )
