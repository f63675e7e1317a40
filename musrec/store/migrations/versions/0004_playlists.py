"""Members' own lists of songs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from musrec.store.schema import Moment

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "playlists",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "member_id", sa.String, sa.ForeignKey("members.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("made_at", Moment, nullable=False),
        sa.UniqueConstraint("member_id", "key", name="one_playlist_a_name"),
    )
    op.create_table(
        "playlist_songs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "playlist_id",
            sa.Integer,
            sa.ForeignKey("playlists.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column(
            "member_id",
            sa.String,
            sa.ForeignKey("members.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column(
            "track_id",
            sa.String,
            sa.ForeignKey("tracks.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("added_at", Moment, nullable=False),
        sa.UniqueConstraint("playlist_id", "track_id", name="a_song_once"),
    )
