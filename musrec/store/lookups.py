"""What other services said."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from musrec.store.database import Database
from musrec.store.schema import foreign_features, lookups


class Lookups:
    """Answers of services, each kept for a while."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, key: str) -> str | None:
        """Return a cached answer that has not expired."""
        async with self._database.read() as connection:
            result = await connection.execute(
                sa.select(lookups.c.body).where(
                    lookups.c.key == key, lookups.c.expires_at > datetime.now(UTC)
                )
            )
            return result.scalar()

    async def put(self, key: str, body: str, ttl_seconds: float) -> None:
        """Cache an answer; expired ones are deleted on the way."""
        now = datetime.now(UTC)
        row = {"key": key, "body": body, "expires_at": now + timedelta(seconds=ttl_seconds)}
        async with self._database.write() as connection:
            await connection.execute(lookups.delete().where(lookups.c.expires_at <= now))
            await connection.execute(
                self._database.insert(lookups)
                .values(row)
                .on_conflict_do_update(index_elements=["key"], set_=row)
            )


class ForeignFeatures:
    """Other services' descriptions of tracks, apart from everything heard here."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, track: str, origin: str, values: Mapping[str, float]) -> None:
        """Keep another service's description of a track, apart from everything heard here."""
        row = {
            "track_id": track,
            "origin": origin,
            "features": dict(values),
            "at": datetime.now(UTC),
        }
        async with self._database.write() as connection:
            await connection.execute(
                self._database.insert(foreign_features)
                .values(row)
                .on_conflict_do_update(index_elements=["track_id", "origin"], set_=row)
            )

    async def of(self, track: str) -> dict[str, dict[str, float]]:
        """Return other services' descriptions of a track by their origin."""
        async with self._database.read() as connection:
            result = await connection.execute(
                sa.select(foreign_features).where(foreign_features.c.track_id == track)
            )
            return {row.origin: row.features for row in result}
