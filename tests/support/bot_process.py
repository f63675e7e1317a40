"""The bot as a process of its own against the loopback Discord, to be stopped or killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from random import Random

from aiohttp import web

from tests.support.fake_discord import FakeDiscord
from tests.support.loopback import PROVIDERS_OFF

ROOT = Path(__file__).resolve().parents[2]
STARTER = """
import sys
import discord, yarl
from discord.gateway import DiscordWebSocket
address = sys.argv.pop()
discord.http.Route.BASE = f"http://{address}/api/v10"
DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(f"ws://{address}/gateway")
from bot.__main__ import main
sys.exit(main())
"""


async def start(
    fake: FakeDiscord,
    folder: Path,
    *,
    page: int | None = None,
    metrics: int | None = None,
    shards: str = "shard_count = 1",
) -> asyncio.subprocess.Process:
    """Start ``python -m bot`` on a store in a folder, with its log on standard error.

    It serves the page and metrics at ports, if they are given, and leads a process group of its
    own, so that its workers can be killed with it.
    """
    config = folder / "config.toml"
    config.write_text(
        f'[paths]\ndata = "{folder}"\n[log]\njson_lines = true\n[workers]\ncount = 1\n'
        + (f"[web]\nenabled = true\nport = {page}\n" if page else "")
        + (f"[metrics]\nport = {metrics}\n" if metrics else "")
        + f"[discord]\n{shards}\nmember_cooldown_seconds = 0\n"
        "[sources]\n" + "".join(f"{name} = false\n" for name in PROVIDERS_OFF)
    )
    environment = {
        **os.environ,
        "MUSREC_DISCORD__TOKEN": FakeDiscord.TOKEN,
        "MUSREC_CACHE": str(folder / "cache"),  # where no tagger is, and no index to fetch it
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
    }
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STARTER, "--config", str(config), f"127.0.0.1:{fake.port}"),
        cwd=ROOT,
        env=environment,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )


class MortalBot:
    """A bot that is killed right after one of its requests was carried out.

    The process never hears how that request went: what it was about to note is not noted.

    Parameters
    ----------
    rng : Random
        Decides after which request.
    """

    def __init__(self, fake: FakeDiscord, folder: Path, rng: Random) -> None:
        self._fake = fake
        self._folder = folder
        self._rng = rng
        self._process: asyncio.subprocess.Process | None = None
        self._log: asyncio.Task[bytes] | None = None

    async def live(self) -> None:
        """Start it, and wait until it is ready."""
        ready = asyncio.create_task(self._fake.wait("ready"))
        self._process = await start(self._fake, self._folder)
        assert self._process.stderr is not None
        self._log = asyncio.create_task(self._process.stderr.read())
        await ready

    def doom(self, least: int, most: int) -> None:
        """Let it die within so many of its next requests."""
        left = self._rng.randint(least, most)

        def witness(_request: web.Request) -> None:
            nonlocal left
            left -= 1
            if not left:
                self.kill()

        self._fake.witness = witness

    def kill(self) -> None:
        """Kill it with its workers, as a power cut does."""
        self._fake.witness = lambda _request: None
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def dead(self) -> str:
        """Wait for its end; return its log. Discord no longer has a session with it."""
        assert self._process is not None
        assert self._log is not None
        await self._process.wait()
        self._fake.sessions.clear()
        return (await self._log).decode()
