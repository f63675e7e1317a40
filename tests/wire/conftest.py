"""The real bot over real sockets against the loopback Discord; every request is checked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from musrec.demo import TUNES, write_tunes
from musrec.service import Service
from tests.support.fake_discord import PATIENCE, FakeDiscord, connected
from tests.support.openapi import Document
from tests.support.wire import Wire
from tests.support.world import settings_for


@pytest.fixture(scope="session")
def document(shared_data: Path) -> Document | None:
    """Discord's own OpenAPI document; None where it is not at hand."""
    path = shared_data.parent / "discord" / "openapi-20260718.json"
    return Document(path) if path.is_file() else None


@pytest.fixture(scope="session")
def tunes(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str, bytes]]:
    """Names, types and bytes of music composed here; the first was heard before."""
    folder = tmp_path_factory.mktemp("tunes")
    write_tunes(folder)
    names = [tune.file for tune in TUNES]
    return [(name, "audio/wav", (folder / name).read_bytes()) for name in names]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service(
    tmp_path_factory: pytest.TempPathFactory, tunes: list[tuple[str, str, bytes]]
) -> AsyncIterator[Service]:
    """One service for all tests; people and cards have ids of their own in each."""
    async with Service.open(settings_for(tmp_path_factory.mktemp("store"))) as opened:
        name, _, data = tunes[0]
        await opened.songs.hear_clip(data, name)
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def wire(service: Service, document: Document | None) -> AsyncIterator[Wire]:
    """A wire with nothing running on it yet."""
    fake = FakeDiscord()
    fake.answered_within = PATIENCE  # how fast it answers is measured in benchmarks
    await fake.start()
    with connected(fake):
        wire = Wire(fake, service)
        yield wire
        await wire.end()
    await fake.stop()
    if document is not None:
        assert document.complaints(fake.bodies) == []
