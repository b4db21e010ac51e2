"""Runs migrations on the connection that the caller opened, inside the caller's transaction."""

from alembic import context

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("Migrations run through `normserve migrate`, which knows the database.")
context.configure(connection=connection, transactional_ddl=True, render_as_batch=True)
context.run_migrations()
