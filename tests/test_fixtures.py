"""What the tests of one process share, and what each has for itself."""

from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.engine.interfaces import CacheStats

from models.data import originals
from service.store import schema
from service.store.database import Database
from service.store.tables import Counter


def test_databases_share_compiled_statements(database: Database, another_url: Callable[[], str]) -> None:
    another = Database(another_url())
    schema.upgrade(another.engine)
    query = select(Counter.name)

    with database.reading() as session:
        session.connection().execute(query)
    with another.reading() as session:
        context = session.connection().execute(query).context

    another.close()
    assert context.cache_hit is CacheStats.CACHE_HIT


def test_the_images_that_come_with_the_code_are_unpacked_once() -> None:
    assert originals.unpack_vendored() is originals.unpack_vendored()
