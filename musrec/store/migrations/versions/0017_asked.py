"""What song a card was found for, so that it is offered again where it was asked about."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("cards", sa.Column("query_id", sa.String))
    op.create_index("cards_of_a_channel", "cards", ["channel_id", "at"])
