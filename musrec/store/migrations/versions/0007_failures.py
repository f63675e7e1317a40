"""How often posting an issue has failed, in place of how often it was claimed."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    # Not as a batch, which copies the table: dropping the old one deletes every post of its issues.
    op.execute("ALTER TABLE drop_issues RENAME COLUMN attempts TO failures")
    op.execute("UPDATE drop_issues SET failures = 0")
