"""Who may ask for what: every route, asked by a stranger, by another member and by the owner."""

from __future__ import annotations

from typing import NamedTuple

import aiohttp
import pytest
from starlette.routing import Mount, Route

from musrec.members.model import OWNER, Role
from musrec.web import app as pages
from tests.web.conftest import Page, Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")


class May(NamedTuple):
    """Status for a stranger, for a member who owns none of it, and for the owner."""

    stranger: int
    member: int
    owner: int


CACHED = ("no-store", "private, max-age=600", "private, no-cache")
SIGN_IN = 303
MEMBERS = May(SIGN_IN, 200, 200)
OWNERS = May(SIGN_IN, 403, 200)
NOT_THEIRS = May(SIGN_IN, 404, 200)
KEYED = May(401, 401, 401)
"""A cookie is no key; tests of programs show what a key opens."""

GET: dict[str, May] = {
    "/": MEMBERS,
    "/answers/{answer}": NOT_THEIRS,
    "/answers/{answer}/{pick}.png": NOT_THEIRS,
    "/api/openapi.json": May(200, 200, 200),
    "/api/v1/playlists": KEYED,
    "/api/v1/playlists/{playlist}": KEYED,
    "/api/v1/search": KEYED,
    "/api/v1/songs/{song}": KEYED,
    "/api/v1/songs/{song}/similar": KEYED,
    "/artists": MEMBERS,
    "/blend/{invitation}": May(SIGN_IN, 404, 404),
    "/compare": MEMBERS,
    "/discord": May(404, 404, 404),
    "/discord/back": May(404, 404, 404),
    "/enter/{secret}": May(200, 200, 200),
    "/gallery": May(SIGN_IN, 404, 404),
    "/gallery.png": May(SIGN_IN, 404, 404),
    "/history": MEMBERS,
    "/keys": MEMBERS,
    "/library": MEMBERS,
    "/map": MEMBERS,
    "/map.png": MEMBERS,
    "/map/points": MEMBERS,
    "/map/songs": MEMBERS,
    "/people": OWNERS,
    "/playlists": MEMBERS,
    "/playlists/{playlist}": NOT_THEIRS,
    "/playlists/{playlist}/export.{how}": NOT_THEIRS,
    "/reports": OWNERS,
    "/reports/{name}": May(SIGN_IN, 403, 404),
    "/rest/{method}": May(200, 200, 200),
    "/shared/{secret}": May(404, 404, 404),
    "/sign-in": May(200, 303, 303),
    "/songs/{song}": MEMBERS,
    "/songs/{song}/cover": May(SIGN_IN, 204, 204),
    "/songs/{song}/play": MEMBERS,
    "/songs/{song}/sheet.png": May(SIGN_IN, 404, 404),
    "/songs/{song}/sound": May(SIGN_IN, 404, 404),
    "/state": OWNERS,
    "/taste": MEMBERS,
    "/taste.png": May(SIGN_IN, 404, 404),
    "/you": MEMBERS,
    "/you/export.zip": MEMBERS,
}
POST: dict[str, May] = {
    "/api/v1/playlists": KEYED,
    "/api/v1/recommend": KEYED,
    "/ask": May(401, 404, 404),
    "/blend": May(401, 200, 200),
    "/blend/{invitation}": May(401, 404, 404),
    "/enter/{secret}": May(404, 404, 404),
    "/keys": May(401, 400, 400),
    "/listening": May(401, 204, 204),
    "/map/keep": May(401, 400, 400),
    "/people": May(401, 403, 400),
    "/playlists": May(401, 400, 400),
    "/playlists/add": May(401, 404, 404),
    "/playlists/{playlist}/change": May(401, 404, 400),
    "/playlists/{playlist}/continue": May(401, 404, 303),
    "/rest/{method}": May(200, 200, 200),
    "/sign-in": May(403, 403, 403),
    "/songs/{song}/thumb": May(401, 400, 400),
    "/you/choose": May(401, 303, 303),
    "/you/delete": May(401, 400, 400),
    "/you/password": May(401, 404, 404),
    "/sign-out": May(401, 303, 303),
}
"""Forms are sent empty but for their token: who is let in is told what is missing."""


async def test_every_route_is_listed_and_keeps_to_it(
    page: Page, owner: Visitor, member: Visitor, stranger: Visitor
) -> None:
    listed = {("GET", path) for path in GET} | {("POST", path) for path in POST}
    assert _routes() == listed
    service = page.service
    song = service.catalogue.songs.tracks[0]
    kept = await service.playlists.create(OWNER, "The owner's")
    await service.playlists.add(kept, [song.id])
    answer = await service.answers.recommend(
        await service.songs.heard(song.id), member=OWNER, online=False
    )
    parts = {
        "song": song.id,
        "playlist": str(kept.id),
        "answer": answer.id,
        "pick": answer.picks[0].track.id,
        "how": "csv",
        "secret": "unknown",
        "invitation": "unknown",
        "method": "ping",
        "name": "unknown.html",
    }
    wrong = []
    for method, table in (("GET", GET), ("POST", POST)):
        for path, may in table.items():
            for who, visitor in (("stranger", stranger), ("member", member), ("owner", owner)):
                status = await _asked(visitor, method, path.format(**parts))
                if status != getattr(may, who):
                    wrong.append((who, method, path, status, getattr(may, who)))
    assert not wrong


async def test_an_invited_guest_is_no_owner(page: Page) -> None:
    guest = await page.browser("local:guest", Role.GUEST)
    for path, may in GET.items():
        if may is OWNERS:
            assert await _asked(guest, "GET", path) == 403, path
    await guest.http.close()


async def test_every_page_has_its_policy(page: Page, owner: Visitor) -> None:
    for path, may in GET.items():
        if may in (MEMBERS, OWNERS) and "{" not in path:
            await owner.get(path)
            policy = owner.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'"), path
            assert owner.headers["cache-control"] in CACHED, path


def _routes() -> set[tuple[str, str]]:
    app = pages.build(None, b"key", hosts=())  # type: ignore[arg-type]
    found = set()
    for route in app.routes:
        if isinstance(route, Mount):
            assert route.path == "/static"
            continue
        assert isinstance(route, Route)
        path = route.path.replace(":int", "").replace(":path", "")
        if path == "/answers/{answer}/{song}.png":
            path = "/answers/{answer}/{pick}.png"
        found |= {(method, path) for method in (route.methods or set()) - {"HEAD"}}
    return found


async def _asked(visitor: Visitor, method: str, path: str) -> int:
    if method == "GET":
        async with visitor.http.get(path, allow_redirects=False) as response:
            await response.read()
            return response.status
    form = aiohttp.FormData({"token": await visitor.token()})
    headers = {"origin": visitor.address}
    async with visitor.http.post(
        path, data=form, headers=headers, allow_redirects=False
    ) as response:
        await response.read()
        return response.status
