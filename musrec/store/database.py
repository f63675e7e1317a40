"""The store: one SQL database, SQLite by default, opened through SQLAlchemy's async engine.

Every method is one transaction. Writers take SQLite's write lock at their start (``BEGIN
IMMEDIATE``) so that two processes wait for one another instead of failing half-way.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from musrec.drops import Drop, Issue, Part, Post, Schedule, State
from musrec.model import (
    ANALYSER_VERSION,
    Analysis,
    Feedback,
    FeedbackKind,
    Served,
    StoreError,
    Track,
)
from musrec.store import codec, schema
from musrec.store.schema import (
    analyses,
    answers,
    card_thumbs,
    cards,
    drop_issues,
    drop_listeners,
    drop_posts,
    drops,
    feedback,
    files,
    foreign_features,
    guilds,
    identities,
    lookups,
    members,
    mixtape_members,
    playlist_songs,
    playlists,
    recommendations,
    tracks,
)
from musrec.titles import merge

_EXPLICIT = ("like", "dislike")
_LIKE = feedback.c.kind == FeedbackKind.LIKE.value
_LIGHT = [column for column in analyses.c if column.name != "detail"]
# What an older analyser heard means something else: it is as good as not there, until the song is
# heard again and the row replaced.
_CURRENT = analyses.c.version == ANALYSER_VERSION
_IN_CHUNK = 500  # SQLite allows 32,766 parameters a statement; this keeps well below


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What tells a changed file from an unchanged one without reading it."""

    path: str
    size: int
    modified_ns: int

    @classmethod
    def of(cls, path: Path) -> FileStamp:
        """Take the stamp of a file; raises `OSError` where it cannot be looked at."""
        stat = path.stat()
        return cls(str(path), stat.st_size, stat.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class Member:
    """What a member has chosen.

    Attributes
    ----------
    listening : bool
        They agreed that what they play teaches; nobody is asked twice, nobody is assumed.
    paused : bool
        Nothing new is kept of them until they say so.
    """

    id: str
    name: str | None
    listening: bool
    paused: bool
    since: datetime


@dataclass(frozen=True, slots=True)
class Card:
    """A message that features one track."""

    message: str
    channel: str
    track: str
    at: datetime


@dataclass(frozen=True, slots=True)
class GuildWishes:
    """How a server wants the bot.

    Attributes
    ----------
    channels : frozenset of str
        Where clips are answered without being asked.
    roles : frozenset of str
        Who may use the bot; empty means everybody.
    dates : str
        How dates are written: ``reader`` leaves it to each reader's own client.
    """

    channels: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    dates: str = "reader"


@dataclass(frozen=True, slots=True)
class Playlist:
    """A member's list of songs.

    Attributes
    ----------
    songs : int
        How many are in it.
    """

    id: int
    member: str
    name: str
    made_at: datetime
    songs: int


class Store:
    """Everything that is kept. Open it with `Store.open`; methods may run side by side."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writer = engine.execution_options(musrec_writes=True)
        self._insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert

    @classmethod
    async def open(cls, url: str) -> Store:
        """Open the database at an SQLAlchemy address, bringing an older one up to date first.

        Raises
        ------
        StoreError
            It cannot be opened or written, is damaged, or was written by a newer version.
        """
        address = make_url(url)
        if address.drivername.startswith("sqlite") and address.database not in (None, ":memory:"):
            _make_folder(Path(str(address.database)).parent)
        engine = create_async_engine(
            address, pool_pre_ping=address.drivername != "sqlite+aiosqlite"
        )
        if engine.dialect.name == "sqlite":
            _configure_sqlite(engine)
        store = cls(engine)
        try:
            await store._migrate()
        except BaseException:
            await engine.dispose()
            raise
        return store

    async def close(self) -> None:
        """Give back every connection."""
        await self._engine.dispose()

    async def _migrate(self) -> None:
        async with self._write() as connection:
            if await connection.run_sync(_revision) != schema.HEAD:
                await connection.run_sync(_upgrade)

    @asynccontextmanager
    async def _read(self) -> AsyncIterator[AsyncConnection]:
        with _clear_errors():
            async with self._engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def _write(self) -> AsyncIterator[AsyncConnection]:
        with _clear_errors():
            async with self._writer.begin() as connection:
                yield connection

    # Tracks ----------------------------------------------------------------------------------

    async def add_track(self, track: Track) -> Track:
        """Keep a track, or complete the one that shares an identity with it.

        What is already known stays; gaps, identities and links are filled from the newcomer.

        Returns
        -------
        Track
            As it now stands, under the id by which it was first met.
        """
        async with self._write() as connection:
            return await self._add_track(connection, track)

    async def _add_track(self, connection: AsyncConnection, track: Track) -> Track:
        known = await self._same_recording(connection, track)
        if known is None:
            await connection.execute(
                tracks.insert().values(added_at=datetime.now(UTC), **_track_row(track))
            )
        else:
            track = merge(known, track)
            row = _track_row(track)
            await connection.execute(tracks.update().where(tracks.c.id == track.id).values(row))
        for scheme, value in track.identities.items():
            await connection.execute(
                self._insert(identities)
                .values(scheme=scheme, value=value, track_id=track.id)
                .on_conflict_do_nothing()
            )
        return track

    async def _same_recording(self, connection: AsyncConnection, track: Track) -> Track | None:
        pairs = [
            sa.and_(identities.c.scheme == scheme, identities.c.value == value)
            for scheme, value in track.identities.items()
        ]
        match = sa.or_(
            tracks.c.id == track.id,
            tracks.c.id.in_(sa.select(identities.c.track_id).where(sa.or_(sa.false(), *pairs))),
        )
        found = await connection.execute(
            sa.select(tracks.c.id).where(match).order_by(tracks.c.added_at).limit(1)
        )
        id_ = found.scalar()
        return (await _tracks(connection, [id_]))[id_] if id_ else None

    async def track(self, id_: str) -> Track | None:
        """Return the track of that id."""
        async with self._read() as connection:
            return (await _tracks(connection, [id_])).get(id_)

    async def tracks(self, ids: Iterable[str]) -> dict[str, Track]:
        """Return the tracks of those ids that exist."""
        async with self._read() as connection:
            return await _tracks(connection, list(ids))

    async def identified(self, scheme: str, value: str) -> Track | None:
        """Return the track with that identity."""
        async with self._read() as connection:
            found = await connection.execute(
                sa.select(identities.c.track_id).where(
                    identities.c.scheme == scheme, identities.c.value == value
                )
            )
            id_ = found.scalar()
            return (await _tracks(connection, [id_])).get(id_) if id_ else None

    async def remove_track(self, id_: str) -> bool:
        """Forget a track with everything that hangs on it; say whether there was one."""
        async with self._write() as connection:
            result = await connection.execute(tracks.delete().where(tracks.c.id == id_))
            return result.rowcount > 0

    # Analyses --------------------------------------------------------------------------------

    async def add_heard(
        self, track: Track, analysis: Analysis, origin: str, file: FileStamp | None = None
    ) -> Track:
        """Keep a track with what was heard in it, in one transaction.

        Parameters
        ----------
        track : Track
        analysis : Analysis
            Replaces an older one of the same track.
        origin : str
            Where the sound came from: ``file``, ``upload``, ``starter`` or ``preview:<provider>``.
        file : FileStamp, optional
            Of the file that was heard, so that `file_known` can pass over it next time.
        """
        async with self._write() as connection:
            track = await self._add_track(connection, track)
            row = {
                "track_id": track.id,
                "origin": origin,
                "heard_at": datetime.now(UTC),
                **codec.pack(analysis),
            }
            await connection.execute(
                self._insert(analyses)
                .values(row)
                .on_conflict_do_update(index_elements=["track_id"], set_=row)
            )
            if file is not None:
                await self._keep_file(connection, file, track.id)
        return track

    async def add_starter(self, songs: Iterable[tuple[Track, Analysis]]) -> None:
        """Keep the shipped songs in one transaction; what was really heard of them stays."""
        now = datetime.now(UTC)
        async with self._write() as connection:
            for track, analysis in songs:
                kept = await self._add_track(connection, track)
                row = {
                    "track_id": kept.id,
                    "origin": "starter",
                    "heard_at": now,
                    **codec.pack(analysis),
                }
                insert = self._insert(analyses).values(row)
                await connection.execute(
                    insert.on_conflict_do_update(
                        index_elements=["track_id"],
                        set_=row,
                        where=(analyses.c.origin == "starter") | ~_CURRENT,
                    )
                )

    async def analysis(self, track_id: str) -> Analysis | None:
        """Return everything heard in a track, pictures included."""
        async with self._read() as connection:
            result = await connection.execute(
                sa.select(analyses).where(analyses.c.track_id == track_id, _CURRENT)
            )
            row = result.first()
            return codec.unpack(row) if row else None

    async def heard(self, digest: str) -> tuple[Track, Analysis] | None:
        """Return the track and analysis of these very bytes."""
        async with self._read() as connection:
            result = await connection.execute(
                sa.select(analyses).where(analyses.c.digest == digest, _CURRENT).limit(1)
            )
            row = result.first()
            if row is None:
                return None
            found = await _tracks(connection, [row.track_id])
            return found[row.track_id], codec.unpack(row)

    async def songs(self, but_not: Sequence[str] = ()) -> list[tuple[Track, Analysis]]:
        """Return every track that was heard, in a stable order, without pictures.

        Parameters
        ----------
        but_not : sequence of str
            Origins to leave out.
        """
        query = sa.select(*_LIGHT).where(analyses.c.origin.not_in(but_not), _CURRENT)
        async with self._read() as connection:
            rows = (await connection.execute(query.order_by(analyses.c.track_id))).all()
            known = await _tracks(connection, None)
        return [(known[row.track_id], codec.unpack(row)) for row in rows]

    # Files -----------------------------------------------------------------------------------

    async def file_known(self, file: FileStamp) -> bool:
        """Whether this file was heard and has not changed since."""
        async with self._read() as connection:
            result = await connection.execute(
                sa.select(sa.literal(1))
                .select_from(files.join(analyses, files.c.track_id == analyses.c.track_id))
                .where(
                    files.c.path == file.path,
                    files.c.size == file.size,
                    files.c.modified_ns == file.modified_ns,
                    _CURRENT,
                )
            )
            return result.first() is not None

    async def keep_file(self, file: FileStamp, track_id: str) -> None:
        """Remember which track a file holds."""
        async with self._write() as connection:
            await self._keep_file(connection, file, track_id)

    async def _keep_file(self, connection: AsyncConnection, file: FileStamp, track_id: str) -> None:
        row = {**asdict(file), "track_id": track_id}
        await connection.execute(
            self._insert(files).values(row).on_conflict_do_update(index_elements=["path"], set_=row)
        )

    # Members and feedback --------------------------------------------------------------------

    async def learn(self, event: Feedback, name: str | None = None) -> bool:
        """Keep one feedback; an opinion replaces the member's older one on that track.

        Returns
        -------
        bool
            Whether anything changed: the same opinion twice is one opinion.
        """
        row = {
            "member_id": event.member,
            "track_id": event.track,
            "kind": event.kind.value,
            "at": event.at,
        }
        async with self._write() as connection:
            await self._keep_member(connection, event.member, name)
            insert = self._insert(feedback).values(row)
            if event.kind.explicit:
                insert = insert.on_conflict_do_update(
                    index_elements=["member_id", "track_id"],
                    index_where=sa.text("kind IN ('like', 'dislike')"),
                    set_={"kind": insert.excluded.kind, "at": insert.excluded.at},
                    where=feedback.c.kind != insert.excluded.kind,
                )
            result = await connection.execute(insert)
            return result.rowcount > 0

    async def forget(self, member: str, track: str, kind: FeedbackKind) -> bool:
        """Take feedback of one kind on one track back; say whether there was any."""
        async with self._write() as connection:
            result = await connection.execute(
                feedback.delete().where(
                    feedback.c.member_id == member,
                    feedback.c.track_id == track,
                    feedback.c.kind == kind.value,
                )
            )
            return result.rowcount > 0

    async def _keep_member(
        self, connection: AsyncConnection, member: str, name: str | None
    ) -> None:
        insert = self._insert(members).values(
            id=member, name=name, listening=False, paused=False, since=datetime.now(UTC)
        )
        await connection.execute(insert.on_conflict_do_nothing())

    async def feedback(self, member: str | None = None) -> list[Feedback]:
        """Return all feedback, or one member's, oldest first."""
        query = sa.select(feedback).order_by(feedback.c.at, feedback.c.id)
        if member is not None:
            query = query.where(feedback.c.member_id == member)
        async with self._read() as connection:
            rows = (await connection.execute(query)).all()
        return [
            Feedback(row.member_id, row.track_id, FeedbackKind(row.kind), row.at) for row in rows
        ]

    async def liked_lately(self, limit: int) -> list[Track]:
        """Return the tracks that were liked last, by anybody, the latest first."""
        query = (
            sa.select(feedback.c.track_id)
            .where(_LIKE)
            .group_by(feedback.c.track_id)
            .order_by(sa.func.max(feedback.c.at).desc())
            .limit(limit)
        )
        async with self._read() as connection:
            ids = list((await connection.execute(query)).scalars())
            found = await _tracks(connection, ids)
        return [found[id_] for id_ in ids]

    async def opinion(self, member: str, track: str) -> FeedbackKind | None:
        """Return the member's thumb on a track."""
        async with self._read() as connection:
            result = await connection.execute(
                sa.select(feedback.c.kind).where(
                    feedback.c.member_id == member,
                    feedback.c.track_id == track,
                    feedback.c.kind.in_(_EXPLICIT),
                )
            )
            kind = result.scalar()
            return FeedbackKind(kind) if kind else None

    async def remember_picks(
        self,
        member: str,
        picked: Sequence[str],
        query: str | None,
        at: datetime,
        *,
        blend: str | None = None,
    ) -> None:
        """Keep what was recommended to a member, so that it is not said again too soon.

        Parameters
        ----------
        blend : str, optional
            What it was chosen by.
        """
        if not picked:
            return
        async with self._write() as connection:
            await self._keep_member(connection, member, None)
            await connection.execute(
                recommendations.insert(),
                [
                    {
                        "member_id": member,
                        "track_id": track,
                        "query_id": query,
                        "at": at,
                        "blend": blend,
                    }
                    for track in picked
                ],
            )

    async def served(self) -> list[Served]:
        """Return every recommendation whose blend is known, oldest first."""
        async with self._read() as connection:
            result = await connection.execute(
                sa.select(
                    recommendations.c.member_id.label("member"),
                    recommendations.c.track_id.label("track"),
                    recommendations.c.blend,
                    recommendations.c.at,
                )
                .where(recommendations.c.blend.is_not(None))
                .order_by(recommendations.c.at, recommendations.c.id)
            )
            return [Served(**row._mapping) for row in result]

    async def recommended(self, member: str, since: datetime) -> dict[str, datetime]:
        """Return what was recommended to a member since then, with the latest time of each."""
        async with self._read() as connection:
            result = await connection.execute(
                sa.select(recommendations.c.track_id, sa.func.max(recommendations.c.at).label("at"))
                .where(recommendations.c.member_id == member, recommendations.c.at >= since)
                .group_by(recommendations.c.track_id)
            )
            return {row.track_id: _utc(row.at) for row in result}

    async def member(self, id_: str) -> Member | None:
        """Return what a member has chosen; None for one never met."""
        async with self._read() as connection:
            result = await connection.execute(sa.select(members).where(members.c.id == id_))
            row = result.first()
            return Member(**row._mapping) if row else None

    async def choose(
        self, member: str, *, listening: bool | None = None, paused: bool | None = None
    ) -> None:
        """Keep what a member chose; None leaves that choice as it is."""
        chosen = {"listening": listening, "paused": paused}
        values = {name: value for name, value in chosen.items() if value is not None}
        async with self._write() as connection:
            await self._keep_member(connection, member, None)
            if values:
                await connection.execute(
                    members.update().where(members.c.id == member).values(values)
                )

    async def listeners(self) -> set[str]:
        """Return the members whose listening may be learned from now."""
        async with self._read() as connection:
            result = await connection.execute(
                sa.select(members.c.id).where(members.c.listening, ~members.c.paused)
            )
            return set(result.scalars())

    async def counts(self) -> dict[str, int]:
        """Return how many tracks, members and feedback there are, and members who like anything."""
        likers = sa.select(sa.func.count(feedback.c.member_id.distinct())).where(_LIKE)
        async with self._read() as connection:
            found = {
                table.name: await connection.scalar(sa.select(sa.func.count()).select_from(table))
                for table in (tracks, members, feedback)
            }
            found["likers"] = await connection.scalar(likers)
        return {name: number or 0 for name, number in found.items()}

    async def personal(self, member: str) -> dict[str, list[dict[str, Any]]]:
        """Return every row that is about a member, by table, as it is kept.

        What belongs to such a row without naming the member, such as the songs of a drop, stands
        in the row under the name of its table.
        """
        kept: dict[str, list[dict[str, Any]]] = {}
        async with self._read() as connection:
            for table in schema.metadata.sorted_tables:
                column = table.c.id if table is members else table.c.get("member_id")
                if column is not None:
                    kept[table.name] = await _rows_with_parts(connection, table, column == member)
        return kept

    async def delete_member(self, member: str) -> bool:
        """Forget a member with everything they did; say whether there was one.

        With SQLite no byte of it stays in the files either.
        """
        async with self._write() as connection:
            result = await connection.execute(members.delete().where(members.c.id == member))
        if self._engine.dialect.name == "sqlite":
            await self._empty_log()
        return result.rowcount > 0

    async def _empty_log(self) -> None:
        """Move everything from SQLite's write-ahead log, which holds old pages, to the database."""
        async with self._read() as connection:
            await connection.run_sync(_checkpoint)

    # What the bot shows, and how servers want it ---------------------------------------------

    async def keep_answer(self, id_: str, member: str | None, body: Mapping[str, Any]) -> None:
        """Keep an answer under an id of its own, for the buttons of its cards."""
        async with self._write() as connection:
            if member is not None:
                await self._keep_member(connection, member, None)
            await connection.execute(
                answers.insert().values(
                    id=id_, member_id=member, body=dict(body), at=datetime.now(UTC)
                )
            )

    async def answer(self, id_: str) -> dict[str, Any] | None:
        """Return the body of a kept answer."""
        async with self._read() as connection:
            result = await connection.execute(sa.select(answers.c.body).where(answers.c.id == id_))
            return result.scalar()

    async def keep_card(self, card: Card) -> None:
        """Remember which track a message features."""
        row = {
            "message_id": card.message,
            "channel_id": card.channel,
            "track_id": card.track,
            "at": card.at,
        }
        async with self._write() as connection:
            await connection.execute(
                self._insert(cards)
                .values(row)
                .on_conflict_do_update(index_elements=["message_id"], set_=row)
            )

    async def card(self, message: str) -> Card | None:
        """Return the card that a message is."""
        async with self._read() as connection:
            row = (
                await connection.execute(sa.select(cards).where(cards.c.message_id == message))
            ).first()
            return Card(row.message_id, row.channel_id, row.track_id, row.at) if row else None

    async def cards(self, since: datetime, limit: int) -> list[Card]:
        """Return the newest cards since then, newest first."""
        query = sa.select(cards).where(cards.c.at >= since).order_by(cards.c.at.desc()).limit(limit)
        async with self._read() as connection:
            rows = (await connection.execute(query)).all()
        return [Card(row.message_id, row.channel_id, row.track_id, row.at) for row in rows]

    async def remove_card(self, message: str) -> None:
        """Forget a card whose message is gone."""
        async with self._write() as connection:
            await connection.execute(cards.delete().where(cards.c.message_id == message))

    async def card_thumbs(self, message: str) -> set[tuple[str, FeedbackKind]]:
        """Return the reactions under a card that are accounted for, as member and kind."""
        async with self._read() as connection:
            result = await connection.execute(
                sa.select(card_thumbs.c.member_id, card_thumbs.c.kind).where(
                    card_thumbs.c.message_id == message
                )
            )
            return {(row.member_id, FeedbackKind(row.kind)) for row in result}

    async def account_thumb(
        self, message: str, member: str, kind: FeedbackKind, *, there: bool
    ) -> None:
        """Remember that a reaction under a card is there, or no longer is."""
        row = {"message_id": message, "member_id": member, "kind": kind.value}
        await self._note(card_thumbs, row, there=there)

    async def _note(self, table: sa.Table, row: dict[str, Any], *, there: bool) -> None:
        """Have a row of a member's in a table, once, or not at all."""
        async with self._write() as connection:
            if there:
                await self._keep_member(connection, row["member_id"], None)
                await connection.execute(self._insert(table).values(row).on_conflict_do_nothing())
            else:
                same = sa.and_(*(table.c[name] == value for name, value in row.items()))
                await connection.execute(table.delete().where(same))

    async def sweep_cards(self, answers_before: datetime, cards_before: datetime) -> None:
        """Forget answers and cards older than that."""
        async with self._write() as connection:
            await connection.execute(answers.delete().where(answers.c.at < answers_before))
            await connection.execute(cards.delete().where(cards.c.at < cards_before))

    async def guild(self, id_: str) -> GuildWishes:
        """Return how a server wants the bot; the defaults where it never said."""
        async with self._read() as connection:
            row = (await connection.execute(sa.select(guilds).where(guilds.c.id == id_))).first()
        if row is None:
            return GuildWishes()
        return GuildWishes(frozenset(row.channels), frozenset(row.roles), row.dates)

    async def keep_guild(self, id_: str, wishes: GuildWishes) -> None:
        """Remember how a server wants the bot."""
        row = {
            "id": id_,
            "channels": sorted(wishes.channels),
            "roles": sorted(wishes.roles),
            "dates": wishes.dates,
        }
        async with self._write() as connection:
            await connection.execute(
                self._insert(guilds)
                .values(row)
                .on_conflict_do_update(index_elements=["id"], set_=row)
            )

    async def remove_guild(self, id_: str) -> None:
        """Forget a server that sent the bot away."""
        async with self._write() as connection:
            await connection.execute(guilds.delete().where(guilds.c.id == id_))

    # Weekly drops ----------------------------------------------------------------------------

    async def keep_drop(self, drop: Drop) -> Drop:
        """Keep how a member or a server wants its drop, in place of what was kept before."""
        row = {
            "member_id": drop.member,
            "guild_id": drop.guild,
            "channel_id": drop.channel,
            "home_id": drop.home,
            "weekday": drop.schedule.weekday,
            "hour": drop.schedule.hour,
            "zone": drop.schedule.zone,
            "size": drop.size,
            "adventurous": drop.adventurous,
            "active": drop.active,
            "trouble": drop.trouble,
            "since": drop.since,
            "wake_at": drop.since,
        }
        owner = "guild_id" if drop.member is None else "member_id"
        async with self._write() as connection:
            if drop.member is not None:
                await self._keep_member(connection, drop.member, None)
            result = await connection.execute(
                self._insert(drops)
                .values(row)
                .on_conflict_do_update(index_elements=[owner], set_=row)
                .returning(drops.c.id)
            )
            return replace(drop, id=result.scalar_one())

    async def drop_of(self, member: str) -> Drop | None:
        """Return how a member wants their drop; None for one who never said."""
        return await self._one_drop(drops.c.member_id == member)

    async def mixtape_of(self, guild: str) -> Drop | None:
        """Return how a server wants its mixtape; None for one that never said."""
        return await self._one_drop(drops.c.guild_id == guild)

    async def kept_drop(self, id_: int) -> Drop | None:
        """Return the drop with that id."""
        return await self._one_drop(drops.c.id == id_)

    async def _one_drop(self, where: sa.ColumnElement[bool]) -> Drop | None:
        async with self._read() as connection:
            row = (await connection.execute(sa.select(drops).where(where))).first()
            return _drop(row) if row else None

    async def remove_mixtape(self, guild: str) -> None:
        """Forget the mixtape of a server that sent the bot away."""
        async with self._write() as connection:
            await connection.execute(drops.delete().where(drops.c.guild_id == guild))

    async def due_drops(self, now: datetime) -> list[tuple[Drop, str | None]]:
        """Return the drops to look at now, each with the week that was begun and not finished.

        Drops of members who paused are left alone.
        """
        begun = (
            sa.select(sa.func.max(drop_issues.c.week))
            .where(drop_issues.c.drop_id == drops.c.id, drop_issues.c.state == State.OPEN.value)
            .scalar_subquery()
        )
        query = (
            sa.select(drops, begun.label("begun"))
            .select_from(drops.outerjoin(members, drops.c.member_id == members.c.id))
            .where(
                drops.c.active,
                drops.c.wake_at <= now,
                sa.func.coalesce(members.c.paused, False) == sa.false(),
            )
            .order_by(drops.c.wake_at, drops.c.id)
        )
        async with self._read() as connection:
            return [(_drop(row), row.begun) for row in await connection.execute(query)]

    async def wake_drop(self, id_: int, at: datetime) -> None:
        """Leave a drop alone until then."""
        async with self._write() as connection:
            await connection.execute(drops.update().where(drops.c.id == id_).values(wake_at=at))

    async def claim_drop(
        self,
        drop: Drop,
        week: str,
        token: str,
        now: datetime,
        *,
        until: datetime,
        following: datetime,
    ) -> Issue | None:
        """Take a week's issue of a drop for one process, until its lease ends.

        Parameters
        ----------
        token : str
            By which the process is known as its holder.
        until : datetime
            When somebody else may take it.
        following : datetime
            When the drop is due next, for where this week's is finished.

        Returns
        -------
        Issue or None
            None where it is finished, in other hands, or the drop is gone.
        """
        async with self._write() as connection:
            kept = await connection.execute(
                sa.select(drops).where(drops.c.id == drop.id).with_for_update()
            )
            if (row := kept.first()) is None:
                return None
            await connection.execute(
                self._insert(drop_issues)
                .values(
                    drop_id=drop.id,
                    week=week,
                    state=State.OPEN.value,
                    token="",
                    leased_until=now,
                    attempts=0,
                    at=now,
                )
                .on_conflict_do_nothing()
            )
            issue = (
                await connection.execute(
                    sa.select(drop_issues).where(
                        drop_issues.c.drop_id == drop.id, drop_issues.c.week == week
                    )
                )
            ).one()
            free = issue.state == State.OPEN.value and issue.leased_until <= now
            wake = until if free else following if issue.state != State.OPEN.value else None
            if wake is not None:
                await connection.execute(
                    drops.update().where(drops.c.id == drop.id).values(wake_at=wake)
                )
            if not free:
                return None
            await connection.execute(
                drop_issues.update()
                .where(drop_issues.c.id == issue.id)
                .values(token=token, leased_until=until, attempts=issue.attempts + 1)
            )
            posts = await _posts(connection, issue.id)
            return Issue(issue.id, _drop(row), week, State.OPEN, token, issue.attempts + 1, posts)

    async def compose_issue(
        self,
        issue: Issue,
        posts: Sequence[Post],
        at: datetime,
        *,
        answers: Mapping[str, Mapping[str, Any]],
        blends: Mapping[str, str],
    ) -> Issue:
        """Keep what is in an issue, and that its member has been recommended it.

        All of it or, where the drop has gone meanwhile, nothing.

        Parameters
        ----------
        answers : mapping of id to body
            The answers that `posts` are about.
        blends : mapping of track id to blend
            What songs were chosen by, where it is known.
        """
        async with self._write() as connection:
            if answers:
                kept = [
                    {"id": id_, "member_id": issue.drop.member, "body": dict(body), "at": at}
                    for id_, body in answers.items()
                ]
                await connection.execute(schema.answers.insert(), kept)
            rows = [
                {
                    "issue_id": issue.id,
                    "position": post.position,
                    "part": post.part.value,
                    "words": post.words,
                    "track_id": post.track,
                    "answer_id": post.answer,
                }
                for post in posts
            ]
            await connection.execute(drop_posts.insert(), rows)
            # An issue that waited for answers is as old as what was made of them.
            await connection.execute(
                drop_issues.update().where(drop_issues.c.id == issue.id).values(at=at)
            )
            if whom := [
                {"issue_id": issue.id, "position": post.position, "member_id": member}
                for post in posts
                for member in post.listeners
            ]:
                await connection.execute(drop_listeners.insert(), whom)
            picked = [post.track for post in posts if post.track]
            if picked and issue.drop.member:
                await connection.execute(
                    recommendations.insert(),
                    [
                        {
                            "member_id": issue.drop.member,
                            "track_id": id_,
                            "at": at,
                            "blend": blends.get(id_),
                        }
                        for id_ in picked
                    ],
                )
        return replace(issue, posts=tuple(posts))

    async def begin_post(
        self, issue: Issue, position: int, now: datetime, *, until: datetime
    ) -> bool:
        """Mark that a message is about to be posted, and renew the lease.

        Returns
        -------
        bool
            False where the issue is in other hands by now: nothing must be posted.
        """
        async with self._write() as connection:
            renewed = await connection.execute(
                drop_issues.update()
                .where(drop_issues.c.id == issue.id, drop_issues.c.token == issue.token)
                .values(leased_until=until)
            )
            if not renewed.rowcount:
                return False
            await connection.execute(
                drops.update().where(drops.c.id == issue.drop.id).values(wake_at=until)
            )
            await connection.execute(
                drop_posts.update().where(*_is_post(issue, position)).values(began_at=now)
            )
            return True

    async def end_post(self, issue: Issue, position: int, message: str) -> None:
        """Mark that a message was posted, whoever holds the issue by now."""
        async with self._write() as connection:
            await connection.execute(
                drop_posts.update().where(*_is_post(issue, position)).values(message_id=message)
            )

    async def skip_post(self, issue: Issue, position: int) -> None:
        """Leave a message out whose song has gone since."""
        async with self._write() as connection:
            await connection.execute(drop_posts.delete().where(*_is_post(issue, position)))

    async def finish_issue(self, issue: Issue, state: State, following: datetime) -> bool:
        """Mark how an issue ended; the drop sleeps until `following`.

        Returns
        -------
        bool
            False where it is in other hands by now, or gone.
        """
        return await self._let_go(issue, following, state=state.value)

    async def release_issue(self, issue: Issue, again_at: datetime) -> None:
        """Let an issue be claimed again, but not before that."""
        await self._let_go(issue, again_at, leased_until=again_at)

    async def _let_go(self, issue: Issue, wake_at: datetime, **values: Any) -> bool:
        async with self._write() as connection:
            held = await connection.execute(
                drop_issues.update()
                .where(drop_issues.c.id == issue.id, drop_issues.c.token == issue.token)
                .values(values)
            )
            if held.rowcount:
                await connection.execute(
                    drops.update().where(drops.c.id == issue.drop.id).values(wake_at=wake_at)
                )
            return held.rowcount > 0

    async def reopen_issue(self, drop: int, week: str, now: datetime) -> bool:
        """Take back that a week's issue ended without songs; say whether it had.

        Questions in it are forgotten; what had been decided before posting failed is kept.
        """
        ended = sa.select(drop_issues.c.id, drop_issues.c.state).where(
            drop_issues.c.drop_id == drop,
            drop_issues.c.week == week,
            drop_issues.c.state.in_((State.ASKED.value, State.FAILED.value)),
        )
        async with self._write() as connection:
            issue = (await connection.execute(ended)).first()
            if issue is None:
                return False
            if issue.state == State.ASKED.value:
                await connection.execute(
                    drop_posts.delete().where(drop_posts.c.issue_id == issue.id)
                )
            await connection.execute(
                drop_issues.update()
                .where(drop_issues.c.id == issue.id)
                .values(state=State.OPEN.value, leased_until=now, attempts=0)
            )
            return True

    async def pause_drop(self, id_: int, why: str) -> None:
        """Stop a drop because of trouble."""
        async with self._write() as connection:
            await connection.execute(
                drops.update().where(drops.c.id == id_).values(active=False, trouble=why)
            )

    async def issue(self, drop: Drop, week: str) -> Issue | None:
        """Return a week's issue of a drop, to be looked at; None where there is none yet."""
        async with self._read() as connection:
            row = (
                await connection.execute(
                    sa.select(drop_issues).where(
                        drop_issues.c.drop_id == drop.id, drop_issues.c.week == week
                    )
                )
            ).first()
            if row is None:
                return None
            posts = await _posts(connection, row.id)
            return Issue(row.id, drop, week, State(row.state), "", row.attempts, posts)

    async def drop_states(self, drop: int, limit: int) -> list[State]:
        """Return how the last issues of a drop ended, the newest first."""
        query = sa.select(drop_issues.c.state).where(drop_issues.c.drop_id == drop)
        async with self._read() as connection:
            result = await connection.execute(
                query.order_by(drop_issues.c.week.desc()).limit(limit)
            )
            return [State(state) for state in result.scalars()]

    async def previous_issue(self, issue: Issue) -> datetime | None:
        """Return when the last issue before this one was made that had songs in it."""
        query = sa.select(sa.func.max(drop_issues.c.at)).where(
            drop_issues.c.drop_id == issue.drop.id,
            drop_issues.c.week < issue.week,
            drop_issues.c.state == State.POSTED.value,
        )
        async with self._read() as connection:
            at = await connection.scalar(query)
            return _utc(at) if at else None

    async def dropped(self, drop: int, since: datetime) -> set[str]:
        """Return the tracks that were in a drop since then."""
        query = (
            sa.select(drop_posts.c.track_id)
            .join(drop_issues, drop_posts.c.issue_id == drop_issues.c.id)
            .where(
                drop_issues.c.drop_id == drop,
                drop_issues.c.at >= since,
                drop_posts.c.track_id.is_not(None),
            )
        )
        async with self._read() as connection:
            return set((await connection.execute(query)).scalars())

    async def mixtape_members(self, drop: int) -> list[str]:
        """Return the members whose likes a mixtape may be made from, but for those who paused."""
        query = (
            sa.select(mixtape_members.c.member_id)
            .join(members, members.c.id == mixtape_members.c.member_id)
            .where(mixtape_members.c.drop_id == drop, ~members.c.paused)
        )
        async with self._read() as connection:
            return list((await connection.execute(query.order_by(members.c.id))).scalars())

    async def join_mixtape(self, drop: int, member: str, *, there: bool) -> None:
        """Remember that a mixtape may be made from a member's likes, or no longer."""
        row = {"drop_id": drop, "member_id": member}
        await self._note(mixtape_members, row, there=there)

    # Taste and playlists ---------------------------------------------------------------------

    async def likers(self) -> set[str]:
        """Return the members who like anything."""
        query = sa.select(feedback.c.member_id).where(_LIKE).distinct()
        async with self._read() as connection:
            return set((await connection.execute(query)).scalars())

    async def liked_by(self, among: Collection[str]) -> dict[str, int]:
        """Return how many of some members like each track that any of them likes."""
        some, found = sorted(among), Counter[str]()
        async with self._read() as connection:
            for start in range(0, len(some), _IN_CHUNK):
                query = (
                    sa.select(feedback.c.track_id, sa.func.count().label("members"))
                    .where(_LIKE, feedback.c.member_id.in_(some[start : start + _IN_CHUNK]))
                    .group_by(feedback.c.track_id)
                )
                for row in await connection.execute(query):
                    found[row.track_id] += row.members
        return dict(found)

    async def pictured(self) -> set[str]:
        """Return the tracks of which more than numbers is kept: those heard here."""
        query = sa.select(analyses.c.track_id).where(analyses.c.detail.is_not(None))
        async with self._read() as connection:
            return set((await connection.execute(query)).scalars())

    async def paths(self, ids: Iterable[str]) -> dict[str, str]:
        """Return a file on this machine for each of those tracks that was heard from one."""
        wanted, found = list(ids), dict[str, str]()
        async with self._read() as connection:
            for start in range(0, len(wanted), _IN_CHUNK):
                part = wanted[start : start + _IN_CHUNK]
                query = sa.select(files.c.track_id, files.c.path).where(files.c.track_id.in_(part))
                found |= {row.track_id: row.path for row in await connection.execute(query)}
        return found

    async def make_playlist(self, member: str, name: str, key: str, most: int) -> Playlist | None:
        """Make a playlist; None where the member has one of that name, or `most` already."""
        now = datetime.now(UTC)
        count = sa.select(sa.func.count()).where(playlists.c.member_id == member)
        async with self._write() as connection:
            await self._keep_member(connection, member, None)
            if (await connection.scalar(count) or 0) >= most:
                return None
            made = await connection.execute(
                self._insert(playlists)
                .values(member_id=member, name=name, key=key, made_at=now)
                .on_conflict_do_nothing()
                .returning(playlists.c.id)
            )
            id_ = made.scalar()
        return None if id_ is None else Playlist(id_, member, name, now, 0)

    async def playlists(self, member: str) -> list[Playlist]:
        """Return a member's playlists by name."""
        return await self._playlists(playlists.c.member_id == member)

    async def playlist(self, member: str, key: str) -> Playlist | None:
        """Return a member's playlist whose name is compared as `key`."""
        found = await self._playlists(playlists.c.member_id == member, playlists.c.key == key)
        return found[0] if found else None

    async def kept_playlist(self, id_: int) -> Playlist | None:
        """Return the playlist with that id, whosever it is."""
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
        async with self._read() as connection:
            rows = (await connection.execute(query)).all()
        return [Playlist(row.id, row.member_id, row.name, row.made_at, row.songs) for row in rows]

    async def playlist_songs(self, playlist: int) -> list[Track]:
        """Return the songs of a playlist in their order."""
        query = (
            sa.select(playlist_songs.c.track_id)
            .where(playlist_songs.c.playlist_id == playlist)
            .order_by(playlist_songs.c.id)
        )
        async with self._read() as connection:
            ids = list((await connection.execute(query)).scalars())
            found = await _tracks(connection, ids)
        return [found[id_] for id_ in ids]

    async def add_to_playlist(self, playlist: Playlist, songs: Sequence[str], most: int) -> int:
        """Put songs at the end of a playlist, until it holds `most`; say how many were news."""
        now, added = datetime.now(UTC), 0
        own = sa.select(playlist_songs.c.track_id).where(
            playlist_songs.c.playlist_id == playlist.id
        )
        async with self._write() as connection:
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

    async def remove_from_playlist(self, playlist: int, song: str) -> bool:
        """Take a song out of a playlist; say whether it was in it."""
        async with self._write() as connection:
            result = await connection.execute(
                playlist_songs.delete().where(
                    playlist_songs.c.playlist_id == playlist, playlist_songs.c.track_id == song
                )
            )
            return result.rowcount > 0

    async def remove_playlist(self, playlist: int) -> bool:
        """Forget a playlist with its songs; say whether there was one."""
        async with self._write() as connection:
            result = await connection.execute(playlists.delete().where(playlists.c.id == playlist))
            return result.rowcount > 0

    # What other services said ----------------------------------------------------------------

    async def get(self, key: str) -> str | None:
        """Return a remembered answer that has not expired."""
        async with self._read() as connection:
            result = await connection.execute(
                sa.select(lookups.c.body).where(
                    lookups.c.key == key, lookups.c.expires_at > datetime.now(UTC)
                )
            )
            return result.scalar()

    async def put(self, key: str, body: str, ttl_seconds: float) -> None:
        """Remember an answer for a while; expired ones are swept on the way."""
        now = datetime.now(UTC)
        row = {"key": key, "body": body, "expires_at": now + timedelta(seconds=ttl_seconds)}
        async with self._write() as connection:
            await connection.execute(lookups.delete().where(lookups.c.expires_at <= now))
            await connection.execute(
                self._insert(lookups)
                .values(row)
                .on_conflict_do_update(index_elements=["key"], set_=row)
            )

    async def keep_foreign(self, track: str, origin: str, values: Mapping[str, float]) -> None:
        """Keep another service's description of a track, apart from everything heard here."""
        row = {
            "track_id": track,
            "origin": origin,
            "features": dict(values),
            "at": datetime.now(UTC),
        }
        async with self._write() as connection:
            await connection.execute(
                self._insert(foreign_features)
                .values(row)
                .on_conflict_do_update(index_elements=["track_id", "origin"], set_=row)
            )

    async def foreign(self, track: str) -> dict[str, dict[str, float]]:
        """Return other services' descriptions of a track by their origin."""
        async with self._read() as connection:
            result = await connection.execute(
                sa.select(foreign_features).where(foreign_features.c.track_id == track)
            )
            return {row.origin: row.features for row in result}


def _drop(row: Any) -> Drop:
    return Drop(
        member=row.member_id,
        guild=row.guild_id,
        schedule=Schedule(row.weekday, row.hour, row.zone),
        since=row.since,
        channel=row.channel_id,
        home=row.home_id,
        size=row.size,
        adventurous=row.adventurous,
        active=row.active,
        trouble=row.trouble,
        id=row.id,
    )


def _is_post(issue: Issue, position: int) -> tuple[sa.ColumnElement[bool], ...]:
    return drop_posts.c.issue_id == issue.id, drop_posts.c.position == position


async def _posts(connection: AsyncConnection, issue: int) -> tuple[Post, ...]:
    listeners: dict[int, list[str]] = {}
    for row in await connection.execute(
        sa.select(drop_listeners)
        .where(drop_listeners.c.issue_id == issue)
        .order_by(drop_listeners.c.member_id)
    ):
        listeners.setdefault(row.position, []).append(row.member_id)
    rows = await connection.execute(
        sa.select(drop_posts).where(drop_posts.c.issue_id == issue).order_by(drop_posts.c.position)
    )
    return tuple(
        Post(
            row.position,
            Part(row.part),
            row.words,
            row.track_id,
            row.answer_id,
            tuple(listeners.get(row.position, ())),
            row.began_at,
            row.message_id,
        )
        for row in rows
    )


async def _rows_with_parts(
    connection: AsyncConnection, table: sa.Table, where: sa.ColumnElement[bool]
) -> list[dict[str, Any]]:
    result = await connection.execute(sa.select(table).where(where))
    rows = [dict(row) for row in result.mappings()]
    for key in (key for part in schema.metadata.sorted_tables for key in part.foreign_keys):
        part = key.parent.table
        if key.column.table is table and "member_id" not in part.c:
            for row in rows:
                mine = key.parent == row[key.column.name]
                row[part.name] = await _rows_with_parts(connection, part, mine)
    return rows


def _utc(value: Any) -> datetime:
    """Read what an aggregate of a `Moment` gives: SQLite answers with its text."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=UTC)


def _track_row(track: Track) -> dict[str, Any]:
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


async def _tracks(connection: AsyncConnection, ids: list[str] | None) -> dict[str, Track]:
    """Read tracks with their identities; None for all."""
    parts: list[list[str]] | list[None] = [None]
    if ids is not None:
        parts = [ids[start : start + _IN_CHUNK] for start in range(0, len(ids), _IN_CHUNK)]
    found: dict[str, Track] = {}
    for part in parts:
        wanted, named = sa.select(tracks), sa.select(identities)
        if part is not None:
            wanted = wanted.where(tracks.c.id.in_(part))
            named = named.where(identities.c.track_id.in_(part))
        names: dict[str, dict[str, str]] = {}
        for row in await connection.execute(named):
            names.setdefault(row.track_id, {})[row.scheme] = row.value
        for row in await connection.execute(wanted):
            found[row.id] = Track(
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
    return found


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"The folder {folder} cannot be made: {error.strerror}.",
            "Choose another with paths.data in the configuration.",
        ) from None


def _configure_sqlite(engine: AsyncEngine) -> None:
    """Set each connection up, and begin transactions ourselves rather than when sqlite3 likes."""

    @sa.event.listens_for(engine.sync_engine, "connect")
    def connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "busy_timeout = 15000",
            "journal_mode = WAL",
            "synchronous = NORMAL",
            "foreign_keys = ON",
            "secure_delete = ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine.sync_engine, "begin")
    def begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("musrec_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _checkpoint(connection: sa.Connection) -> None:
    # Not as a statement of SQLAlchemy's, which would begin a transaction first.
    cursor = connection.connection.cursor()
    cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    cursor.close()


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: sa.Connection) -> None:
    # Alembic is imported only when there is something to migrate.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", "musrec.store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreError(
            "The database was written by a newer version of musrec.",
            "Update musrec, or point paths.data at another folder.",
        ) from error


_DRIVER_SAYS = (
    (
        r"disk is full|No space left",
        "There is no room left on the disk; nothing of this was kept.",
        "Make room and try again.",
    ),
    (
        r"readonly|read-only|unable to open|permission denied",
        "The database cannot be opened for writing.",
        "Check the permissions of paths.data, or choose another folder.",
    ),
    (
        r"no such (table|column)|has no column",
        "The database does not have the form that this version of musrec works with.",
        "Restore a backup, or point paths.data at another folder.",
    ),
    (
        r"not a database|malformed",
        "The database file is damaged or is not a database.",
        "Put a backup in its place, or move it away to start anew.",
    ),
    (
        r"locked|busy",
        "Another process holds the database.",
        "Try again in a moment.",
    ),
)


@contextmanager
def _clear_errors() -> Iterator[None]:
    """Turn what a database driver says into what a person can act on."""
    try:
        yield
    except (DBAPIError, OSError) as error:
        said = str(error.orig if isinstance(error, DBAPIError) else error)
        for pattern, sentence, hint in _DRIVER_SAYS:
            if re.search(pattern, said, re.IGNORECASE):
                raise StoreError(sentence, hint) from error
        raise
