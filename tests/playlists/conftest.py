"""One service for each file, with the songs that come with the package."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from musrec.service import Service
from musrec.settings import Settings


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """One service with the songs that come with the package; each test has members of its own."""
    settings = Settings.model_validate({"paths": {"data": tmp_path_factory.mktemp("store")}})
    async with Service.open(settings) as opened:
        yield opened
