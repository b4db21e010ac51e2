"""Keys are made once, compared by their sha256, and end by revocation and time; sessions end with them."""

import re
from datetime import timedelta

import pytest

from models.specs.comparison import ComparisonSpec
from service.callers import SCOPES, Caller
from service.errors import KeyNotFound, TooManyKeys
from service.store import comparisons, jobs, key_sessions, keys, turns
from service.store.database import Database
from service.store.digests import sha256_hex
from service.store.key_sessions import LASTS, MOST_OF_KEY
from service.store.key_tables import ApiKey
from service.store.keys import Usable
from service.store.tables import Turn
from service.store.waiting import Submitter
from tests.store.rows import SPEC, at, reread

TEXT = re.compile(r"normserve_[0-9a-f]{104}")


def made(
    database: Database, name: str = "laptop", *scopes: str, lasts: float | None = None
) -> tuple[ApiKey, str]:
    with database.writing() as session:
        expires_at = None if lasts is None else at(lasts)
        return keys.create(session, name, scopes or ("read",), at(0), expires_at)


def usable(database: Database, seconds: float = 0) -> Usable:
    with database.reading() as session:
        return keys.read_usable(session, at(seconds))


def test_a_key_is_stored_as_its_sha256_alone(database: Database) -> None:
    row, text = made(database, "laptop", "train", "read", lasts=60)

    [stored] = listed(database)
    columns = {column.key: getattr(stored, column.key) for column in ApiKey.__table__.columns}
    assert columns == {
        "key": row.key,
        "id": f"key_{text[10:42]}",
        "name": "laptop",
        "scopes": "read train",
        "sha256": sha256_hex(text.encode()),
        "created_at": at(0),
        "expires_at": at(60),
        "revoked_at": None,
        "last_used_at": None,
    }
    assert TEXT.fullmatch(text)
    assert text not in repr(columns)


def listed(database: Database) -> list[ApiKey]:
    with database.reading() as session:
        return list(keys.list_all(session))


def test_a_caller_is_found_by_the_whole_key_only(database: Database) -> None:
    row, text = made(database, "a", "read", "predict")
    _, other = made(database, "b", "admin")
    mixed = text[:42] + other[42:]

    found = usable(database)

    assert found.by_text(text) == Caller(row.id, "a", frozenset({"read", "predict"}), row.key)
    assert found.by_text(other) == Caller(f"key_{other[10:42]}", "b", frozenset(SCOPES), row.key + 1)
    wrong = [mixed, text[:-1], f"{text}0", text.upper(), "", row.id, row.sha256, f"{text}\n"]
    assert [found.by_text(each) for each in wrong] == [None] * len(wrong)


def test_a_mistyped_key_is_known_without_the_database(database: Database) -> None:
    _, text = made(database)
    place = len(text) // 2
    digit = "0" if text[place] != "0" else "1"

    assert keys.id_of(text) == f"key_{text[10:42]}"
    assert keys.id_of(text[:place] + digit + text[place + 1 :]) is None


def test_a_key_ends_when_it_is_revoked_and_when_it_expires(database: Database) -> None:
    never, _ = made(database, "never")
    short, _ = made(database, "short", lasts=10)
    revoked, _ = made(database, "revoked")
    with database.writing() as session:
        keys.revoke(session, "revoked", at(1))
        keys.revoke(session, revoked.id, at(5))

    assert set(usable(database, 9.9).keys) == {never.id, short.id}
    assert set(usable(database, 10).keys) == {never.id}
    assert [row.revoked_at for row in listed(database)] == [None, None, at(1)]


def test_a_name_that_several_keys_have_does_not_say_which_to_revoke(database: Database) -> None:
    one, _ = made(database, "ci")
    other, _ = made(database, "ci")
    with database.writing() as session, pytest.raises(KeyNotFound, match="several keys have this name"):
        keys.revoke(session, "ci", at(1))
    with database.writing() as session:
        keys.revoke(session, one.id, at(1))
        keys.revoke(session, "ci", at(2))

    with database.writing() as session, pytest.raises(KeyNotFound, match="there is no such key"):
        keys.revoke(session, "ci", at(3))
    assert [row.revoked_at for row in listed(database)] == [at(1), at(2)]
    assert other.id in {row.id for row in listed(database)}


def test_a_database_that_had_a_key_remembers_that(database: Database) -> None:
    before = usable(database)
    row, _ = made(database)
    with database.writing() as session:
        keys.revoke(session, row.id, at(1))

    assert (before, usable(database)) == (
        Usable({}, {}, False, frozenset()),
        Usable({}, {}, True, frozenset()),
    )


def test_a_database_is_ready_with_a_usable_key(database: Database, unmigrated_url: str) -> None:
    found = [keys.is_ready(database)]
    row, _ = made(database)
    found.append(keys.is_ready(database))
    with database.writing() as session:
        keys.revoke(session, row.id, at(1))
    found.append(keys.is_ready(database))
    unmigrated = Database(unmigrated_url)
    found.append(keys.is_ready(unmigrated))
    unmigrated.close()

    assert found == [False, True, False, False]


def test_there_are_not_more_keys_than_every_process_can_hold(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "MOST_KEYS", 2)
    made(database, "a", lasts=0)
    made(database, "b")
    row, _ = made(database, "c")

    with pytest.raises(TooManyKeys):
        made(database, "d")
    with database.writing() as session:
        keys.revoke(session, row.id, at(0))
    made(database, "e")


def test_uses_are_stored_at_a_coarse_grain(database: Database) -> None:
    row, _ = made(database)
    before = usable(database).long_unused
    with database.writing() as session:
        keys.note_uses(session, before, at(1))

    assert before == {row.key}
    assert [usable(database, 1 + seconds).long_unused for seconds in (0, 600, 601)] == [
        set(),
        set(),
        {row.key},
    ]
    assert listed(database)[0].last_used_at == at(1)


def test_a_session_ends_by_signing_out_by_time_and_with_its_key(database: Database) -> None:
    row, _ = made(database)
    other, _ = made(database)
    with database.writing() as session:
        left, over, kept = (key_sessions.begin(session, row.key, at(0)) for _ in range(3))
        with_key = key_sessions.begin(session, other.key, at(0))
        begun = usable_in(session)
        key_sessions.end(session, left)
        key_sessions.end(session, left)
        keys.revoke(session, other.id, at(1))

    found = usable(database, 1).sessions
    assert begun == {key_sessions.digest_of(each) for each in (left, over, kept, with_key)}
    assert set(found) == {key_sessions.digest_of(each) for each in (over, kept)}
    assert {caller.key_id for caller in found.values()} == {row.id}
    assert usable(database, LASTS.total_seconds()).sessions == {}


def usable_in(session: object) -> set[str]:
    return set(keys.read_usable(session, at(0)).sessions)  # type: ignore[arg-type] # a session of SQLAlchemy


def test_a_key_has_a_few_sessions_and_those_that_ended_are_deleted(database: Database) -> None:
    row, _ = made(database)
    with database.writing() as session:
        tokens = [key_sessions.begin(session, row.key, at(n)) for n in range(MOST_OF_KEY + 2)]

    assert set(usable(database, 30).sessions) == {key_sessions.digest_of(token) for token in tokens[2:]}

    later = LASTS + timedelta(seconds=40)
    with database.writing() as session:
        newest = key_sessions.begin(session, row.key, at(later.total_seconds()))
    with database.reading() as session:
        assert set(usable_in(session)) == {key_sessions.digest_of(newest)}


def test_the_single_jobs_of_a_key_take_turns_as_one_owner(database: Database) -> None:
    row, _ = made(database)
    spec = ComparisonSpec(arms=[{"name": "none"}], seeds=[0])  # type: ignore[list-item] # as a client sends it
    with database.writing() as session:
        without = jobs.submit(session, SPEC, None, {}, at(0))
        ours = [jobs.submit(session, SPEC, None, {}, at(0), key_number=row.key) for _ in range(2)]
        comparison = comparisons.create(session, spec, None, at(0), submitter=Submitter(row.key))
        found = {turn.owner for turn in session.query(Turn)}

    assert [(job.owner, job.created_by_key) for job in (without, *ours)] == [
        (turns.SINGLE_JOBS, None),
        (-row.key, row.key),
        (-row.key, row.key),
    ]
    assert comparison.created_by_key == row.key
    assert found == {turns.SINGLE_JOBS, -row.key, comparison.key}
    assert reread(database, ours[0]).created_by_key == row.key
