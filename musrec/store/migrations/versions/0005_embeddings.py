"""The tagger's embedding in a column of its own: every song's is needed to tell songs apart."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("analyses", sa.Column("embedding", sa.LargeBinary))
