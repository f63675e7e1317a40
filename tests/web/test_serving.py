"""How the page is served beside the bot, and what it makes of requests no browser sends."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import aiohttp
import pytest

from musrec import demo
from musrec.members.model import OWNER, Role
from musrec.model import SettingsError
from musrec.service import Service
from musrec.settings import Settings
from musrec.web.app import beside
from tests.web.conftest import Page, served

pytestmark = pytest.mark.asyncio(loop_scope="module")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
        return port


def on(service: Service, **web: object) -> Settings:
    """Return a service's settings with others for the page."""
    changed = service.settings.web.model_copy(update={"enabled": True, **web})
    return service.settings.model_copy(update={"web": changed})


async def test_the_page_beside_the_bot_ends_with_it(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, port = page.service, free_port()
    monkeypatch.setattr(service, "settings", on(service, port=port))
    async with beside(service) as where:
        assert where == service.settings.web.address() == f"http://127.0.0.1:{port}"
        async with aiohttp.ClientSession() as http, http.get(f"{where}/sign-in") as response:
            assert response.status == 200
        with pytest.raises(SettingsError, match=f"port {port}"):
            await beside(service).__aenter__()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


@pytest.mark.parametrize(
    ("web", "said"),
    [({"port": 0}, "web.port is 0"), ({"host": "0.0.0.0"}, "web.base_url is missing")],
)
async def test_an_address_that_no_link_can_name_is_refused(
    page: Page, monkeypatch: pytest.MonkeyPatch, web: dict[str, object], said: str
) -> None:
    monkeypatch.setattr(page.service, "settings", on(page.service, **web))
    with pytest.raises(SettingsError, match=said):
        await beside(page.service).__aenter__()


async def raw(page: Page, head: str, body: bytes = b"") -> tuple[int, str]:
    """Send bytes as they are, and return what comes back, though nothing more is sent."""
    host = page.address.removeprefix("http://")
    reader, writer = await asyncio.open_connection(*host.split(":"))
    writer.write(head.replace("HOST", host).replace("\n", "\r\n").encode() + body)
    await writer.drain()
    first = (await reader.readline()).decode()
    rest = (await reader.read(100_000)).decode()
    writer.close()
    return int(first.split()[1]), rest


async def test_an_upload_of_2_gb_is_refused_before_it_is_read(page: Page) -> None:
    owner = await page.browser(OWNER, Role.OWNER)
    cookie = next(iter(owner.http.cookie_jar))
    kind = "multipart/form-data; boundary=x"
    head = (
        "POST /ask HTTP/1.1\nHost: HOST\nOrigin: http://HOST\n"
        f"Cookie: {cookie.key}={cookie.value}\n"
        f"Content-Type: {kind}\nContent-Length: {2 * 2**30}\nConnection: close\n\n"
    )
    status, text = await raw(page, head)
    assert status == 413
    assert "larger than 64 MiB" in text
    key = await page.service.visits.make_key(OWNER, Role.OWNER, "large")
    for path in ("/api/v1/recommend", "/api/v1/playlists"):
        head = (
            f"POST {path} HTTP/1.1\nHost: HOST\nAuthorization: Bearer {key}\n"
            f"Content-Length: {2 * 2**30}\nConnection: close\n\n"
        )
        status, text = await raw(page, head)
        assert status == 413
        assert "too large" in text
    # Nor is one without an end read for long.
    head = (
        f"POST /api/v1/recommend HTTP/1.1\nHost: HOST\nAuthorization: Bearer {key}\n"
        "Transfer-Encoding: chunked\nConnection: close\n\n"
    )
    status, _ = await raw(page, head, b"10000\r\n" + bytes(2**16) + b"\r\n1\r\nx\r\n")
    assert status == 413
    await owner.http.close()


async def test_headers_without_end_are_refused(page: Page) -> None:
    for head in ("GET / HTTP/1.1\nHost: HOST\nX-Long: ", "GET /"):
        status, _ = await raw(page, head + "x" * 70_000)
        assert status == 400


async def test_an_answer_that_a_restart_cuts_off_says_so(page: Page, tmp_path: Path) -> None:
    demo.write_tunes(tmp_path)
    clip = max(tmp_path.iterdir())
    async with served(page.service, patience=0) as door:
        owner = await door.browser(OWNER, Role.OWNER)
        form = aiohttp.FormData({"token": await owner.token()})
        form.add_field("clip", clip.read_bytes(), filename=clip.name)
        headers = {"accept": "text/event-stream", "origin": door.address}
        response = await owner.http.post("/ask", data=form, headers=headers)
        assert (await response.content.readline()).startswith(b"event: heard")
    events = (await response.content.read()).decode().split("\n\n")
    _, data = next(one for one in events if one.startswith("event: wrong")).split("\n")
    assert "Ask again" in json.loads(data.removeprefix("data: "))
    await owner.http.close()
