"""Signing in with Discord, against a Discord on loopback that checks what it is sent."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from musrec.web.oauth import Discord
from tests.web.conftest import Page, Visitor, served

pytestmark = pytest.mark.asyncio(loop_scope="module")

KNOWN, UNKNOWN = "300300300", "300300301"


class FakeDiscord:
    """Lets whoever is `member` agree, and gives a token to whoever proves to have begun."""

    def __init__(self) -> None:
        self.member = KNOWN
        self.down = False
        self._codes: dict[str, dict[str, str]] = {}

    def agree(self, address: str) -> str:
        """Return where a member is sent who agrees to what an address asks."""
        asked = {name: one for name, (one,) in parse_qs(urlsplit(address).query).items()}
        assert asked["scope"] == "identify"
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = f"code{len(self._codes)}"
        self._codes[code] = asked
        return f"{urlsplit(asked['redirect_uri']).path}?code={code}&state={asked['state']}"

    async def token(self, request: web.Request) -> web.Response:
        if self.down:
            raise web.HTTPBadGateway
        given = await request.post()
        asked = self._codes.pop(str(given["code"]), None)
        login = aiohttp.BasicAuth.decode(request.headers["authorization"])
        digest = hashlib.sha256(str(given["code_verifier"]).encode()).digest()
        proof = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        right = (
            asked
            and proof == asked["code_challenge"]
            and given["redirect_uri"] == asked["redirect_uri"]
            and given["grant_type"] == "authorization_code"
            and (login.login, login.password) == (asked["client_id"], "secret")
        )
        if not right:
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response({"access_token": f"of {self.member}", "scope": "identify"})

    async def me(self, request: web.Request) -> web.Response:
        member = request.headers["authorization"].removeprefix("Bearer of ")
        return web.json_response({"id": member, "username": "someone"})


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def discord() -> AsyncIterator[tuple[FakeDiscord, str]]:
    fake, app = FakeDiscord(), web.Application()
    app.router.add_post("/api/oauth2/token", fake.token)
    app.router.add_get("/api/users/@me", fake.me)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield fake, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def door(page: Page, discord: tuple[FakeDiscord, str]) -> AsyncIterator[Page]:
    """A page that knows an application at Discord."""
    await page.service.members.meet(KNOWN)
    async with served(page.service, Discord("77", "secret", "", discord[1])) as door:
        yield door


async def begun(visitor: Visitor) -> str:
    """Return where the page sends a browser that signs in with Discord."""
    async with visitor.http.get("/discord", allow_redirects=False) as response:
        assert response.status == 303
        return response.headers["location"]


async def test_a_member_whom_the_bot_met_signs_in(
    door: Page, discord: tuple[FakeDiscord, str]
) -> None:
    visitor = await door.browser()
    assert 'href="/discord"' in (await visitor.get("/sign-in"))[1]
    back = discord[0].agree(await begun(visitor))
    status, text = await visitor.get(back)
    assert status == 200
    assert 'href="/sign-out"' in text or "hear more of" in text
    assert (await visitor.get("/people"))[0] == 403
    # The code and the state work once.
    other = await door.browser()
    assert (await other.get(back))[0] == 400
    assert (await visitor.get(back))[0] == 400
    for one in (visitor, other):
        await one.http.close()


async def test_a_sign_in_that_began_elsewhere_is_refused(
    door: Page, discord: tuple[FakeDiscord, str]
) -> None:
    mine, theirs = await door.browser(), await door.browser()
    await begun(mine)
    status, text = await mine.get(discord[0].agree(await begun(theirs)))
    assert status == 400
    assert "did not begin here" in text
    for one in (mine, theirs):
        await one.http.close()


async def test_a_member_whom_the_bot_never_met_is_refused(
    door: Page, discord: tuple[FakeDiscord, str]
) -> None:
    visitor, fake = await door.browser(), discord[0]
    fake.member = UNKNOWN
    try:
        status, text = await visitor.get(fake.agree(await begun(visitor)))
    finally:
        fake.member = KNOWN
    assert status == 403
    assert "have not met you" in text
    assert await door.service.members.get(UNKNOWN) is None
    await visitor.http.close()


async def test_a_member_who_does_not_agree_and_a_discord_that_is_down_get_a_sentence(
    door: Page, discord: tuple[FakeDiscord, str]
) -> None:
    visitor, fake = await door.browser(), discord[0]
    state = parse_qs(urlsplit(await begun(visitor)).query)["state"][0]
    status, text = await visitor.get(f"/discord/back?error=access_denied&state={state}")
    assert status == 400
    assert "did not let you in" in text
    fake.down = True
    try:
        status, text = await visitor.get(fake.agree(await begun(visitor)))
    finally:
        fake.down = False
    assert status == 503
    assert "does not answer" in text
    status, text = await visitor.get(fake.agree(await begun(visitor)).replace("code=", "code=x"))
    assert status == 400
    assert "did not accept" in text
    await visitor.http.close()


async def test_without_an_application_there_is_no_such_way_in(page: Page) -> None:
    visitor = await page.browser()
    assert "/discord" not in (await visitor.get("/sign-in"))[1].replace("in Discord", "")
    assert (await visitor.get("/discord"))[0] == 404
    assert (await visitor.get("/discord/back?code=1&state=2"))[0] == 404
    await visitor.http.close()
