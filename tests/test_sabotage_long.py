"""Sabotage: in a copy of the code that has lost one of its guards, the test named for the guard fails."""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.compose import ROOT, copy_without_caches

pytestmark = pytest.mark.long

COPIED = ("analysis", "migrations", "models", "service", "tests", "pyproject.toml")
TESTS_FAILED = 1  # as pytest exits; any other error has another code


class Guard(NamedTuple):
    """A guard in the code, what is there without it, and the test that must then fail."""

    file: str
    code: str
    without: str
    test: str


GUARDS = {
    "the primary key of a history": Guard(
        "migrations/versions/0001_jobs.py",
        'sa.PrimaryKeyConstraint("job_key", "step", name="pk_metrics"),\n        sqlite_with_rowid=False,',
        "",
        "tests/store/test_spans.py::test_a_row_that_exists_is_an_error_and_nothing_of_the_span_is_stored",
    ),
    "the fence": Guard(
        "service/store/spans.py",
        "            Job.attempt == span.attempt,\n            Job.status",
        "            Job.status",
        "tests/store/test_spans.py::test_a_stale_attempt_writes_nothing_and_is_counted",
    ),
    "the submission token": Guard(
        "service/store/jobs.py",
        '(Job.status == "queued", Job.submission == submission),',
        '(Job.status == "queued",),',
        "tests/store/test_jobs.py::test_a_task_with_another_token_claims_nothing",
    ),
    "the optimizer in the resume state": Guard(
        "models/training/checkpoint.py",
        "tensor[0].contiguous() for name, tensor in state.optimizer_state",
        "torch.zeros_like(tensor[0]) for name, tensor in state.optimizer_state",
        "tests/models/test_train.py::test_a_resumed_run_continues_as_if_it_had_never_stopped",
    ),
    "the running statistics in a checkpoint": Guard(
        "models/training/checkpoint.py",
        "for name, tensor in net.tensors().items():\n        tensor",
        'for name, tensor in net.tensors().items():\n        "running" in name or tensor',
        "tests/models/test_checkpoint.py::test_a_net_is_restored_exactly",
    ),
    "IMMEDIATE": Guard(
        "service/store/sqlite_engine.py",
        '"BEGIN IMMEDIATE" if writes else "BEGIN"',
        '"BEGIN"',
        "tests/store/test_sqlite_engine.py::test_a_writer_has_the_lock_from_its_first_read",
    ),
    "the limit of a body": Guard(
        "service/app.py",
        "return {kind: getattr(settings, name) for kind, name in names.items()}",
        "return dict.fromkeys(names, 2**40)",
        "tests/api/test_hostile.py::test_a_hostile_request_is_refused",
    ),
    "the limit of pixels": Guard(
        "service/serving/formats/files.py",
        "if width * height > allowed:",
        "if False:",
        "tests/serving/test_refused_pictures.py::test_too_many_pixels_are_refused_before_they_are_decoded",
    ),
    "the Host check": Guard(
        "service/app.py",
        "app.add_middleware(Hosts, names=settings.host_names, takes_addresses=settings.is_open)",
        "",
        "tests/api/test_hostile.py::test_a_hostile_request_is_refused",
    ),
    "a key by default": Guard(
        "service/edge/auth.py",
        "if not await ring.demands():\n            return ANONYMOUS",
        "return ANONYMOUS",
        "tests/edge/test_auth.py::test_without_a_right_key_only_the_open_routes_are_there",
    ),
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy the code and its tests, to harm them."""
    copied = tmp_path / "copy"
    for name in COPIED:
        copy_without_caches(ROOT / name, copied / name)
    return copied


def run(copied: Path, tests: Iterable[str]) -> subprocess.CompletedProcess[str]:
    """Run tests of a copy with its own code."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-x", "-p", "no:cacheprovider", *tests],
        cwd=copied,
        env={**environment, "PYTHONPATH": str(copied)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_tests_of_all_guards_pass_in_a_copy(copy: Path) -> None:
    ran = run(copy, sorted({guard.test for guard in GUARDS.values()}))

    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("guard", GUARDS.values(), ids=GUARDS)
def test_without_a_guard_its_test_fails(copy: Path, guard: Guard) -> None:
    code = (copy / guard.file).read_text()
    assert code.count(guard.code) == 1
    (copy / guard.file).write_text(code.replace(guard.code, guard.without))

    ran = run(copy, [guard.test])

    assert ran.returncode == TESTS_FAILED, ran.stdout
    assert "\nFAILED " in ran.stdout
