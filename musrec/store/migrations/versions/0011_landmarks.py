"""What recordings are looked up by; those kept before get theirs when the service opens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    track = sa.ForeignKey("tracks.id", ondelete="CASCADE")
    op.create_table(
        "landmarks",
        sa.Column("value", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("track_id", sa.String, track, primary_key=True, index=True),
        sqlite_with_rowid=False,
    )
