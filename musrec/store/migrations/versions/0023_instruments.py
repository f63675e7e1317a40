"""What the second tagger heard: instruments and voices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.add_column("analyses", sa.Column("mtt_mean", sa.LargeBinary))
