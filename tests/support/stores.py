"""The database of an open service, read and written beside it as another process would."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from musrec.service import Service
from musrec.store import Store


@asynccontextmanager
async def store_of(service: Service) -> AsyncIterator[Store]:
    """Open the store that a service keeps everything in."""
    store = await Store.open(service.settings.store_url)
    try:
        yield store
    finally:
        await store.close()
