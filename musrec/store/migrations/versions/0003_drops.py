"""Weekly drops: subscriptions, each week's issue, its posts, and the members they are for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from musrec.store.schema import Moment

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "drops",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "member_id",
            sa.String,
            sa.ForeignKey("members.id", ondelete="CASCADE"),
            unique=True,
        ),
        sa.Column("guild_id", sa.String, unique=True),
        sa.Column("channel_id", sa.String),
        sa.Column("home_id", sa.String),
        sa.Column("weekday", sa.Integer, nullable=False),
        sa.Column("hour", sa.Integer, nullable=False),
        sa.Column("zone", sa.String, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("adventurous", sa.Float, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("trouble", sa.Text, nullable=False),
        sa.Column("since", Moment, nullable=False),
        sa.Column("wake_at", Moment, nullable=False, index=True),
    )
    op.create_table(
        "drop_issues",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "drop_id", sa.Integer, sa.ForeignKey("drops.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("week", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("token", sa.String, nullable=False),
        sa.Column("leased_until", Moment, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.UniqueConstraint("drop_id", "week", name="one_issue_a_week"),
    )
    op.create_table(
        "drop_posts",
        sa.Column(
            "issue_id",
            sa.Integer,
            sa.ForeignKey("drop_issues.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("part", sa.String, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("track_id", sa.String, sa.ForeignKey("tracks.id", ondelete="CASCADE")),
        sa.Column("answer_id", sa.String),
        sa.Column("began_at", Moment),
        sa.Column("message_id", sa.String),
    )
    op.create_table(
        "drop_listeners",
        sa.Column(
            "issue_id",
            sa.Integer,
            sa.ForeignKey("drop_issues.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column(
            "member_id",
            sa.String,
            sa.ForeignKey("members.id", ondelete="CASCADE"),
            primary_key=True,
            index=True,
        ),
    )
    op.create_table(
        "mixtape_members",
        sa.Column(
            "drop_id",
            sa.Integer,
            sa.ForeignKey("drops.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column(
            "member_id",
            sa.String,
            sa.ForeignKey("members.id", ondelete="CASCADE"),
            primary_key=True,
            index=True,
        ),
    )
