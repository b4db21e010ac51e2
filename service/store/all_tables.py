"""The names of all tables: the metadata knows those of a module once it is imported."""

from service.store import key_tables, served_tables, webhook_tables
from service.store.tables import Base

MODULES = (key_tables, served_tables, webhook_tables)
"""Those with tables, besides `tables`."""
TABLES = ("alembic_version", *Base.metadata.tables)
