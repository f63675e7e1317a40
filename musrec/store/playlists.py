"""Members' playlists."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import sqlalchemy as sa

from musrec.model import Track
from musrec.playlists.model import Playlist
from musrec.store.database import Database
from musrec.store.members import meet_unless_paused
from musrec.store.schema import playlist_songs, playlists
from musrec.store.tracks import read_tracks


class Playlists:
    """Playlists and the songs in them, in order."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self, member: str, name: str, key: str, most: int, song: str | None = None
    ) -> Playlist | None:
        """Create a playlist, empty or with its first song in it.

        None if the member has one of that name, or `most` already.

        Raises
        ------
        Paused
            The member paused.
        """
        now = datetime.now(UTC)
        count = sa.select(sa.func.count()).where(playlists.c.member_id == member)
        async with self._database.write() as connection:
            await meet_unless_paused(self._database, connection, member)
            if (await connection.scalar(count) or 0) >= most:
                return None
            made = await connection.execute(
                self._database.insert(playlists)
                .values(member_id=member, name=name, key=key, made_at=now)
                .on_conflict_do_nothing()
                .returning(playlists.c.id)
            )
            if (id_ := made.scalar()) is None:
                return None
            if song is not None:
                await connection.execute(
                    playlist_songs.insert().values(
                        playlist_id=id_, member_id=member, track_id=song, added_at=now
                    )
                )
        return Playlist(id_, member, name, now, int(song is not None))

    async def of_member(self, member: str) -> list[Playlist]:
        """Return a member's playlists by name."""
        return await self._playlists(playlists.c.member_id == member)

    async def named(self, member: str, key: str) -> Playlist | None:
        """Return a member's playlist whose name is compared as `key`."""
        found = await self._playlists(playlists.c.member_id == member, playlists.c.key == key)
        return found[0] if found else None

    async def get(self, id_: int) -> Playlist | None:
        """Return the playlist with that id, whichever member's it is."""
        found = await self._playlists(playlists.c.id == id_)
        return found[0] if found else None

    async def _playlists(self, *where: sa.ColumnElement[bool]) -> list[Playlist]:
        query = (
            sa.select(playlists, sa.func.count(playlist_songs.c.id).label("songs"))
            .select_from(playlists.outerjoin(playlist_songs))
            .where(*where)
            .group_by(playlists.c.id)
            .order_by(playlists.c.key)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [Playlist(row.id, row.member_id, row.name, row.made_at, row.songs) for row in rows]

    async def songs(self, playlist: int) -> list[Track]:
        """Return the songs of a playlist in their order."""
        query = (
            sa.select(playlist_songs.c.track_id)
            .where(playlist_songs.c.playlist_id == playlist)
            .order_by(playlist_songs.c.id)
        )
        async with self._database.read() as connection:
            ids = list((await connection.execute(query)).scalars())
            found = await read_tracks(self._database, connection, ids)
        return [found[id_] for id_ in ids if id_ in found]

    async def add(self, playlist: Playlist, songs: Sequence[str], most: int) -> int | None:
        """Append songs until a playlist holds `most`; return how many were added.

        None if the playlist is gone.

        Raises
        ------
        Paused
            Its member paused.
        """
        now, added = datetime.now(UTC), 0
        own = sa.select(playlist_songs.c.track_id).where(
            playlist_songs.c.playlist_id == playlist.id
        )
        here = sa.select(playlists.c.id).where(playlists.c.id == playlist.id)
        async with self._database.write() as connection:
            if await connection.scalar(here) is None:
                return None
            await meet_unless_paused(self._database, connection, playlist.member)
            there = set((await connection.execute(own)).scalars())
            fresh = [song for song in dict.fromkeys(songs) if song not in there]
            rows = [
                {
                    "playlist_id": playlist.id,
                    "member_id": playlist.member,
                    "track_id": song,
                    "added_at": now,
                }
                for song in fresh[: max(most - len(there), 0)]
            ]
            if rows:
                await connection.execute(playlist_songs.insert(), rows)
                added = len(rows)
        return added

    async def remove_song(self, playlist: int, song: str) -> bool:
        """Remove a song from a playlist; return whether it was in it."""
        async with self._database.write() as connection:
            result = await connection.execute(
                playlist_songs.delete().where(
                    playlist_songs.c.playlist_id == playlist, playlist_songs.c.track_id == song
                )
            )
            return result.rowcount > 0

    async def remove(self, playlist: int) -> bool:
        """Delete a playlist with its songs; return whether there was one."""
        async with self._database.write() as connection:
            result = await connection.execute(playlists.delete().where(playlists.c.id == playlist))
            return result.rowcount > 0
