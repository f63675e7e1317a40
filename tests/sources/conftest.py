from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from musrec.sources import Deadline, Sources, SourcesSettings
from tests.support.loopback import KEYS, Loopback, serving, stock


@pytest.fixture
async def server() -> AsyncIterator[Loopback]:
    async with serving() as loopback:
        yield loopback


@pytest.fixture
async def stocked(server: Loopback) -> Loopback:
    stock(server)
    return server


@pytest.fixture
async def sources(server: Loopback) -> AsyncIterator[Sources]:
    """Providers that need no key, except yt-dlp and MusicBrainz, which are slow by nature."""
    settings = SourcesSettings(ytdlp=False, musicbrainz=False)
    async with Sources(settings, endpoints=server.endpoints()) as opened:
        yield opened


@pytest.fixture
async def more_sources(server: Loopback) -> AsyncIterator[Sources]:
    """MusicBrainz too."""
    async with Sources(SourcesSettings(ytdlp=False), endpoints=server.endpoints()) as opened:
        yield opened


@pytest.fixture
async def keyed(server: Loopback) -> AsyncIterator[Sources]:
    """With keys too."""
    settings = SourcesSettings(ytdlp=False, **KEYS)
    async with Sources(settings, endpoints=server.endpoints()) as opened:
        yield opened


@pytest.fixture
def soon() -> Deadline:
    return Deadline.within(20.0)


@pytest.fixture
def recorded(shared_data: Path) -> Path:
    """Folder of recorded answers of the real services."""
    folder = shared_data.parent / "services"
    if not folder.is_dir():
        pytest.skip(f"no recorded answers at {folder}")
    return folder
