"""Tracks with what was heard in them, members with what they did."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from musrec.store.schema import Moment

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "tracks",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("artists", sa.JSON, nullable=False),
        sa.Column("album", sa.Text),
        sa.Column("genre", sa.Text),
        sa.Column("year", sa.Integer),
        sa.Column("isrc", sa.String),
        sa.Column("duration", sa.Float),
        sa.Column("popularity", sa.Float),
        sa.Column("links", sa.JSON, nullable=False),
        sa.Column("provenance", sa.JSON, nullable=False),
        sa.Column("added_at", Moment, nullable=False),
    )
    op.create_table(
        "identities",
        sa.Column("scheme", sa.String, primary_key=True),
        sa.Column("value", sa.String, primary_key=True),
        _track(nullable=False, index=True),
    )
    op.create_table(
        "analyses",
        _track(primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("digest", sa.String, nullable=False, index=True),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("origin", sa.String, nullable=False),
        sa.Column("statistics", sa.LargeBinary, nullable=False),
        sa.Column("tag_mean", sa.LargeBinary),
        sa.Column("tag_std", sa.LargeBinary),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("detail", sa.LargeBinary),
        sa.Column("heard_at", Moment, nullable=False),
    )
    op.create_table(
        "files",
        sa.Column("path", sa.Text, primary_key=True),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("modified_ns", sa.Integer, nullable=False),
        _track(nullable=False, index=True),
    )
    op.create_table(
        "members",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("name", sa.Text),
        sa.Column("listening", sa.Boolean, nullable=False),
        sa.Column("paused", sa.Boolean, nullable=False),
        sa.Column("since", Moment, nullable=False),
    )
    op.create_table(
        "feedback",
        sa.Column("id", sa.Integer, primary_key=True),
        _member(nullable=False, index=True),
        _track(nullable=False, index=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("at", Moment, nullable=False),
    )
    explicit = sa.text("kind IN ('like', 'dislike')")
    op.create_index(
        "one_opinion",
        "feedback",
        ["member_id", "track_id"],
        unique=True,
        sqlite_where=explicit,
        postgresql_where=explicit,
    )
    op.create_table(
        "recommendations",
        sa.Column("id", sa.Integer, primary_key=True),
        _member(nullable=False),
        _track(nullable=False),
        sa.Column("query_id", sa.String, sa.ForeignKey("tracks.id", ondelete="SET NULL")),
        sa.Column("at", Moment, nullable=False),
    )
    op.create_index("recommended_lately", "recommendations", ["member_id", "at"])
    op.create_table(
        "lookups",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("expires_at", Moment, nullable=False, index=True),
    )
    op.create_table(
        "foreign_features",
        _track(primary_key=True),
        sa.Column("origin", sa.String, primary_key=True),
        sa.Column("features", sa.JSON, nullable=False),
        sa.Column("at", Moment, nullable=False),
    )


def _track(**options: bool) -> sa.Column[str]:
    key = sa.ForeignKey("tracks.id", ondelete="CASCADE")
    return sa.Column("track_id", sa.String, key, **options)  # type: ignore[arg-type]


def _member(**options: bool) -> sa.Column[str]:
    key = sa.ForeignKey("members.id", ondelete="CASCADE")
    return sa.Column("member_id", sa.String, key, **options)  # type: ignore[arg-type]
