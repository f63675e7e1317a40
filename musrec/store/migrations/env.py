"""Runs the migrations on the connection that `musrec.store` opened, or prints nothing at all."""

from __future__ import annotations

from alembic import context

from musrec.store.schema import metadata

# SQLite cannot alter most things in place: batch mode copies the table instead.
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
