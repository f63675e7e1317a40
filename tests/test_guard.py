"""The guard that keeps every test on this machine."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from musrec.sources import ytdlp
from tests.support import guard
from tests.support.guard import NetworkRefused


@pytest.fixture(autouse=True)
def _tried() -> Iterator[None]:
    """These tests try on purpose."""
    yield
    assert guard.refused
    guard.refused.clear()


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("2001:db8::1", 443)])
def test_a_connection_is_refused_with_its_address(address: tuple[str, int]) -> None:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family) as sock, pytest.raises(NetworkRefused, match=address[0]):
        sock.connect(address)


def test_a_look_up_and_a_datagram_are_refused_too() -> None:
    with pytest.raises(NetworkRefused, match=r"api\.example"):
        socket.getaddrinfo("api.example", 443)
    with socket.socket(type=socket.SOCK_DGRAM) as sock, pytest.raises(NetworkRefused):
        sock.sendto(b"?", ("192.0.2.53", 53))


async def test_aiohttp_and_asyncio_are_refused_before_any_request() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(NetworkRefused, match=r"api\.example"):
            await session.get("https://api.example/search")
    with pytest.raises(NetworkRefused, match=r"192\.0\.2\.1"):
        await asyncio.open_connection("192.0.2.1", 80)


def test_this_machine_is_not_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
    with socket.socket(socket.AF_UNIX) as sock, pytest.raises(FileNotFoundError):
        sock.connect(str(tmp_path / "none"))
    with pytest.raises(NetworkRefused):
        socket.gethostbyname("api.example")


async def test_yt_dlp_is_refused_in_its_own_process(refused_in_child: Path) -> None:
    job = {
        "address": "http://192.0.2.1/song.mp3",
        "audio": False,
        "folder": "",
        "extractors": ["generic"],
        "max_bytes": 1_000,
        "max_seconds": 60,
        "seconds": 20,
        "runtimes": [],
    }
    assert json.loads(await ytdlp._run(json.dumps(job).encode()))["outcome"] == "refused"
    guard.refused.extend(refused_in_child.read_text().splitlines())
    refused_in_child.unlink()
    assert "192.0.2.1" in guard.refused[0]
