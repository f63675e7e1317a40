"""Which blend a song was recommended by: thumbs on it teach which blend suits the member."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("recommendations", sa.Column("blend", sa.String))
