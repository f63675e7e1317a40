"""Services to post drops from, and a channel to post them to."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from musrec.service import Service
from tests.support.posting import Channel, settings


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a store with the starter songs in it."""
    folder = tmp_path_factory.mktemp("started")

    async def start() -> None:
        async with Service.open(settings(folder)):
            pass

    asyncio.run(start())
    return folder


@pytest.fixture
async def service(started: Path, tmp_path: Path) -> AsyncIterator[Service]:
    shutil.copytree(started, tmp_path / "data")
    async with Service.open(settings(tmp_path / "data")) as opened:
        yield opened


@pytest.fixture
async def bare(tmp_path: Path) -> AsyncIterator[Service]:
    """A service that knows no song."""
    async with Service.open(settings(tmp_path / "bare", starter=False)) as opened:
        yield opened


@pytest.fixture
def channel(tmp_path: Path) -> Channel:
    return Channel(tmp_path / "channel")
