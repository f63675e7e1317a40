"""Which members pressed a thumb under which card, so that its buttons can show how many did."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "card_presses",
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
        ),
    )
    op.create_index("ix_card_presses_member_id", "card_presses", ["member_id"])
