"""The server that a card stands in, which says whose process reads its reactions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    for table in ("cards", "intended_cards"):
        op.add_column(table, sa.Column("guild_id", sa.String))
