"""Settings of servers."""

from __future__ import annotations

import sqlalchemy as sa

from musrec.members.model import ServerSettings
from musrec.store.database import Database
from musrec.store.schema import drops, guilds


class Servers:
    """The settings of servers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, id_: str) -> ServerSettings:
        """Return a server's settings; the defaults if it never changed any."""
        async with self._database.read() as connection:
            row = (await connection.execute(sa.select(guilds).where(guilds.c.id == id_))).first()
        if row is None:
            return ServerSettings()
        return ServerSettings(frozenset(row.channels), frozenset(row.roles), row.dates)

    async def keep(self, id_: str, settings: ServerSettings) -> None:
        """Keep a server's settings."""
        row = {
            "id": id_,
            "channels": sorted(settings.channels),
            "roles": sorted(settings.roles),
            "dates": settings.dates,
        }
        async with self._database.write() as connection:
            await connection.execute(
                self._database.insert(guilds)
                .values(row)
                .on_conflict_do_update(index_elements=["id"], set_=row)
            )

    async def remove(self, id_: str) -> None:
        """Delete the settings and the mixtape of a server that removed the bot."""
        async with self._database.write() as connection:
            await connection.execute(guilds.delete().where(guilds.c.id == id_))
            await connection.execute(drops.delete().where(drops.c.guild_id == id_))
