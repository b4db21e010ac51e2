"""The room of replaced rows on PostgreSQL, freed before the server's own autovacuum would.

A resume state is replaced every second. The server looks for dead rows once a minute, and until then the
replaced states of all running jobs pile up on the disk.
"""

from sqlalchemy import text

from service.store.database import Database
from service.store.driver_errors import translate_driver_errors

TABLES = ("resume_states", "checkpoints")
"""Where large values are replaced or dropped while jobs run."""

# The server counts the rows of the table that holds the large values apart.
_WITH_DEAD_ROWS = text(
    """
    SELECT relname FROM pg_class
    WHERE oid = ANY (CAST(:tables AS regclass[]))
    AND pg_stat_get_dead_tuples(reltoastrelid) > pg_stat_get_live_tuples(reltoastrelid) / 10
    ORDER BY relname
    """
)


def vacuum(database: Database) -> list[str]:
    """Vacuum the tables of which a tenth is dead rows; return their names.

    Their room is used again, and given back to the disk where it is at the end of the table. A SQLite file
    needs none of this: it uses the room of replaced rows at once.
    """
    if database.is_sqlite:
        return []
    with translate_driver_errors(), database.engine.connect() as connection:
        alone = connection.execution_options(isolation_level="AUTOCOMMIT")
        found = list(alone.scalars(_WITH_DEAD_ROWS, {"tables": list(TABLES)}))
        for table in found:
            alone.execute(text(f"VACUUM (SKIP_LOCKED) {table}"))
    return found
