"""What the bot shows and how servers want it: answers, cards, thumbs under cards, guilds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from musrec.store.schema import Moment

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "answers",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("member_id", sa.String, sa.ForeignKey("members.id", ondelete="CASCADE")),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("at", Moment, nullable=False, index=True),
    )
    op.create_table(
        "cards",
        sa.Column("message_id", sa.String, primary_key=True),
        sa.Column("channel_id", sa.String, nullable=False),
        sa.Column(
            "track_id", sa.String, sa.ForeignKey("tracks.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("at", Moment, nullable=False, index=True),
    )
    op.create_table(
        "card_thumbs",
        sa.Column(
            "message_id",
            sa.String,
            sa.ForeignKey("cards.message_id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column(
            "member_id",
            sa.String,
            sa.ForeignKey("members.id", ondelete="CASCADE"),
            primary_key=True,
            index=True,
        ),
        sa.Column("kind", sa.String, primary_key=True),
    )
    op.create_table(
        "guilds",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("channels", sa.JSON, nullable=False),
        sa.Column("roles", sa.JSON, nullable=False),
        sa.Column("dates", sa.String, nullable=False),
    )
