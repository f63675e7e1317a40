"""When each analysis, or what is known of its track, last changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from musrec.store.schema import LARGE

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.add_column("analyses", sa.Column("revision", LARGE, nullable=False, server_default="0"))
    op.create_index("changed_analyses", "analyses", ["revision", "origin", "version", "track_id"])
