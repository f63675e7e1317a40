"""Hostile texts: each has an answer, and no request leaves for a place that is not on the list."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from pathlib import Path

import aiohttp
from aiohttp import web

from musrec.model import MusrecError
from musrec.service import Service
from musrec.settings import Settings
from musrec.sources.fetch import fetch
from musrec.sources.gate import Refused
from tests.attack.figures import Figures
from tests.support import guard
from tests.support.loopback import Loopback, serving, stock

AT_ONCE = 20
TITLES = ("One More Time", "Boogie Nights", "Ænema", "Группа крови", "夜に駆ける", "Song 2", "???")
PLACES = (
    "{trap}/track/3135553",
    "http://evil.example/track/1",
    "https://www.deezer.com@evil.example/track/1",
    "https://www.deezer.com.evil.example/track/1",
    "https://www.deezer.com\\@evil.example/track/1",
    "https://evil.example#@open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC",
    "https://www.deezer.com/track/../../../../admin?x=1#",
    "https://www.deezer.com:22/track/1",
    "https://ｗｗｗ.deezer.com/track/1",
    "http://169.254.169.254/latest/meta-data/",
    "http://[::ffff:169.254.169.254]/track/1",
    "http://2130706433/track/1",
    "file:///etc/passwd",
    "gopher://127.0.0.1:25/_HELO",
    "//evil.example/track/1",
    "https://deezer.page.link/{trap}",
    "https://open.spotify.com/redirect?to={trap}",
    "https://youtu.be/{trap}",
    "https://soundcloud.com/a/b?url={trap}",
    "https://xn--80ak6aa92e.com/track/1",
    "https://www.deezer.com/track/666",
    "https://music.apple.com/us/album/x/1?i=666",
    "https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC",
    "https://soundcloud.com/a/b",
    "https://spotify.link/astray",
    "https://on.soundcloud.com/astray",
    "https://link.deezer.com/s/astray",
    "/etc/passwd",
    "../../../../etc/passwd",
)
ASTRAY = (
    "{trap}/secret",
    "//127.0.0.1:{port}/secret",
    "http://localhost:{port}/secret",
    "http://LOCALHOST.:{port}/secret",
    "http://0.0.0.0:{port}/secret",
    "http://127.1:{port}/secret",
    "http://2130706433:{port}/secret",
    "http://0x7f000001:{port}/secret",
    "http://[::1]:{port}/secret",
    "http://[::ffff:127.0.0.1]:{port}/secret",
    "http://user:word@127.0.0.1:{port}/secret",
    "{services}@127.0.0.1:{port}/secret",
    "{services}\\@127.0.0.1:{port}/secret",
    "http://user@{own}/secret",
    "https://www.deezer.com/track/1",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fe80::1]/secret",
    "http://[::ffff:169.254.169.254]/secret",
    "http://127.0.0.1:99999/secret",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_HELO",
    "/hop",
    "/hop/hop",
)
"""Where a service that was taken over may send whoever asks it; "/hop" leads on."""
WORDS = (
    "' OR 1=1 --",
    '"; DROP TABLE tracks; --',
    "%s%s%n{0}{__class__}",
    "{{7*7}}${7*7}",
    "@everyone <@1> [x](http://evil.example)",
    "\x00\x1b[2J\r\nSet-Cookie: a=b",
    "\u202egnos\u202c \u200b\u2060",
    "\ud800\udfff\ud800",
    "a\u0300" * 300,
    "9" * 400,
    "(" * 3000,
    "feat. " * 500,
    " - " * 500,
    "\n",
    "-1",
    "NaN",
)


async def attack(folder: Path, size: int, seed: int = 0) -> Figures:
    """Ask for as many texts, and count every request that they cause."""
    figures, rng = Figures("texts"), random.Random(seed)
    settings = Settings.model_validate(
        {
            "paths": {"data": folder},
            # yt-dlp is a process of its own: tests/sources/test_ytdlp.py holds it to its sites.
            "sources": {"ytdlp": False},
            "recommend": {"budget_seconds": 2},
            "workers": {"count": 1},
        }
    )
    refused = len(guard.refused)
    async with serving() as services, serving() as trap:
        stock(services)
        ways = [way.format(**_names(services, trap)) for way in ASTRAY]
        _lead_astray(services, ways, figures)
        async with Service.open(settings, endpoints=services.endpoints()) as service:
            texts = iter([hostile(rng, trap.address) for _ in range(size)])

            async def ask() -> None:
                for text in texts:
                    began = time.monotonic()
                    try:
                        await service.songs.find(text)
                        figures.tried["found a song"] += 1
                    except MusrecError as error:
                        figures.broken["without a sentence"] += not str(error).strip()
                    except Exception:  # noqa: BLE001 - counted
                        figures.broken["crashes"] += 1
                    figures.tried["texts"] += 1
                    figures.took(time.monotonic() - began)

            await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
        await _follow(services, ways, figures)
        figures.tried["requests"] = len(services.asked)
        figures.broken["crashes"] += 0
        beyond = len(guard.refused) - refused
        figures.broken["off the list"] += len(trap.asked) + services.count("/secret") + beyond
    return figures


def _names(services: Loopback, trap: Loopback) -> dict[str, str]:
    """Return what the places in `ASTRAY` are made of."""
    port = trap.address.rpartition(":")[2]
    own = services.address.removeprefix("http://")
    return {"services": services.address, "own": own, "trap": trap.address, "port": port}


def _lead_astray(services: Loopback, ways: list[str], figures: Figures) -> None:
    """Let the services redirect whatever they do not know, to one place after another."""
    next_way = itertools.cycle(ways)

    async def astray(_: web.Request) -> web.Response:
        figures.tried["led astray"] += 1
        status = (301, 302, 303, 307, 308)[figures.tried["led astray"] % 5]
        return web.Response(status=status, headers={"Location": next(next_way)})

    services.set("", astray)


async def _follow(services: Loopback, ways: list[str], figures: Figures) -> None:
    """Be led to each of the places, at once and by way of another: a closed gate hides none."""
    origins = frozenset({services.address})
    async with aiohttp.ClientSession() as session:
        for number, way in enumerate(ways):
            services.redirect(f"/first/{number}", way)
            services.redirect(f"/second/{number}", f"/first/{number}")
            for start in ("first", "second"):
                address = f"{services.address}/{start}/{number}"
                try:
                    await fetch(session, address, origins=origins, who="It", max_bytes=1_000)
                except Refused:
                    figures.tried["led astray"] += 1
                except Exception:  # noqa: BLE001 - counted
                    figures.broken["crashes"] += 1
                else:
                    figures.broken["off the list"] += 1


def hostile(rng: random.Random, trap: str) -> str:
    """Return a text that no member in good faith would send."""
    text = rng.choice((*PLACES, *PLACES, *WORDS, *TITLES)).replace("{trap}", trap)
    if rng.random() < 0.4:
        text = (
            f"{rng.choice(TITLES)} {text}" if rng.random() < 0.5 else f"{text} {rng.choice(WORDS)}"
        )
    characters = list(text)
    for _ in range(rng.choice((0, 0, 1, 3, 10))):
        at = rng.randrange(len(characters) + 1)
        characters[at : at + rng.randrange(3)] = chr(
            rng.choice((rng.randrange(128), rng.randrange(0x3000)))
        )
    return "".join(characters)
