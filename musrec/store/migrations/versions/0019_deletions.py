"""When members had everything deleted, so that no reaction from before is learned afterwards."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from musrec.store.schema import Moment

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.create_table(
        "deletions",
        sa.Column("mark", sa.String, primary_key=True),
        sa.Column("at", Moment, primary_key=True),
    )
