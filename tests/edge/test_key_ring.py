"""The keys of a process: read again in time, and for a while enough without the database."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from service.edge.key_ring import FRESH_SECONDS, MOST_SECONDS, OUTAGE_SECONDS, KeyRing
from service.errors import DatabaseUnavailable
from service.store import keys
from service.store.database import Database
from tests.store.rows import at

ADDRESS = "192.0.2.1"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Rig:
    """A ring whose time passes when a test says so, on a file that can be taken away."""

    def __init__(self, database: Database, demanded: bool | None = None) -> None:
        self.database, self.clock = database, Clock()
        self.ring = KeyRing(database, demanded, self.clock)
        self.path = Path(str(database.url.database))

    def made(self) -> tuple[str, str]:
        with self.database.writing() as session:
            row, text = keys.create(session, "a", ["read"], at(0))
            return row.id, text

    def revoke(self, key_id: str) -> None:
        with self.database.writing() as session:
            keys.revoke(session, key_id, at(1))

    def take_away(self) -> None:
        self.database.close()
        self.path.rename(self.path.with_suffix(".away"))
        self.path.mkdir()

    def bring_back(self) -> None:
        self.path.rmdir()
        self.path.with_suffix(".away").rename(self.path)

    async def opens(self, key: str, after: float = 0) -> bool:
        """Return whether a key opens anything, so many seconds later."""
        self.clock.now += after
        return await self.ring.by_text(key, ADDRESS) is not None

    async def read(self) -> None:
        """Wait until no read is under way."""
        await self.ring.close()


@pytest.fixture
def rig(sqlite: Database) -> Rig:
    return Rig(sqlite)


def run(test: Callable[[], Awaitable[object]]) -> object:
    async def whole() -> object:
        return await test()

    return asyncio.run(whole())


def test_keys_are_read_again_while_they_serve_and_before_they_are_too_old(rig: Rig) -> None:
    key_id, key = rig.made()
    other_id, other = rig.made()

    async def test() -> list[bool]:
        found = [await rig.opens(key), await rig.opens(other)]
        rig.revoke(key_id)
        found += [await rig.opens(key), await rig.opens(key, after=FRESH_SECONDS + 0.1)]
        await rig.read()
        found.append(await rig.opens(key, after=0.3))
        rig.revoke(other_id)
        found.append(await rig.opens(other, after=MOST_SECONDS + 0.1))
        await rig.read()
        return found

    assert run(test) == [True, True, True, True, False, False]


def test_without_the_database_the_last_keys_serve_for_a_minute(rig: Rig) -> None:
    _, key = rig.made()

    async def test() -> list[bool]:
        found = [await rig.opens(key)]
        rig.take_away()
        found += [
            await rig.opens(key, after=MOST_SECONDS + 1),
            await rig.opens(key, after=OUTAGE_SECONDS - 10),
        ]
        with pytest.raises(DatabaseUnavailable, match="keys cannot be checked"):
            await rig.opens(key, after=10)
        await rig.read()
        rig.bring_back()
        with pytest.raises(DatabaseUnavailable):  # nobody waits for the read that this begins
            await rig.opens(key, after=1)
        await rig.read()
        return [*found, await rig.opens(key)]

    assert run(test) == [True, True, True, True]


def test_where_no_key_was_ever_made_nobody_waits_for_the_database(rig: Rig) -> None:
    async def test() -> list[bool]:
        found = [await rig.ring.demands()]
        rig.take_away()
        rig.clock.now += OUTAGE_SECONDS + MOST_SECONDS
        found.append(await rig.ring.demands())
        await rig.read()
        return found

    assert run(test) == [False, False]


def test_uses_are_stored_with_the_next_read(rig: Rig) -> None:
    _, key = rig.made()
    _, unused = rig.made()

    async def test() -> bool:
        await rig.opens(key)
        await rig.opens(key, after=FRESH_SECONDS + 0.1)
        await rig.read()
        return await rig.opens(unused)

    run(test)

    with rig.database.reading() as session:
        assert [row.last_used_at is not None for row in keys.list_all(session)] == [True, False]
