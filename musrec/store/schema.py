"""Tables of the store. `migrations/` brings any older database to this form."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)

HEAD = "0025"
"""Revision of this schema: the name of the newest file in `migrations/versions`."""


class Moment(TypeDecorator[datetime]):
    """An instant, always in UTC: SQLite keeps no time zone of its own."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:  # noqa: ARG002
        """Refuse instants without a time zone; store the others in UTC."""
        if value is not None and value.tzinfo is None:
            raise ValueError("an instant needs its time zone")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give back an instant in UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


metadata = MetaData()

LARGE = BigInteger().with_variant(Integer(), "sqlite")
"""Integers of 64 bits; SQLite's all are."""


def _track(name: str = "track_id", **options: Any) -> Column[str]:
    return Column(name, String, ForeignKey("tracks.id", ondelete="CASCADE"), **options)


def _member(**options: Any) -> Column[str]:
    return Column("member_id", String, ForeignKey("members.id", ondelete="CASCADE"), **options)


tracks = Table(
    "tracks",
    metadata,
    Column("id", String, primary_key=True),
    Column("title", Text, nullable=False),
    Column("artists", JSON, nullable=False),
    Column("album", Text),
    Column("genre", Text),
    Column("year", Integer),
    Column("isrc", String),
    Column("duration", Float),
    Column("popularity", Float),
    Column("links", JSON, nullable=False),
    Column("provenance", JSON, nullable=False),
    Column("added_at", Moment, nullable=False),
)

identities = Table(
    "identities",
    metadata,
    Column("scheme", String, primary_key=True),
    Column("value", String, primary_key=True),
    _track(nullable=False, index=True),
)

analyses = Table(
    "analyses",
    metadata,
    _track(primary_key=True),
    Column("version", Integer, nullable=False),
    Column("digest", String, nullable=False, index=True),
    Column("seconds", Float, nullable=False),
    Column("kind", String, nullable=False),
    Column("origin", String, nullable=False),
    # What the catalogue needs of every song stands in columns of its own; what only a card or a
    # page of one song needs is packed away in `detail`.
    Column("statistics", LargeBinary, nullable=False),
    Column("tag_mean", LargeBinary),
    Column("tag_std", LargeBinary),
    Column("embedding", LargeBinary),
    Column("mtt_mean", LargeBinary),
    # An encoder of the owner's own: its digest, and the vector that it gave.
    Column("encoder", String),
    Column("encoding", LargeBinary),
    Column("facts", JSON, nullable=False),
    Column("detail", LargeBinary),
    Column("heard_at", Moment, nullable=False),
    # Number in `changes` of what last changed this row or its track; 0 from before there were any.
    Column("revision", LARGE, nullable=False, server_default=text("0")),
    # Says what changed, and how many songs there are, without a look at the rows.
    Index("changed_analyses", "revision", "origin", "version", "track_id"),
)

# What a recording is looked up by: see `musrec.audio.fingerprint`.
landmarks = Table(
    "landmarks",
    metadata,
    Column("value", Integer, primary_key=True, autoincrement=False),
    _track(primary_key=True, index=True),
    sqlite_with_rowid=False,
)

files = Table(
    "files",
    metadata,
    Column("path", Text, primary_key=True),
    Column("size", LARGE, nullable=False),
    Column("modified_ns", LARGE, nullable=False),
    _track(nullable=False, index=True),
)

# Files that gave no song: not heard again until they change, or are heard by something else.
refused_files = Table(
    "refused_files",
    metadata,
    Column("path", Text, primary_key=True),
    Column("size", LARGE, nullable=False),
    Column("modified_ns", LARGE, nullable=False),
    Column("ears", String, nullable=False),
    Column("problem", Text, nullable=False),
)

members = Table(
    "members",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", Text),
    Column("listening", Boolean, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("hidden", Boolean, nullable=False, server_default=false()),
    Column("since", Moment, nullable=False),
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", Integer, primary_key=True),
    _member(nullable=False, index=True),
    _track(nullable=False, index=True),
    Column("kind", String, nullable=False),
    Column("at", Moment, nullable=False),
)

# One opinion per member and track: a second thumb replaces the first. So it is on PostgreSQL too,
# whose dialect every process would load if its condition were named here.
Index(
    "one_opinion",
    feedback.c.member_id,
    feedback.c.track_id,
    unique=True,
    sqlite_where=text("kind IN ('like', 'dislike')"),
)

recommendations = Table(
    "recommendations",
    metadata,
    Column("id", Integer, primary_key=True),
    _member(nullable=False),
    _track(nullable=False),
    Column("query_id", String, ForeignKey("tracks.id", ondelete="SET NULL")),
    Column("at", Moment, nullable=False),
    Column("blend", String),
    Index("recommended_lately", "member_id", "at"),
)

lookups = Table(
    "lookups",
    metadata,
    Column("key", Text, primary_key=True),
    Column("body", Text, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
)

foreign_features = Table(
    "foreign_features",
    metadata,
    _track(primary_key=True),
    Column("origin", String, primary_key=True),
    Column("features", JSON, nullable=False),
    Column("at", Moment, nullable=False),
)

# Kept so that the buttons of a card work after a restart; swept when old.
answers = Table(
    "answers",
    metadata,
    Column("id", String, primary_key=True),
    _member(),
    Column("body", JSON, nullable=False),
    Column("at", Moment, nullable=False, index=True),
)

# One message features one track: a reaction under it means that track.
cards = Table(
    "cards",
    metadata,
    Column("message_id", String, primary_key=True),
    Column("channel_id", String, nullable=False),
    _track(nullable=False),
    Column("at", Moment, nullable=False, index=True),
    # When the reactions under it were last read back.
    Column("read_at", Moment),
    # The song it was found for; it may be gone. SQLite adds no reference to a table that is there.
    Column("query_id", String),
    Column("guild_id", String),
    Index("cards_of_a_channel", "channel_id", "at"),
)

# Cards about to be posted: one may stand in the channel, after that message, without its row above.
intended_cards = Table(
    "intended_cards",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("channel_id", String, nullable=False),
    Column("after_id", String, nullable=False),
    Column("at", Moment, nullable=False),
    Column("guild_id", String),
)

# The reactions already accounted for: what differs from them was done while the bot was away.
card_thumbs = Table(
    "card_thumbs",
    metadata,
    Column(
        "message_id",
        String,
        ForeignKey("cards.message_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    _member(primary_key=True, index=True),
    Column("kind", String, primary_key=True),
)

# Who pressed a thumb under a card; which thumb it is now says `feedback`.
card_presses = Table(
    "card_presses",
    metadata,
    Column(
        "message_id",
        String,
        ForeignKey("cards.message_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    _member(primary_key=True, index=True),
)

# Reactions that never count: of members who had paused, or had everything deleted. The mark tells
# the few who react under one card apart, and is too short to tell who of all of Discord it was.
uncounted_thumbs = Table(
    "uncounted_thumbs",
    metadata,
    Column(
        "message_id",
        String,
        ForeignKey("cards.message_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("mark", String, primary_key=True),
    Column("kind", String, primary_key=True),
)

# When members had everything deleted: a reaction that was given before, and that nobody had read,
# never counts. The mark is too short to tell who it was.
deletions = Table(
    "deletions",
    metadata,
    Column("mark", String, primary_key=True),
    Column("at", Moment, primary_key=True),
)

guilds = Table(
    "guilds",
    metadata,
    Column("id", String, primary_key=True),
    Column("channels", JSON, nullable=False),
    Column("roles", JSON, nullable=False),
    Column("dates", String, nullable=False),
)

# A member's weekly drop or a server's mixtape; the other owner column is null.
drops = Table(
    "drops",
    metadata,
    Column("id", Integer, primary_key=True),
    _member(unique=True),
    Column("guild_id", String, unique=True),
    Column("channel_id", String),
    Column("home_id", String),
    Column("weekday", Integer, nullable=False),
    Column("hour", Integer, nullable=False),
    Column("zone", String, nullable=False),
    Column("size", Integer, nullable=False),
    Column("adventurous", Float, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("trouble", Text, nullable=False),
    Column("since", Moment, nullable=False),
    # The drop is not looked at before then. It saves work only: the schedule decides what is due.
    Column("wake_at", Moment, nullable=False, index=True),
)

# One row per drop and ISO week: only the process that holds its lease posts it.
drop_issues = Table(
    "drop_issues",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("drop_id", Integer, ForeignKey("drops.id", ondelete="CASCADE"), nullable=False),
    Column("week", String, nullable=False),
    Column("state", String, nullable=False),
    Column("token", String, nullable=False),
    Column("leased_until", Moment, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    UniqueConstraint("drop_id", "week", name="one_issue_a_week"),
)

# The messages of an issue: marked before (`began_at`) and after (`message_id`) each is posted.
drop_posts = Table(
    "drop_posts",
    metadata,
    Column("issue_id", Integer, ForeignKey("drop_issues.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("part", String, nullable=False),
    Column("words", Text, nullable=False),
    _track(),
    Column("answer_id", String),
    Column("began_at", Moment),
    Column("message_id", String),
)

# Whom a song of a mixtape is for.
drop_listeners = Table(
    "drop_listeners",
    metadata,
    Column("issue_id", Integer, ForeignKey("drop_issues.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    _member(primary_key=True, index=True),
)

# How well a week suited a member, 1 to 5: the drop's owner, or any member for a mixtape.
drop_ratings = Table(
    "drop_ratings",
    metadata,
    Column("issue_id", Integer, ForeignKey("drop_issues.id", ondelete="CASCADE"), primary_key=True),
    _member(primary_key=True, index=True),
    Column("stars", Integer, nullable=False),
    Column("at", Moment, nullable=False),
)

# Members who let a server's mixtape use their likes.
mixtape_members = Table(
    "mixtape_members",
    metadata,
    Column("drop_id", Integer, ForeignKey("drops.id", ondelete="CASCADE"), primary_key=True),
    _member(primary_key=True, index=True),
)

playlists = Table(
    "playlists",
    metadata,
    Column("id", Integer, primary_key=True),
    _member(nullable=False),
    Column("name", Text, nullable=False),
    # The name in the form that is compared: names that look alike are equal.
    Column("key", Text, nullable=False),
    Column("made_at", Moment, nullable=False),
    UniqueConstraint("member_id", "key", name="one_playlist_a_name"),
)

# In the order of their ids. Whose they are stands in each row, so that in every table what is kept
# of a member is found by one column.
playlist_songs = Table(
    "playlist_songs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("playlist_id", Integer, ForeignKey("playlists.id", ondelete="CASCADE"), nullable=False),
    _member(nullable=False, index=True),
    _track(nullable=False, index=True),
    Column("added_at", Moment, nullable=False),
    UniqueConstraint("playlist_id", "track_id", name="a_song_once"),
)

# What other processes have yet to hear of; see `musrec.store.changes`. No number is used twice.
changes = Table(
    "changes",
    metadata,
    Column("id", LARGE, primary_key=True),
    Column("kind", String, nullable=False),
    Column("feedback_id", Integer, ForeignKey("feedback.id", ondelete="CASCADE"), index=True),
    _track(index=True),
    Column("mark", String),
    Column("detail", String),
    Column("writer", String, nullable=False),
    Column("at", Moment, nullable=False, index=True),
    sqlite_autoincrement=True,
)

# Work that any process may do; see `musrec.store.jobs`. `due_at` says from when a job may be taken:
# one that runs, when its lease is over.
jobs = Table(
    "jobs",
    metadata,
    Column("id", LARGE, primary_key=True),
    Column("kind", String, nullable=False),
    Column("key", String, nullable=False),
    Column("body", JSON, nullable=False),
    Column("place", String),
    Column("urgency", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("token", String, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("why", Text, nullable=False),
    UniqueConstraint("kind", "key", name="one_job_for_each"),
    Index("jobs_due", "state", "due_at"),
)

# What was learned from all members at one time, for all processes; see `musrec.store.fits`. A fit
# knows the changes up to `seen`, and those of its writer up to `own`.
fits = Table(
    "fits",
    metadata,
    Column("id", LARGE, primary_key=True),
    Column("recipe", String, nullable=False),
    Column("events", LARGE, nullable=False),
    Column("seen", LARGE, nullable=False),
    Column("own", LARGE, nullable=False),
    Column("writer", String, nullable=False),
    Column("whole", Boolean, nullable=False),
    Column("made_at", Moment, nullable=False),
    sqlite_autoincrement=True,
)

fit_parts = Table(
    "fit_parts",
    metadata,
    Column("fit_id", LARGE, ForeignKey("fits.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

# People who sign in to the page with a name and a password. `key` is the name as it is compared.
accounts = Table(
    "accounts",
    metadata,
    _member(primary_key=True),
    Column("name", Text, nullable=False),
    Column("key", Text, nullable=False, unique=True),
    Column("password", Text),
    Column("made_at", Moment, nullable=False),
)

# Who is signed in, and links that sign a member in once. Only the SHA-256 of each secret is kept.
sessions, sign_in_links = (
    Table(
        name,
        metadata,
        Column("digest", String, primary_key=True),
        _member(nullable=False, index=True),
        Column("role", String, nullable=False),
        Column("until", Moment, nullable=False),
    )
    for name in ("sessions", "sign_in_links")
)

# Keys with which programs ask in a member's name; only the SHA-256 of each is kept.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", String, nullable=False, unique=True),
    _member(nullable=False, index=True),
    Column("role", String, nullable=False),
    Column("name", Text, nullable=False),
    Column("made_at", Moment, nullable=False),
)

# A playlist that whoever has the link may see, until its member withdraws the link.
playlist_shares = Table(
    "playlist_shares",
    metadata,
    Column(
        "playlist_id", Integer, ForeignKey("playlists.id", ondelete="CASCADE"), primary_key=True
    ),
    _member(nullable=False, index=True),
    Column("token", String, nullable=False, unique=True),
    Column("at", Moment, nullable=False),
)

SECRET = frozenset(
    (accounts.c.password, sessions.c.digest, sign_in_links.c.digest, api_keys.c.digest)
)
"""Columns that no export repeats: whoever finds a copy of one must not gain anything by it."""
