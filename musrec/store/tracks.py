"""Tracks and their identities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from musrec.model import Track
from musrec.store.changes import What, note
from musrec.store.database import IN_CHUNK, Database
from musrec.store.schema import analyses, identities, tracks
from musrec.titles import merge


class Tracks:
    """Every known track."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, track: Track) -> Track:
        """Keep a track, or complete the one that shares an identity with it.

        Known values stay; gaps, identities and links are filled from the new track.

        Returns
        -------
        Track
            As it now is, under the id it first had.
        """
        async with self._database.write() as connection:
            return await write_track(self._database, connection, track)

    async def get(self, id_: str) -> Track | None:
        """Return the track of that id."""
        async with self._database.read() as connection:
            return (await read_tracks(self._database, connection, [id_])).get(id_)

    async def many(self, ids: Iterable[str]) -> dict[str, Track]:
        """Return the tracks of those ids that exist."""
        async with self._database.read() as connection:
            return await read_tracks(self._database, connection, list(ids))

    async def identified(self, scheme: str, value: str) -> Track | None:
        """Return the track with that identity."""
        async with self._database.read() as connection:
            found = await connection.execute(
                sa.select(identities.c.track_id).where(
                    identities.c.scheme == scheme, identities.c.value == value
                )
            )
            id_ = found.scalar()
            return (await read_tracks(self._database, connection, [id_])).get(id_) if id_ else None

    async def remove(self, id_: str) -> bool:
        """Delete a track with everything that refers to it; return whether there was one."""
        async with self._database.write() as connection:
            result = await connection.execute(tracks.delete().where(tracks.c.id == id_))
            return result.rowcount > 0


async def write_track(database: Database, connection: AsyncConnection, track: Track) -> Track:
    """Keep or complete a track within a transaction; see `Tracks.add`."""
    known = await _same_recording(database, connection, track)
    if known is None:
        row = {"added_at": datetime.now(UTC), **track_row(track)}
        # Over one that cannot be read.
        await connection.execute(database.upsert(tracks, row, "id"), row)
    else:
        track = merge(known, track)
        if track != known:
            row = track_row(track)
            await connection.execute(tracks.update().where(tracks.c.id == track.id).values(row))
            await _heard_anew(database, connection, track.id)
    names = [
        {"scheme": scheme, "value": value, "track_id": track.id}
        for scheme, value in track.identities.items()
    ]
    if names:
        await connection.execute(database.upsert(identities, names[0]), names)
    return track


async def _heard_anew(database: Database, connection: AsyncConnection, id_: str) -> None:
    """Let the catalogue take in what is known of a track, if it holds it."""
    here = sa.select(analyses.c.revision).where(
        analyses.c.track_id == id_, analyses.c.origin != "upload"
    )
    if (await connection.execute(here)).first() is not None:
        revision = await note(database, connection, What.SONG)
        await connection.execute(
            analyses.update().where(analyses.c.track_id == id_).values(revision=revision)
        )


async def _same_recording(
    database: Database, connection: AsyncConnection, track: Track
) -> Track | None:
    values = {"id": track.id}
    for number, (scheme, value) in enumerate(track.identities.items()):
        values |= {f"scheme{number}": scheme, f"value{number}": value}
    id_ = await connection.scalar(_recording(len(track.identities)), values)
    return (await read_tracks(database, connection, [id_])).get(id_) if id_ else None


@cache
def _recording(count: int) -> sa.Select[Any]:
    """Return what finds the track with an id, or with one of so many identities.

    It is built once: SQLAlchemy takes longer to build it than SQLite to run it.
    """
    pairs = [
        sa.and_(
            identities.c.scheme == sa.bindparam(f"scheme{number}"),
            identities.c.value == sa.bindparam(f"value{number}"),
        )
        for number in range(count)
    ]
    match = sa.or_(
        tracks.c.id == sa.bindparam("id"),
        tracks.c.id.in_(sa.select(identities.c.track_id).where(sa.or_(sa.false(), *pairs))),
    )
    return sa.select(tracks.c.id).where(match).order_by(tracks.c.added_at).limit(1)


async def read_tracks(
    database: Database, connection: AsyncConnection, ids: list[str] | None
) -> dict[str, Track]:
    """Read tracks with their identities; None for all."""
    parts: list[list[str]] | list[None] = [None]
    if ids is not None:
        parts = [ids[start : start + IN_CHUNK] for start in range(0, len(ids), IN_CHUNK)]
    found: dict[str, Track] = {}
    names: dict[str, dict[str, str]] = {}
    for part in parts:
        wanted, named = sa.select(tracks), sa.select(identities)
        if part is not None:
            wanted = wanted.where(tracks.c.id.in_(part))
            named = named.where(identities.c.track_id.in_(part))
        for row in await connection.execute(named):
            names.setdefault(row.track_id, {})[row.scheme] = row.value
        for track in database.readable(
            tracks, await connection.execute(wanted), lambda row: _track(row, names)
        ):
            found[track.id] = track
    return found


def _track(row: Any, names: Mapping[str, Mapping[str, str]]) -> Track:
    return Track(
        id=row.id,
        title=row.title,
        artists=tuple(row.artists),
        album=row.album,
        genre=row.genre,
        year=row.year,
        isrc=row.isrc,
        duration=row.duration,
        popularity=row.popularity,
        identities=names.get(row.id, {}),
        links=row.links,
        provenance=row.provenance,
    )


def track_row(track: Track) -> dict[str, Any]:
    """Return the columns of `schema.tracks` that hold a track, but for when it was added."""
    return {
        "id": track.id,
        "title": track.title,
        "artists": list(track.artists),
        "album": track.album,
        "genre": track.genre,
        "year": track.year,
        "isrc": track.isrc,
        "duration": track.duration,
        "popularity": track.popularity,
        "links": dict(track.links),
        "provenance": dict(track.provenance),
    }
