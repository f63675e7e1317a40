"""What other processes have yet to hear of: new songs, thumbs, choices, and members who left."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from musrec.store.schema import LARGE, Moment

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "changes",
        sa.Column("id", LARGE, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("feedback_id", sa.Integer, sa.ForeignKey("feedback.id", ondelete="CASCADE")),
        sa.Column("track_id", sa.String, sa.ForeignKey("tracks.id", ondelete="CASCADE")),
        sa.Column("mark", sa.String),
        sa.Column("detail", sa.String),
        sa.Column("writer", sa.String, nullable=False),
        sa.Column("at", Moment, nullable=False),
        sqlite_autoincrement=True,
    )
    for name in ("feedback_id", "track_id", "at"):
        op.create_index(f"ix_changes_{name}", "changes", [name])
