"""Runs the migrations on the connection it is handed (`retrieval/database.py`)."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=False)
context.run_migrations()
