"""Who is asking: signed cookies, passwords, and the token that every form repeats."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections import defaultdict, deque
from collections.abc import Callable

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from itsdangerous import BadSignature, Signer
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from musrec.members.model import Role, Visit
from musrec.model import Busy, MusrecError, NotFound
from musrec.service.visits import SESSION
from musrec.web.pages import form, render, service_of

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 200

TRIES, WITHIN = 5, 60.0
"""Sign-ins that may fail from one address for one name, and in how many seconds."""
ALL_TRIES = 20
"""Those that may fail from one address in that time."""

_hasher = PasswordHasher()
# Checked where there is no such account, so that the time taken tells nobody which names exist.
_NOBODY = _hasher.hash("no account has this password")


class NotSignedIn(MusrecError):
    """A page was asked for that needs a member."""

    def __init__(self) -> None:
        super().__init__("You are signed out.", "Sign in again to go on.")


class NotAllowed(MusrecError):
    """A member asked for what is not theirs."""

    def __init__(self, what: str = "This page is not yours to see.") -> None:
        super().__init__(what)


class Doorkeeper:
    """Reads and writes the cookie of a session.

    Parameters
    ----------
    key : bytes
        Signs cookies.
    secure : bool
        The page is reached over HTTPS alone.
    """

    def __init__(self, key: bytes, *, secure: bool) -> None:
        self._signer = Signer(key, salt="session")
        self.key = key
        self.secure = secure
        self.cookie = "__Host-musrec" if secure else "musrec"
        self._failed: dict[tuple[str, str | None], deque[float]] = defaultdict(deque)

    def secret(self, request: Request) -> str | None:
        """Return the secret of a request's session; None if the cookie is absent or forged."""
        try:
            return self._signer.unsign(request.cookies.get(self.cookie, "")).decode()
        except (BadSignature, UnicodeError):
            return None

    def admit(self, response: Response, secret: str) -> Response:
        """Hand out the cookie of a session that has begun."""
        response.set_cookie(
            self.cookie,
            self._signer.sign(secret).decode(),
            max_age=int(SESSION.total_seconds()),
            httponly=True,
            secure=self.secure,
            samesite="lax",
        )
        return response

    def token(self, secret: str) -> str:
        """Return what every form of a session repeats."""
        return hmac.new(self.key, f"csrf:{secret}".encode(), hashlib.sha256).hexdigest()[:32]

    def count_try(self, client: str, name: str) -> Callable[[], None]:
        """Count a try to sign in; return what takes it back, for when it succeeds.

        It is counted before the password is checked: tries side by side would all be let in.

        Raises
        ------
        Busy
            There were too many.
        """
        now = time.monotonic()
        limits = {(client, name.casefold()[:80]): TRIES, (client, None): ALL_TRIES}
        for whose, most in limits.items():
            tries = self._failed[whose]
            while tries and tries[0] < now - WITHIN:
                tries.popleft()
            if len(tries) >= most:
                raise Busy("Too many tries to sign in.", "Wait a minute.")
        for whose in limits:
            self._failed[whose].append(now)
        over = [who for who, tries in self._failed.items() if not tries or tries[-1] < now - WITHIN]
        for whose in over:
            del self._failed[whose]

        def succeeded() -> None:
            for whose in limits:
                if now in (tries := self._failed.get(whose, deque())):
                    tries.remove(now)

        return succeeded


def visit(request: Request) -> Visit:
    """Return who is asking.

    Raises
    ------
    NotSignedIn
        A stranger.
    """
    found: Visit | None = request.state.visit
    if found is None:
        raise NotSignedIn
    return found


def owner(request: Request) -> Visit:
    """Return the owner, who is asking.

    Raises
    ------
    NotSignedIn, NotAllowed
        Someone else is.
    """
    found = visit(request)
    if not found.owner:
        raise NotAllowed("This page is for the owner of this machine.")
    return found


def doorkeeper(request: Request) -> Doorkeeper:
    """Return who lets members in."""
    keeper: Doorkeeper = request.app.state.doorkeeper
    return keeper


async def sign_in(request: Request) -> Response:
    """Sign in with a name and a password."""
    discord = request.app.state.discord is not None
    if request.method == "GET":
        if request.state.visit:
            return RedirectResponse("/", 303)
        return render(request, "sign_in.html", discord=discord)
    fields = await form(request)
    name, password = str(fields.get("name", "")), str(fields.get("password", ""))
    client = request.client.host if request.client else ""
    succeeded = doorkeeper(request).count_try(client, name)
    account = await service_of(request).visits.named(name)
    hashed = account.password if account and account.password else _NOBODY
    right = await asyncio.to_thread(_verify, hashed, password[:LONGEST_PASSWORD])
    if account is None or account.password is None or not right:
        wrong = "That name and password do not go together."
        return render(request, "sign_in.html", status=403, wrong=wrong, name=name, discord=discord)
    succeeded()
    secret = await service_of(request).visits.begin(account.member, Role.GUEST)
    return doorkeeper(request).admit(RedirectResponse("/", 303), secret)


async def enter(request: Request) -> Response:
    """Sign in by a link. Showing it does not use it up: chats fetch links to preview them."""
    if request.method == "GET":
        return render(request, "enter.html")
    secret = await service_of(request).visits.follow(request.path_params["secret"])
    return doorkeeper(request).admit(RedirectResponse("/", 303), secret)


async def sign_out(request: Request) -> Response:
    """Sign out here, or everywhere."""
    who, fields = visit(request), await form(request)
    if fields.get("everywhere"):
        await service_of(request).visits.end_all(who.member)
    elif secret := doorkeeper(request).secret(request):
        await service_of(request).visits.end(secret)
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(doorkeeper(request).cookie, secure=doorkeeper(request).secure)
    return response


async def set_password(request: Request) -> Response:
    """Choose a password for one's account; every session but a new one ends."""
    who, fields = visit(request), await form(request)
    if await service_of(request).visits.account(who.member) is None:
        raise NotFound("You have no account here.", "A link brings you in.")
    password = str(fields.get("password", ""))
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise MusrecError(
            f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.",
            "A few words in a row are easy to remember.",
        )
    visits = service_of(request).visits
    await visits.set_password(who.member, await asyncio.to_thread(_hasher.hash, password))
    await visits.end_all(who.member)
    secret = await visits.begin(who.member, who.role)
    return doorkeeper(request).admit(RedirectResponse("/you", 303), secret)


def _verify(hashed: str, password: str) -> bool:
    try:
        return _hasher.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False
