"""The page on a real socket, over a real store with the starter songs and real music."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import av
import pytest
import pytest_asyncio
import uvicorn

from musrec.members.model import OWNER, Role
from musrec.model import Track
from musrec.service import Service
from musrec.settings import Settings
from musrec.web.app import build
from musrec.web.oauth import Discord

NATIVE, FOREIGN = "alexander-ehlers--flags.ogg", "great mission.aiff"
"""Of the owner's files: one that browsers play, and one that they do not."""

KEY_FREE = ("deezer", "itunes", "reccobeats", "musicbrainz", "listenbrainz", "oembed", "ytdlp")


class Page:
    """A page that is being served."""

    def __init__(self, service: Service, address: str) -> None:
        self.service = service
        self.address = address

    async def browser(self, member: str | None = None, role: Role = Role.MEMBER) -> Visitor:
        """Return a browser, in which a member has followed a link."""
        visitor = Visitor(self.address)
        if member:
            secret = await self.service.visits.link(member, role)
            status, _ = await visitor.post(f"/enter/{secret}")
            assert status == 200
        return visitor


class Visitor:
    """One browser without scripts: cookies, forms and their tokens."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.http = aiohttp.ClientSession(
            address, cookie_jar=aiohttp.CookieJar(unsafe=True), headers={"accept": "text/html"}
        )
        self.headers: Mapping[str, str] = {}

    async def get(self, path: str) -> tuple[int, str]:
        async with self.http.get(path) as response:
            self.headers = response.headers
            return response.status, (await response.read()).decode("utf-8", "replace")

    async def token(self) -> str:
        """Return what every form of this browser repeats; empty for a stranger."""
        _, page = await self.get("/nothing")
        found = re.search('name="token" content="(.+?)"', page)
        return found[1] if found else ""

    async def post(
        self, path: str, origin: str | None = None, **fields: str | bytes
    ) -> tuple[int, str]:
        token = await self.token()
        form = aiohttp.FormData({"token": token} if token else {})
        for name, value in fields.items():
            if isinstance(value, bytes):
                form.add_field(name, value, filename="clip.ogg")
            else:
                form.add_field(name, value)
        headers = {"origin": origin or self.address}
        async with self.http.post(path, data=form, headers=headers) as response:
            return response.status, (await response.read()).decode("utf-8", "replace")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def page(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Page]:
    """The page, served on loopback to whoever asks."""
    folder: Path = tmp_path_factory.mktemp("page")
    settings = Settings.model_validate(
        {
            "paths": {"data": folder},
            "workers": {"count": 1, "fetch_tagger": False},
            "recommend": {"budget_seconds": 60},
            "sources": dict.fromkeys(KEY_FREE, False),
        }
    )
    async with Service.open(settings) as service, served(service) as page:
        yield page


@asynccontextmanager
async def served(
    service: Service, discord: Discord | None = None, *, patience: int = 1
) -> AsyncIterator[Page]:
    """Serve the page of an open service; answers have so many seconds to end when it stops."""
    listener = socket.create_server(("127.0.0.1", 0))
    host = f"127.0.0.1:{listener.getsockname()[1]}"
    if discord:
        discord = replace(discord, page=f"http://{host}")
    app = build(service, await service.visits.key(), hosts=(host,), discord=discord)
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=patience)
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield Page(service, f"http://{host}")
    finally:
        server.should_exit = True
        await serving


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def own(
    page: Page, music: Path, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, tuple[Track, Path]]:
    """A song whose file browsers play, and one in a format that they do not."""
    folder = tmp_path_factory.mktemp("music")
    shutil.copy(music / NATIVE, folder)
    with (
        av.open(str(music / "alexander-ehlers--great-mission.mp3"), "r") as source,
        av.open(str(folder / FOREIGN), "w") as out,
    ):
        stream = out.add_stream("pcm_s16be", rate=44_100)
        for frame in source.decode(audio=0):
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    steps = [step async for step in page.service.songs.add([folder])]
    return {step.path.name: (step.track, step.path) for step in steps if step.track}


@pytest_asyncio.fixture(loop_scope="module")
async def owner(page: Page) -> AsyncIterator[Visitor]:
    """The owner, signed in."""
    visitor = await page.browser(OWNER, Role.OWNER)
    yield visitor
    await visitor.http.close()


@pytest_asyncio.fixture(loop_scope="module")
async def member(page: Page) -> AsyncIterator[Visitor]:
    """A member of Discord, signed in."""
    visitor = await page.browser("417711229900")
    yield visitor
    await visitor.http.close()


@pytest_asyncio.fixture(loop_scope="module")
async def stranger(page: Page) -> AsyncIterator[Visitor]:
    """A browser in which nobody is signed in."""
    visitor = await page.browser()
    yield visitor
    await visitor.http.close()
