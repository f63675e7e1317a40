"""What was learned from all members, made by one process for all."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from musrec.store.schema import LARGE, Moment

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.create_table(
        "fits",
        sa.Column("id", LARGE, primary_key=True),
        sa.Column("recipe", sa.String, nullable=False),
        sa.Column("events", LARGE, nullable=False),
        sa.Column("seen", LARGE, nullable=False),
        sa.Column("own", LARGE, nullable=False),
        sa.Column("writer", sa.String, nullable=False),
        sa.Column("whole", sa.Boolean, nullable=False),
        sa.Column("made_at", Moment, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "fit_parts",
        sa.Column("fit_id", LARGE, sa.ForeignKey("fits.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
