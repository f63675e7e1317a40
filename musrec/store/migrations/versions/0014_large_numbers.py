"""Sizes and times of files in 64 bits, on PostgreSQL too: nanoseconds do not fit into 32."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":  # every integer of SQLite has 64 bits
        for name in ("size", "modified_ns"):
            op.alter_column("files", name, type_=sa.BigInteger, existing_nullable=False)
