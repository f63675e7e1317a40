"""Files that gave no song, so that they are not heard again until they change."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    large = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "refused_files",
        sa.Column("path", sa.Text, primary_key=True),
        sa.Column("size", large, nullable=False),
        sa.Column("modified_ns", large, nullable=False),
        sa.Column("ears", sa.String, nullable=False),
        sa.Column("problem", sa.Text, nullable=False),
    )
