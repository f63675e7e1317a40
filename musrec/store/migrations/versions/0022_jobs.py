"""Work that any process may do: songs to hear, songs to hear again, and looking for more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from musrec.store.schema import LARGE, Moment

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", LARGE, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("place", sa.String),
        sa.Column("urgency", sa.Integer, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("token", sa.String, nullable=False),
        sa.Column("due_at", Moment, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.UniqueConstraint("kind", "key", name="one_job_for_each"),
    )
    op.create_index("jobs_due", "jobs", ["state", "due_at"])
