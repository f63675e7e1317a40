"""${message}."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from musrec.store.schema import Moment
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
