"""What an encoder of the owner's own heard: its digest, and the vector that it gave."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("analyses", sa.Column("encoder", sa.String))
    op.add_column("analyses", sa.Column("encoding", sa.LargeBinary))
