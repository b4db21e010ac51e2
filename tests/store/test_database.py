"""Transactions: undone when the block raises, and writers at once."""

import threading

import pytest

from service.store import counters
from service.store.database import Database


def test_what_raises_in_a_transaction_is_undone(database: Database) -> None:
    with pytest.raises(KeyError), database.writing() as session:
        counters.count(session, "undone")
        raise KeyError

    with database.reading() as session:
        assert counters.read(session) == {}


def test_writers_at_once_lose_no_update(database: Database) -> None:
    def add() -> None:
        for _ in range(20):
            with database.writing() as session:
                counters.count(session, "added")

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with database.reading() as session:
        assert counters.read(session) == {"added": 160}
