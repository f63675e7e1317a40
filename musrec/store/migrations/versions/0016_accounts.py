"""Accounts of the local page, who is signed in to it, and links to shared playlists."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def _member(**options: Any) -> sa.Column[str]:
    key = sa.ForeignKey("members.id", ondelete="CASCADE")
    return sa.Column("member_id", sa.String, key, **options)


def upgrade() -> None:
    op.create_table(
        "accounts",
        _member(primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        sa.Column("password", sa.Text),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
    )
    for table in ("sessions", "sign_in_links"):
        op.create_table(
            table,
            sa.Column("digest", sa.String, primary_key=True),
            _member(nullable=False),
            sa.Column("role", sa.String, nullable=False),
            sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        )
        op.create_index(f"ix_{table}_member_id", table, ["member_id"])
    op.create_table(
        "playlist_shares",
        sa.Column(
            "playlist_id",
            sa.Integer,
            sa.ForeignKey("playlists.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        _member(nullable=False),
        sa.Column("token", sa.String, nullable=False, unique=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_playlist_shares_member_id", "playlist_shares", ["member_id"])
