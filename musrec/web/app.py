"""The application: its routes, what guards them, and how it is served."""

from __future__ import annotations

import asyncio
import inspect
import logging
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from musrec.members.model import OWNER, Role
from musrec.model import Busy, MusrecError, NotFound, SettingsError
from musrec.web import (
    api,
    ask,
    atlas,
    keys,
    library,
    oauth,
    owner,
    player,
    playlists,
    sessions,
    subsonic,
    you,
)
from musrec.web.oauth import Discord
from musrec.web.pages import FOLDER, LARGEST_CLIP, TooLarge, render
from musrec.web.sessions import Doorkeeper, NotAllowed, NotSignedIn

if TYPE_CHECKING:
    from musrec.service import Service
    from musrec.settings import WebSettings

_log = logging.getLogger(__name__)

COVERS = "https://*.dzcdn.net https://*.mzstatic.com https://i.scdn.co"

WAVE_STYLE = "'sha256-9SfrHdOLGeJ9IEr71EpmpCjtP/RYIJ2yGgDBKCLmeEE='"
"""The one style sheet that wavesurfer.js writes into the page: by its hash, no other may."""

HEADERS = {
    "content-security-policy": (
        f"default-src 'none'; script-src 'self'; style-src 'self' {WAVE_STYLE}; font-src 'self'; "
        f"img-src 'self' data: {COVERS}; media-src 'self' blob:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    # With "no-referrer" browsers would send forms with the origin "null".
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(self)",
}

LARGEST_FORM, LARGEST_OF_STRANGERS = 2**20, 2**14
"""Bytes of a request without a clip, by a member and by a stranger."""

LARGEST_OF_PROGRAMS = 2**16
"""Bytes that a program may send."""

LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")

OPEN: tuple[BaseRoute, ...] = (
    Route("/sign-in", sessions.sign_in, methods=["GET", "POST"]),
    Route("/discord", oauth.begin),
    Route("/discord/back", oauth.back),
    Route("/enter/{secret}", sessions.enter, methods=["GET", "POST"]),
    Route("/shared/{secret}", playlists.shared),
    Route("/api/openapi.json", api.described),
    # A program signs in with every request, by a key.
    Route("/rest/{method}", subsonic.answer, methods=["GET", "POST"]),
)
"""What a stranger may ask for."""

SIGNED_IN: tuple[BaseRoute, ...] = (
    Route("/", ask.home),
    Route("/ask", ask.ask, methods=["POST"]),
    Route("/answers/{answer}", ask.answer),
    Route("/answers/{answer}/{song}.png", ask.card),
    Route("/library", library.songs),
    Route("/artists", library.artists),
    Route("/songs/{song}", library.song),
    Route("/songs/{song}/sheet.png", library.sheet),
    Route("/songs/{song}/cover", ask.cover),
    Route("/songs/{song}/play", player.play),
    Route("/songs/{song}/sound", player.sound),
    Route("/songs/{song}/thumb", library.thumb, methods=["POST"]),
    Route("/listening", player.listening, methods=["POST"]),
    Route("/compare", library.compare),
    Route("/blend", you.invite, methods=["POST"]),
    Route("/blend/{invitation}", you.blend, methods=["GET", "POST"]),
    Route("/gallery", library.gallery),
    Route("/gallery.png", library.gallery_picture),
    Route("/playlists", playlists.index, methods=["GET", "POST"]),
    Route("/playlists/add", playlists.add, methods=["POST"]),
    Route("/playlists/{playlist:int}", playlists.show),
    Route("/playlists/{playlist:int}/change", playlists.change, methods=["POST"]),
    Route("/playlists/{playlist:int}/continue", playlists.continued, methods=["POST"]),
    Route("/playlists/{playlist:int}/export.{how}", playlists.export),
    Route("/history", you.history),
    Route("/taste", you.taste),
    Route("/taste.png", you.taste_picture),
    Route("/map", atlas.show),
    Route("/map/points", atlas.points),
    Route("/map/songs", atlas.songs),
    Route("/map/keep", atlas.keep, methods=["POST"]),
    Route("/map.png", you.map_picture),
    Route("/you", you.show),
    Route("/you/choose", you.choose, methods=["POST"]),
    Route("/you/export.zip", you.export),
    Route("/you/delete", you.delete, methods=["POST"]),
    Route("/keys", keys.show, methods=["GET", "POST"]),
    Route("/you/password", sessions.set_password, methods=["POST"]),
    Route("/sign-out", sessions.sign_out, methods=["POST"]),
)
"""What a member may ask for."""

OWNERS: tuple[BaseRoute, ...] = (
    Route("/people", you.people, methods=["GET", "POST"]),
    Route("/state", owner.state),
    Route("/reports", owner.reports),
    Route("/reports/{name:path}", owner.report),
)
"""What the owner alone may ask for."""


KEYED: tuple[BaseRoute, ...] = (
    Route("/api/v1/search", api.search),
    Route("/api/v1/songs/{song}", api.song),
    Route("/api/v1/songs/{song}/similar", api.similar),
    Route("/api/v1/recommend", api.recommend, methods=["POST"]),
    Route("/api/v1/playlists", api.playlists, methods=["GET", "POST"]),
    Route("/api/v1/playlists/{playlist:int}", api.playlist),
)
"""What a program may ask for that sends a member's key as a bearer token."""

PROGRAMS = {"/api/": api.problem, "/rest/": subsonic.failed}
"""Where programs ask, and how they are told what went wrong.

Cookies mean nothing there: a form on another site cannot ask in a member's name.
"""


class Guard:
    """What holds for every request: host, origin, size, session, and headers of the answer."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or turn it away."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > request.state.most:
                raise TooLarge(request.state.most)
            return message

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                extra = HEADERS if request.url.path.startswith("/static/") else _NO_STORE
                message["headers"] = [
                    *message["headers"],
                    *(
                        (name.encode(), value.encode())
                        for name, value in extra.items()
                        if name.encode() not in given
                    ),
                ]
            await send(message)

        request.state.visit = request.state.token = None
        host = request.headers.get("host", "")
        if host.casefold() not in self._hosts:
            refusal = Response("This page is not served under that name.", 421)
            await refusal(scope, receive, guarded)
            return
        program = _of_program(request)
        if not program and request.method not in ("GET", "HEAD") and not _own(request, host):
            await Response("That form was not on this page.", 403)(scope, receive, guarded)
            return
        if not program and not request.url.path.startswith("/static/"):
            keeper: Doorkeeper = scope["app"].state.doorkeeper
            if secret := keeper.secret(request):
                request.state.visit = await scope["app"].state.service.visits.current(secret)
                request.state.token = keeper.token(secret) if request.state.visit else None
        request.state.most = _most(request)
        await self._app(scope, counted, guarded)


_NO_STORE = HEADERS | {"cache-control": "no-store"}


def _most(request: Request) -> int:
    """Return how many bytes a request may hold."""
    if _of_program(request):
        return LARGEST_OF_PROGRAMS
    if request.state.visit is None:
        return LARGEST_OF_STRANGERS
    return LARGEST_CLIP + 65_536 if request.url.path == "/ask" else LARGEST_FORM


def _of_program(request: Request) -> bool:
    return request.url.path.startswith(tuple(PROGRAMS))


def _own(request: Request, host: str) -> bool:
    """Whether a write came from this page: browsers say so in `Origin`."""
    origin = request.headers.get("origin")
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    return origin is not None and urlsplit(origin).netloc.casefold() == host.casefold()


def build(
    service: Service,
    key: bytes,
    *,
    hosts: Iterable[str],
    secure: bool = False,
    discord: Discord | None = None,
) -> Starlette:
    """Make the application.

    Parameters
    ----------
    service : Service
        Open; its opener closes it.
    key : bytes
        Signs cookies: `Service.visits.key`.
    hosts : iterable of str
        Under which names, with their ports, it may be asked.
    secure : bool
        It is reached over HTTPS alone.
    discord : Discord, optional
        With what members sign in who come from Discord.
    """
    app = Starlette(
        routes=[
            *OPEN,
            *(_only(sessions.visit, route) for route in SIGNED_IN),
            *(_only(sessions.owner, route) for route in OWNERS),
            *(_only(keys.bearer, route) for route in KEYED),
            Mount("/static", GZipMiddleware(StaticFiles(directory=FOLDER / "static"))),
        ],
        middleware=[Middleware(Guard, hosts=hosts)],
        exception_handlers={
            MusrecError: _sorry,
            HTTPException: _wrong_address,
            Exception: _bug,
        },
    )
    app.state.service = service
    app.state.discord = discord
    app.state.allowance = keys.Allowance()
    app.state.doorkeeper = Doorkeeper(key, secure=secure)
    return app


Handler = Callable[[Request], Awaitable[Response]]


def _only(who: Callable[[Request], object], route: BaseRoute) -> Route:
    """Return a route that is open to some alone."""
    assert isinstance(route, Route)
    inner: Handler = route.endpoint

    async def handler(request: Request) -> Response:
        if inspect.isawaitable(found := who(request)):
            await found
        return await inner(request)

    return Route(route.path, handler, methods=list(route.methods or ()))


STATUS: tuple[tuple[type[MusrecError], int], ...] = (
    (NotSignedIn, 401),
    (NotAllowed, 403),
    (NotFound, 404),
    (api.Several, 409),
    (TooLarge, 413),
    (keys.TooMany, 429),
    (Busy, 503),
)
"""What each kind of error is in HTTP, the first that fits; anything else is 400."""


def _status(error: MusrecError) -> int:
    return next((status for kind, status in STATUS if isinstance(error, kind)), 400)


async def _sorry(request: Request, error: Exception) -> Response:
    assert isinstance(error, MusrecError)
    page = request.method == "GET" and _wants_page(request)
    if isinstance(error, NotSignedIn) and page and not _of_program(request):
        return RedirectResponse("/sign-in", 303)
    return _said(request, _status(error), str(error), error.hint, error)


async def _wrong_address(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    what = "There is no such page." if error.status_code == 404 else "That does not work here."
    return _said(request, error.status_code, what, "", error)


async def _bug(request: Request, error: Exception) -> Response:
    reference = secrets.token_hex(4)
    _log.error("page failed", exc_info=error, extra={"reference": reference})
    what = f"Something is broken here. The log knows it as {reference}."
    page = _said(request, 500, what, "Try it again later.", error)
    page.headers.update(_NO_STORE)  # it is made outside of `Guard`
    return page


def _said(request: Request, status: int, what: str, hint: str, error: Exception) -> Response:
    """Say what went wrong: on a page, or to a program in the way that it reads."""
    for start, say in PROGRAMS.items():
        if request.url.path.startswith(start):
            return say(request, status, what, hint, error)
    return render(request, "error.html", status=status, what=what, hint=hint)


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


# Serving ------------------------------------------------------------------------------------------


class _Beside(uvicorn.Server):
    """A server in a process that handles signals itself."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


@asynccontextmanager
async def beside(service: Service) -> AsyncIterator[str]:
    """Serve the page while the block runs; yields its address.

    Raises
    ------
    SettingsError
        Its address cannot be told, or cannot be listened at.
    """
    settings = service.settings.web
    settings.address()  # `/page` writes links without asking which port was free
    listener, where, config = await _prepared(service, settings)
    server = _Beside(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield where
    finally:
        server.should_exit = True
        await serving


async def serve(service: Service, settings: WebSettings, tell: Callable[[str], None]) -> None:
    """Serve the page until it is told to stop.

    Parameters
    ----------
    tell : callable
        Called once with the link that signs the owner in.

    Raises
    ------
    SettingsError
        Its address cannot be told, or cannot be listened at.
    """
    listener, where, config = await _prepared(service, settings)
    link = await service.visits.link(OWNER, Role.OWNER)
    tell(f"{where}/enter/{link}")
    await uvicorn.Server(config).serve(sockets=[listener])


async def _prepared(
    service: Service, settings: WebSettings
) -> tuple[socket.socket, str, uvicorn.Config]:
    """Return the socket to serve at, where that is, and what to serve."""
    settings.address(settings.port or 1)  # before anything is opened
    listener = _listener(settings.host, settings.port)
    port = listener.getsockname()[1]
    where = settings.address(port)
    secret = settings.discord_client_secret.get_secret_value()
    discord = Discord(settings.discord_client_id, secret, where)
    app = build(
        service,
        await service.visits.key(),
        hosts={urlsplit(where).netloc, *(f"{host}:{port}" for host in LOCAL_HOSTS)},
        secure=where.startswith("https://"),
        discord=discord if discord.client_id and secret else None,
    )
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=5
    )
    return listener, where, config


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise SettingsError(
            f"The page cannot be served at {host}, port {port}: {error.strerror}.",
            "Choose another host or port under [web].",
        ) from None
