"""Settings that servers chose."""

from __future__ import annotations

from musrec.members.model import ServerSettings
from musrec.store import Store


class Servers:
    """The settings of every server."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, id_: str) -> ServerSettings:
        """Return a server's settings; the defaults if it never changed any."""
        return await self._store.servers.get(id_)

    async def keep(self, id_: str, settings: ServerSettings) -> None:
        """Remember a server's settings."""
        await self._store.servers.keep(id_, settings)

    async def remove(self, id_: str) -> None:
        """Forget a server that the bot was removed from, with its mixtape."""
        await self._store.servers.remove(id_)
