"""Names on both databases: a version per change of target, and no checkpoint goes while it is served."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from models.specs.comparison import Arm, ComparisonSpec, Overrides
from service.errors import (
    CheckpointCorrupt,
    CheckpointNotFound,
    JobInUse,
    JobNotFound,
    ModelNotFound,
    ModelNotReady,
    TooManyModels,
    VersionCurrent,
    VersionNotFound,
)
from service.store import checkpoints, comparisons, deletion, jobs, served_models
from service.store.backups import back_up, restore
from service.store.database import Database
from service.store.invariants import check_invariants
from service.store.pruning import Pruned, count_prunable, prune
from service.store.served_models import Model, Version
from service.store.spans import record_spans
from service.store.sweeping import sweep
from service.store.tables import Job
from tests.store.rows import SPEC, at, claim, claimed_job, finish, reread, span, submit


def ended(database: Database) -> Job:
    job = submit(database)
    finish(database, job)
    return job


def point(database: Database, name: str, job: Job, which: str = "latest", seconds: float = 20) -> bool:
    with database.writing() as session:
        return served_models.point(session, name, job.id, which, at(seconds)).is_new_version


def versions(database: Database, name: str) -> list[tuple[int, str, int]]:
    with database.reading() as session:
        found = served_models.versions(session, served_models.get(session, name))
    return [(each.version, each.job_id, each.step) for each in found]


def steps(database: Database, job: Job) -> list[int]:
    with database.reading() as session:
        return [each.step for each in checkpoints.list_of(session, jobs.get(session, job.id))]


def test_each_change_of_target_is_a_version(database: Database) -> None:
    first, second = ended(database), ended(database)

    new = [point(database, "digits", job) for job in (first, first, second, second, first)]

    assert new == [True, False, True, False, True]
    assert versions(database, "digits") == [(3, first.id, 10), (2, second.id, 10), (1, first.id, 10)]
    assert check_invariants(database) == []


def test_a_model_has_its_newest_version_and_its_times(database: Database) -> None:
    job = ended(database)
    point(database, "digits", ended(database), seconds=20)
    point(database, "digits", job, seconds=30)

    with database.reading() as session:
        found = served_models.get(session, "digits")

    newest = Version(2, at(30), job.id, 10, str(reread(database, job).weights_sha256))
    assert found == Model(found.key, "digits", at(20), at(30), newest)


def test_best_is_what_it_was_when_the_name_was_pointed(database: Database) -> None:
    job, claimed = claimed_job(database, SPEC.model_copy(update={"steps": 30}))
    with database.writing() as session:
        record_spans(session, [span(claimed, 1, 10, {5: 0.9, 10: 0.8})], at(2))
    point(database, "digits", job, "best")

    with database.writing() as session:
        record_spans(session, [span(claimed, 11, 20, {15: 0.95, 20: 0.96})], at(3))

    assert versions(database, "digits") == [(1, job.id, 5)]
    assert point(database, "digits", job, "best") is True
    assert versions(database, "digits")[0] == (2, job.id, 20)


def test_a_served_checkpoint_outlives_newer_ones(database: Database) -> None:
    job, claimed = claimed_job(database, SPEC.model_copy(update={"steps": 40}))
    for first, accuracy in ((1, 0.5), (6, 0.6), (11, 0.7), (16, 0.8), (21, 0.9)):
        last = first + 4
        with database.writing() as session:
            record_spans(session, [span(claimed, first, last, {last: accuracy}, keep_checkpoints=1)], at(2))
        if last == 10:
            point(database, "digits", job)

    assert steps(database, job) == [25, 10]
    assert reread(database, job).size_bytes == len(b"weights of 25") + len(b"weights of 10")


def test_a_served_checkpoint_outlives_a_restart_at_step_0(database: Database) -> None:
    job, claimed = claimed_job(database, SPEC.model_copy(update={"steps": 20}))
    with database.writing() as session:
        record_spans(session, [span(claimed, 1, 10, {5: 0.9, 10: 0.8})], at(2))
        jobs.requeue_if_running(session, job.key, claimed.attempt, "its worker was lost", at(3))
        session.execute(text("UPDATE resume_states SET sha256 = 'other'"))
    point(database, "digits", job, "10")

    again = claim(database, job, "second")

    assert again is not None
    assert (again.step, steps(database, job), check_invariants(database)) == (0, [10], [])
    with database.writing() as session:
        record_spans(session, [span(again, 1, 10, {5: 0.9, 10: 0.8})], at(5))
    assert (steps(database, job), check_invariants(database)) == ([10, 5], [])
    assert reread(database, job).size_bytes == len(b"weights of 5") + len(b"weights of 10")


def test_a_job_whose_checkpoint_is_served_cannot_be_deleted(database: Database) -> None:
    job, other = ended(database), ended(database)
    point(database, "digits", job)
    point(database, "digits", other)

    with (
        pytest.raises(JobInUse, match="version 1 of the model digits serves the job"),
        database.writing() as s,
    ):
        deletion.delete_job(s, job.id, at(30))
    with database.writing() as session:
        served_models.remove_version(session, "digits", 1)
        deletion.delete_job(session, job.id, at(30))

    assert sweep(database)
    assert versions(database, "digits") == [(2, other.id, 10)]


def comparison_of(database: Database) -> tuple[str, Job]:
    """A comparison of one job that has ended."""
    with database.writing() as session:
        spec = ComparisonSpec(
            arms=[Arm(name="none")], base=Overrides.model_validate({"steps": 10}), seeds=[0]
        )
        comparison = comparisons.create(session, spec, None, at(0))
        [run] = comparisons.runs_with_digests(session, comparison)
        job = jobs.get(session, run.id)
    finish(database, job)
    return comparison.id, job


def test_a_comparison_whose_net_is_served_cannot_be_deleted(database: Database) -> None:
    comparison_id, job = comparison_of(database)
    point(database, "digits", job)

    with (
        pytest.raises(JobInUse, match="version 1 of the model digits serves the comparison"),
        database.writing() as session,
    ):
        comparison = comparisons.get(session, comparison_id, to_change=True)
        deletion.delete_comparison(session, comparison, at(30))


def test_what_is_served_is_not_pruned(database: Database) -> None:
    _, of_comparison = comparison_of(database)
    single, gone = ended(database), ended(database)
    point(database, "a", of_comparison)
    point(database, "b", single)

    with database.reading() as session:
        counted = count_prunable(session, at(99))
    pruned = prune(database, at(99))

    assert (counted, pruned) == (pruned, Pruned(jobs=1, rows=10, weights_bytes=len(b"weights of 10")))
    assert [steps(database, job) for job in (of_comparison, single)] == [[10], [10]]
    with pytest.raises(JobNotFound):
        reread(database, gone)
    assert check_invariants(database) == []


def test_the_database_itself_keeps_a_served_checkpoint(database: Database) -> None:
    point(database, "digits", ended(database))

    with pytest.raises(IntegrityError), database.writing() as session:
        session.execute(text("DELETE FROM checkpoints"))


def test_what_cannot_be_served_is_refused_and_leaves_no_name(database: Database) -> None:
    job, empty = ended(database), submit(database)
    with database.writing() as session:
        checkpoint = checkpoints.get(session, jobs.get(session, job.id), "latest")
        checkpoint.weights = b"other"

    for expected, target, which in (
        (JobNotFound, Job(id=f"job_{'0' * 32}"), "best"),
        (ModelNotReady, empty, "best"),
        (ModelNotReady, empty, "latest"),
        (CheckpointNotFound, job, "7"),
        (CheckpointCorrupt, job, "latest"),
    ):
        with pytest.raises(expected):
            point(database, "digits", target, which)

    with pytest.raises(ModelNotFound), database.reading() as session:
        served_models.get(session, "digits")


@pytest.mark.parametrize("name", ["nothing", "", "a b", "a\x00", "ü", "a" * 65, "../x"])
def test_a_name_that_is_not_there_is_not_found(database: Database, name: str) -> None:
    with database.writing() as session:
        for ask in (served_models.get, served_models.remove):
            with pytest.raises(ModelNotFound):
                ask(session, name)
        with pytest.raises(ModelNotFound):
            served_models.find_served(session, name, None)


def test_only_an_older_version_can_be_deleted_alone(database: Database) -> None:
    point(database, "digits", ended(database))

    with database.writing() as session:
        with pytest.raises(VersionCurrent):
            served_models.remove_version(session, "digits", 1)
        with pytest.raises(VersionNotFound):
            served_models.remove_version(session, "digits", 2)
        with pytest.raises(VersionNotFound):
            served_models.find_served(session, "digits", 2)
        assert served_models.remove(session, "digits") == 1

    assert check_invariants(database) == []


def test_a_name_keeps_its_newest_versions(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.store.served_models.MOST_VERSIONS", 3)
    pair = [ended(database), ended(database)]
    [point(database, "digits", pair[number % 2]) for number in range(7)]

    assert [version for version, *_ in versions(database, "digits")] == [7, 6, 5]
    assert check_invariants(database) == []


def test_there_are_at_most_so_many_names(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.store.served_models.MOST_MODELS", 2)
    job = ended(database)
    [point(database, name, job) for name in ("a", "b", "a")]

    with pytest.raises(TooManyModels):
        point(database, "c", job)


def test_pages_of_names_do_not_shift(database: Database) -> None:
    job = ended(database)
    [point(database, name, job) for name in "abc"]
    with database.reading() as session:
        first = served_models.list_page(session, 2, None)
    point(database, "d", job)

    with database.reading() as session:
        second = served_models.list_page(session, 2, first.next_cursor)

    assert [model.name for page in (first, second) for model in page.items] == ["c", "b", "a"]
    assert second.next_cursor is None


@pytest.mark.slow
def test_names_pointed_at_once_have_versions_without_gap_or_repeat(database: Database) -> None:
    targets = [ended(database) for _ in range(3)]
    start = Barrier(6)

    def repoint(number: int) -> list[bool]:
        start.wait()
        return [point(database, "digits", targets[(number + turn) % 3]) for turn in range(5)]

    with ThreadPoolExecutor(6) as threads:
        new = [each for found in threads.map(repoint, range(6)) for each in found]

    found = versions(database, "digits")
    assert [version for version, *_ in found] == list(range(sum(new), 0, -1))
    assert all(newer[1:] != older[1:] for newer, older in pairwise(found))
    assert check_invariants(database) == []


@pytest.mark.slow
def test_a_name_and_a_delete_never_both_get_the_job(database: Database) -> None:
    def delete(job: Job, start: Barrier) -> bool:
        start.wait()
        try:
            with database.writing() as session:
                deletion.delete_job(session, job.id, at(30))
        except JobInUse:
            return False
        return True

    def serve(name: str, job: Job, start: Barrier) -> bool:
        start.wait()
        try:
            return point(database, name, job)
        except JobNotFound:
            return False

    outcomes = []
    with ThreadPoolExecutor(2) as threads:
        for number in range(20):
            job, start = ended(database), Barrier(2)
            deleting = threads.submit(delete, job, start)
            serving = threads.submit(serve, f"m{number}", job, start)
            outcomes.append({deleting.result(), serving.result()})

    assert outcomes == [{True, False}] * 20
    while sweep(database):
        pass
    assert check_invariants(database) == []


@pytest.mark.slow
def test_names_are_in_a_backup(database: Database, another_url: Callable[[], str], tmp_path: Path) -> None:
    job = ended(database)
    point(database, "digits", job)
    back_up(database, tmp_path / "backup")
    restored = Database(another_url())

    assert restore(restored, tmp_path / "backup") == []

    assert versions(restored, "digits") == [(1, job.id, 10)]
    restored.close()


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("UPDATE served_models SET version = 5", "model digits: is at version 5, its newest one is 1"),
        ("DELETE FROM model_versions", "model digits: is at version 1, its newest one is None"),
        (
            "UPDATE jobs SET deleted_at = finished_at",
            "model digits: version 1 serves a checkpoint that does not exist",
        ),
    ],
)
def test_damage_to_a_name_is_shown(database: Database, statement: str, sentence: str) -> None:
    point(database, "digits", ended(database))

    with database.writing() as session:
        session.execute(text(statement))

    assert check_invariants(database) == [sentence]
