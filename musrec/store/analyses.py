"""Analyses of tracks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from musrec.catalogue.model import FileStamp
from musrec.model import ANALYSER_VERSION, COMPARABLE_VERSION, Analysis, Track
from musrec.store import codec
from musrec.store.changes import What, note
from musrec.store.database import IN_CHUNK, Database
from musrec.store.schema import analyses, files, identities, landmarks, tracks
from musrec.store.tracks import read_tracks, track_row, write_track

if TYPE_CHECKING:
    from musrec.model import FloatArray

_LIGHT = [column for column in analyses.c if column.name != "detail"]
_CURRENT = analyses.c.version == ANALYSER_VERSION

# What a still older analyser heard means something else: it counts as missing until the song is
# heard again and the row is replaced.
_COMPARABLE = analyses.c.version.between(COMPARABLE_VERSION, ANALYSER_VERSION)

COMPARED = 10
"""Songs that share landmarks with a clip and are compared with it whole, most shared first."""

# Statements for every song that is heard, built once: SQLAlchemy takes longer to build one than
# SQLite to run it.
_ANALYSIS = sa.select(analyses).where(analyses.c.track_id == sa.bindparam("id"), _COMPARABLE)
_OF_DIGEST = sa.select(analyses).where(analyses.c.digest == sa.bindparam("digest"), _CURRENT)
_OF_DIGEST = _OF_DIGEST.limit(1)
_SHARED = sa.func.count()
_SHARING = (
    sa.select(analyses.c.track_id, analyses.c.origin)
    .join(landmarks, landmarks.c.track_id == analyses.c.track_id)
    .where(landmarks.c.value.in_(sa.bindparam("marks", expanding=True)), _COMPARABLE)
    .group_by(analyses.c.track_id)
    .having(_SHARED > 1)
    .order_by(_SHARED.desc(), analyses.c.track_id)
    .limit(COMPARED)
)
_UNMARK = landmarks.delete().where(landmarks.c.track_id == sa.bindparam("id"))
_MARK = landmarks.insert()


class NotCompared(Exception):
    """A song that was new has a likeness that another process has kept meanwhile."""


class Analyses:
    """Analyses of tracks, and the files that were analysed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self,
        track: Track,
        analysis: Analysis,
        origin: str,
        file: FileStamp | None = None,
        *,
        marks: Sequence[int] | None = None,
        compared: Collection[str] | None = None,
    ) -> Track:
        """Keep a track with its analysis, in one transaction.

        Parameters
        ----------
        track : Track
        analysis : Analysis
            Replaces an older one of the same track.
        origin : str
            Where the sound came from: ``file``, ``upload``, ``starter`` or ``preview:<provider>``.
        file : FileStamp, optional
            Of the file that was analysed, so that `Files.known` recognises it next time.
        marks : sequence of int
            What the recording is looked up by, see `sharing`; None leaves what is kept.
        compared : collection of str, optional
            The songs `sharing` its marks that it was found to be none of.

        Raises
        ------
        NotCompared
            Another process has kept a song that shares its marks; nothing is kept of this one.
        """
        async with self._database.write() as connection:
            if compared is not None:
                shared = await connection.execute(_SHARING, {"marks": list(marks or ())})
                if any(row.track_id not in compared for row in shared):
                    raise NotCompared
            track = await write_track(self._database, connection, track)
            revision = 0  # no other process need know of a member's own clip
            if origin != "upload":
                revision = await note(self._database, connection, What.SONG)
            row = {
                "track_id": track.id,
                "origin": origin,
                "heard_at": datetime.now(UTC),
                "revision": revision,
                **codec.pack(analysis),
            }
            await connection.execute(self._database.upsert(analyses, row, "track_id"), row)
            if file is not None:
                await _write_file(self._database, connection, file, track.id)
            if marks is not None:
                await _write_marks(connection, track.id, marks)
        return track

    async def sharing(self, marks: Sequence[int]) -> list[tuple[str, str]]:
        """Return the `COMPARED` songs that share most landmarks with a clip: id and origin."""
        async with self._database.read() as connection:
            result = await connection.execute(_SHARING, {"marks": list(marks)})
            return [(row.track_id, row.origin) for row in result]

    async def unmarked(self) -> list[str]:
        """Return the songs that have a spectrogram and no landmarks yet."""
        there = sa.exists().where(landmarks.c.track_id == analyses.c.track_id)
        query = sa.select(analyses.c.track_id).where(analyses.c.detail.is_not(None), ~there)
        async with self._database.read() as connection:
            return list((await connection.execute(query)).scalars())

    async def mark(self, track_id: str, marks: Sequence[int]) -> None:
        """Let a song that is kept be looked up by its landmarks."""
        async with self._database.write() as connection:
            await _write_marks(connection, track_id, marks)

    async def add_starter(self, songs: Iterable[tuple[Track, Analysis]]) -> None:
        """Keep the shipped songs in one transaction; analyses of real audio are not replaced."""
        now, insert, write = datetime.now(UTC), self._database.insert(analyses), None
        async with self._database.write() as connection:
            revision = await note(self._database, connection, What.SONG)
            for track, analysis in songs:
                kept = await write_track(self._database, connection, track)
                row = {
                    "track_id": kept.id,
                    "origin": "starter",
                    "heard_at": now,
                    "revision": revision,
                    **codec.pack(analysis),
                }
                if write is None:
                    write = insert.on_conflict_do_update(
                        index_elements=["track_id"],
                        set_={name: insert.excluded[name] for name in row},
                        where=(analyses.c.origin == "starter") | ~_COMPARABLE,
                    )
                await connection.execute(write, row)

    async def lacks(self, ids: Iterable[str]) -> bool:
        """Whether one of those tracks has no analysis that means what it means today."""
        wanted = list(ids)
        query = sa.select(sa.func.count()).where(_COMPARABLE)
        found = 0
        async with self._database.read() as connection:
            for start in range(0, len(wanted), IN_CHUNK):
                part = analyses.c.track_id.in_(wanted[start : start + IN_CHUNK])
                found += await connection.scalar(query.where(part)) or 0
        return found < len(wanted)

    async def remove(self, ids: Collection[str]) -> None:
        """Take songs out of the catalogue; their names and what members did with them stay."""
        async with self._database.write() as connection:
            for id_ in ids:
                for table in (landmarks, files, analyses):
                    await connection.execute(table.delete().where(table.c.track_id == id_))
                await note(self._database, connection, What.GONE, track=id_)

    async def origin(self, track: str) -> str | None:
        """Return where a track's sound came from, as in `add`; None if it was never heard."""
        query = sa.select(analyses.c.origin).where(analyses.c.track_id == track)
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar()

    async def is_upload(self, track: str) -> bool:
        """Whether a track is known only from a clip that a member sent."""
        query = sa.select(analyses.c.origin).where(analyses.c.track_id == track)
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar() == "upload"

    async def add_many(self, songs: Sequence[tuple[Track, Analysis]], origin: str) -> None:
        """Keep songs that share no identity with any other, all in one transaction.

        Several times as fast as `add`, which looks for the same recording first. A track that is
        kept already stays as it is.
        """
        if not songs:
            return
        now, insert = datetime.now(UTC), self._database.insert
        rows = [{"added_at": now, **track_row(track)} for track, _ in songs]
        names = [
            {"scheme": scheme, "value": value, "track_id": track.id}
            for track, _ in songs
            for scheme, value in track.identities.items()
        ]
        async with self._database.write() as connection:
            for table, values in ((tracks, rows), (identities, names)):
                if values:
                    await connection.execute(insert(table).on_conflict_do_nothing(), values)
            revision = await note(self._database, connection, What.SONG)
            heard = [
                {
                    "track_id": track.id,
                    "origin": origin,
                    "heard_at": now,
                    "revision": revision,
                    **codec.pack(analysis),
                }
                for track, analysis in songs
            ]
            await connection.execute(insert(analyses).on_conflict_do_nothing(), heard)

    async def get(self, track_id: str) -> Analysis | None:
        """Return the analysis of a track, spectrogram included."""
        async with self._database.read() as connection:
            row = (await connection.execute(_ANALYSIS, {"id": track_id})).first()
            return codec.unpack(row) if row else None

    async def some(self, ids: Sequence[str]) -> list[tuple[Track, Analysis]]:
        """Return those of some tracks that were analysed, without spectrograms."""
        async with self._database.read() as connection:
            known = await read_tracks(self._database, connection, list(ids))
            found: list[tuple[Track, Analysis]] = []
            for start in range(0, len(ids), IN_CHUNK):
                query = sa.select(*_LIGHT).where(
                    analyses.c.track_id.in_(ids[start : start + IN_CHUNK]), _COMPARABLE
                )
                found += self._database.readable(
                    analyses,
                    await connection.execute(query),
                    lambda row: (known[row.track_id], codec.unpack(row)),
                )
        return found

    async def by_digest(self, digest: str) -> tuple[Track, Analysis] | None:
        """Return the track and analysis of the bytes with this SHA-256."""
        async with self._database.read() as connection:
            row = (await connection.execute(_OF_DIGEST, {"digest": digest})).first()
            if row is None:
                return None
            found = await read_tracks(self._database, connection, [row.track_id])
            track = found.get(row.track_id)
            return (track, codec.unpack(row)) if track else None

    async def changed(self, since: int, but_not: Sequence[str] = ()) -> list[tuple[str, int]]:
        """Return the songs that changed at a revision or later, id and revision, in order of ids.

        What changed is the analysis, or what is known of the track.

        Parameters
        ----------
        but_not : sequence of str
            Origins to leave out.
        """
        query = sa.select(analyses.c.track_id, analyses.c.revision).where(
            analyses.c.revision >= since, analyses.c.origin.not_in(but_not), _COMPARABLE
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        # Not by the database: SQLite would then go through all songs in the order of ids.
        return sorted((id_, revision) for id_, revision in rows)

    async def count(self, but_not: Sequence[str] = ()) -> tuple[int, int]:
        """Return how many songs there are, and the newest revision of any (-1 if there is none)."""
        query = sa.select(sa.func.count(), sa.func.max(analyses.c.revision)).where(
            analyses.c.origin.not_in(but_not), _COMPARABLE
        )
        async with self._database.read() as connection:
            count, newest = (await connection.execute(query)).one()
        return count, -1 if newest is None else newest

    async def encodings(self, encoder: str) -> list[FloatArray]:
        """Return every vector that an encoder of the owner's own gave, the oldest first."""
        query = sa.select(analyses.c.encoding).where(analyses.c.encoder == encoder, _COMPARABLE)
        async with self._database.read() as connection:
            found = (
                await connection.execute(query.order_by(analyses.c.revision, analyses.c.track_id))
            ).scalars()
            return [codec.sound(each) for each in found if each is not None]

    async def unheard_starters(self) -> list[str]:
        """Return the shipped songs that are known by their numbers alone."""
        query = sa.select(analyses.c.track_id).where(analyses.c.origin == "starter")
        async with self._database.read() as connection:
            return sorted((await connection.execute(query)).scalars())

    async def pictured(self) -> set[str]:
        """Return the tracks that have a spectrogram: those analysed here."""
        query = sa.select(analyses.c.track_id).where(analyses.c.detail.is_not(None))
        async with self._database.read() as connection:
            return set((await connection.execute(query)).scalars())

    async def packed_spectrograms(self, ids: Collection[str]) -> dict[str, bytes]:
        """Return those of some tracks that have one, for `codec.spectrogram` to unpack."""
        wanted, found = sorted(ids), dict[str, bytes]()
        async with self._database.read() as connection:
            for start in range(0, len(wanted), IN_CHUNK):
                query = sa.select(analyses.c.track_id, analyses.c.detail).where(
                    analyses.c.track_id.in_(wanted[start : start + IN_CHUNK]),
                    analyses.c.detail.is_not(None),
                    _COMPARABLE,
                )
                found |= {row.track_id: row.detail for row in await connection.execute(query)}
        return found

    async def outdated(
        self, encoder: str | None, *, instruments: bool = False
    ) -> list[tuple[str, str]]:
        """Return the songs to be heard again, id and origin, longest ago first.

        An older analyser heard them, or the encoder of the owner's choice has not, or, if
        `instruments`, the tagger of instruments, where the first tagger was there. Those are left
        out whose audio cannot be had again: clips that members sent.
        """
        old = analyses.c.version < ANALYSER_VERSION
        if encoder is not None:
            old |= analyses.c.encoder.is_(None) | (analyses.c.encoder != encoder)
        if instruments:
            old |= analyses.c.mtt_mean.is_(None) & analyses.c.tag_mean.is_not(None)
        query = (
            sa.select(analyses.c.track_id, analyses.c.origin)
            .where(analyses.c.origin.not_in(("upload", "starter")), old)
            .order_by(analyses.c.heard_at, analyses.c.track_id)
        )
        async with self._database.read() as connection:
            return [(row.track_id, row.origin) for row in await connection.execute(query)]

    async def added_by_day(self, since: datetime) -> dict[date, int]:
        """Return how many songs of the catalogue were first met on each day, starters left out."""
        day = self._database.day(tracks.c.added_at)
        query = (
            sa.select(day, sa.func.count())
            .select_from(tracks.join(analyses))
            .where(analyses.c.origin.not_in(("upload", "starter")), tracks.c.added_at >= since)
            .group_by(day)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return {date.fromisoformat(text): count for text, count in rows}

    async def paths(self, ids: Iterable[str], but_not: Collection[str] = ()) -> dict[str, str]:
        """Return the path of a local file for each of those tracks that has one.

        Parameters
        ----------
        but_not : collection of str
            Paths that do not count.
        """
        wanted, found = list(ids), dict[str, str]()
        async with self._database.read() as connection:
            for start in range(0, len(wanted), IN_CHUNK):
                part = wanted[start : start + IN_CHUNK]
                query = sa.select(files.c.track_id, files.c.path).where(files.c.track_id.in_(part))
                for row in await connection.execute(query):
                    if row.path not in but_not:
                        found[row.track_id] = row.path
        return found


async def _write_file(
    database: Database, connection: AsyncConnection, file: FileStamp, track_id: str
) -> None:
    row = {**asdict(file), "track_id": track_id}
    await connection.execute(database.upsert(files, row, "path"), row)


async def _write_marks(connection: AsyncConnection, track_id: str, marks: Sequence[int]) -> None:
    await connection.execute(_UNMARK, {"id": track_id})
    if marks:
        rows = [{"value": mark, "track_id": track_id} for mark in marks]
        await connection.execute(_MARK, rows)
