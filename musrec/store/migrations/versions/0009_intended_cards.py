"""Cards that are about to be posted, when each was read back, and reactions that never count."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from musrec.store.schema import Moment

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "intended_cards",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("channel_id", sa.String, nullable=False),
        sa.Column("after_id", sa.String, nullable=False),
        sa.Column("at", Moment, nullable=False),
    )
    op.create_table(
        "uncounted_thumbs",
        sa.Column(
            "message_id",
            sa.String,
            sa.ForeignKey("cards.message_id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("mark", sa.String, primary_key=True),
        sa.Column("kind", sa.String, primary_key=True),
    )
    op.add_column("cards", sa.Column("read_at", Moment))
