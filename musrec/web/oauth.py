"""Signing in with Discord: OAuth 2 with a code, a state and a proof key (RFC 6749, RFC 7636).

Only the scope ``identify`` is asked for, and of what Discord answers only the id is used. Members
whom the bot has not met are turned away: otherwise all of Discord could come in.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from urllib.parse import urlencode

import aiohttp
from itsdangerous import BadSignature, TimestampSigner
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from musrec.members.model import Role
from musrec.model import Busy, MusrecError, NotFound
from musrec.web.pages import service_of
from musrec.web.sessions import NotAllowed, doorkeeper

COOKIE = "musrec-discord"
WITHIN = 600
"""Seconds that a member has to agree at Discord."""
PATIENCE = aiohttp.ClientTimeout(total=10)


class NotBegunHere(MusrecError):
    """A sign-in comes back that did not begin in this browser, or did so too long ago."""

    def __init__(self) -> None:
        super().__init__("That sign-in did not begin here, or took too long.", "Start it again.")


@dataclass(frozen=True, slots=True)
class Discord:
    """The application at Discord that members sign in with.

    Attributes
    ----------
    page : str
        Where this page is, without a slash at the end; ``/discord/back`` below it is to be entered
        in Discord's developer portal, under OAuth2, as a redirect.
    site : str
        Where Discord is.
    """

    client_id: str
    client_secret: str
    page: str
    site: str = "https://discord.com"

    @property
    def back(self) -> str:
        """Where Discord sends members who agreed, or did not."""
        return f"{self.page}/discord/back"


def _discord(request: Request) -> Discord:
    found: Discord | None = request.app.state.discord
    if found is None:
        raise NotFound("Signing in with Discord is not set up here.", "Ask for /page in Discord.")
    return found


def _signer(request: Request) -> TimestampSigner:
    return TimestampSigner(doorkeeper(request).key, salt="discord")


async def begin(request: Request) -> Response:
    """Send a browser to Discord, and let it remember what must come back."""
    discord = _discord(request)
    state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    asked = {
        "client_id": discord.client_id,
        "response_type": "code",
        "scope": "identify",
        "redirect_uri": discord.back,
        "state": state,
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
    }
    response = RedirectResponse(f"{discord.site}/oauth2/authorize?{urlencode(asked)}", 303)
    response.set_cookie(
        COOKIE,
        _signer(request).sign(f"{state} {verifier}").decode(),
        max_age=WITHIN,
        path="/discord",
        httponly=True,
        secure=doorkeeper(request).secure,
        samesite="lax",
    )
    return response


async def back(request: Request) -> Response:
    """Sign a member in who comes back from Discord."""
    discord, given = _discord(request), request.query_params
    try:
        kept = _signer(request).unsign(request.cookies.get(COOKIE, ""), max_age=WITHIN).decode()
    except (BadSignature, UnicodeError):
        raise NotBegunHere from None
    state, _, verifier = kept.partition(" ")
    if not hmac.compare_digest(state.encode(), given.get("state", "").encode()):
        raise NotBegunHere
    if "code" not in given:
        raise MusrecError("Discord did not let you in.", "Start again, and agree there.")
    client = request.client.host if request.client else ""
    succeeded = doorkeeper(request).count_try(client, "discord")
    member = await _member(discord, given["code"], verifier)
    service = service_of(request)
    if await service.members.get(member) is None:
        raise NotAllowed("I have not met you yet. Ask me for something in Discord first.")
    succeeded()
    secret = await service.visits.begin(member, Role.MEMBER)
    response = doorkeeper(request).admit(RedirectResponse("/", 303), secret)
    response.delete_cookie(COOKIE, path="/discord", secure=doorkeeper(request).secure)
    return response


async def _member(discord: Discord, code: str, verifier: str) -> str:
    """Return whose code it is: exchange it for a token, and use that once."""
    exchange = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": discord.back,
        "code_verifier": verifier,
    }
    login = aiohttp.encode_basic_auth(discord.client_id, discord.client_secret)
    api = f"{discord.site}/api"
    try:
        async with aiohttp.ClientSession(timeout=PATIENCE) as http:
            headers = {"authorization": login}
            async with http.post(f"{api}/oauth2/token", data=exchange, headers=headers) as response:
                token = await _field(response, "access_token")
            headers = {"authorization": f"Bearer {token}"}
            async with http.get(f"{api}/users/@me", headers=headers) as response:
                member = await _field(response, "id")
    except (aiohttp.ClientError, TimeoutError):
        raise Busy("Discord does not answer.", "Try again, or ask for /page there.") from None
    if not member.isdecimal():
        raise _refused()
    return member


async def _field(response: aiohttp.ClientResponse, name: str) -> str:
    if response.status >= 500:
        raise aiohttp.ClientError
    try:
        found = await response.json() if response.status == 200 else None
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get(name), str):
        raise _refused()
    return str(found[name])


def _refused() -> MusrecError:
    return MusrecError("Discord did not accept that sign-in.", "Start it again.")
