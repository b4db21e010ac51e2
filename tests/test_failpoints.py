"""Whatever dies, fails or waits at any of the named places, every job ends as if nothing had happened."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.data.digits import Digits
from models.specs import span_lengths
from service import failpoints
from service.errors import DatabaseUnavailable
from service.failpoints import NAMES
from service.store import metrics, queries
from service.store.database import Database
from service.store.invariants import check_invariants
from service.store.metrics import Window
from service.store.queries import JobFilter
from tests import story
from tests.process import until
from tests.runs import undisturbed

pytestmark = pytest.mark.slow

SECOND_SPAN = {name: f"{name}={{}}@2" for name in NAMES if "span" in name}
ARTICLE = {"norm": "weight", "init": True}


@pytest.fixture(scope="session")
def reference(digits: Digits) -> tuple[str, list[float]]:
    return undisturbed(digits, story.TRAINED)


@pytest.fixture(autouse=True)
def _disarm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("FIRST_SPAN_SECONDS", "LONGEST_SPAN_SECONDS", "SPAN_TO_STORING"):
        monkeypatch.setattr(span_lengths, name, getattr(span_lengths, name))  # the story changes them
    yield
    failpoints.arm("", Path())


def armed(name: str, action: str) -> str:
    return SECOND_SPAN.get(name, f"{name}={{}}").format(action)


def state_of(url: str) -> tuple[list[str], list[str], tuple[str | None, list[float | None]]]:
    """What is wrong, how the jobs have ended, and what was trained."""
    database = Database(url)
    with database.reading() as session:
        found = queries.list_jobs(session, JobFilter(), "created_at", 10, None).items
        rows = metrics.read(session, found[0].key, Window(), 10_000, ["train_loss"])
        trained = found[0].weights_sha256, [loss for loss, _ in rows]
    wrong = check_invariants(database)
    database.close()
    return wrong, [job.status for job in found], trained


@pytest.mark.parametrize("name", NAMES)
def test_a_process_killed_anywhere_changes_nothing(
    name: str, unmigrated_url: str, tmp_path: Path, mnist_cache: Path, reference: Any
) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.warm_story"])
    arguments = (armed(name, "kill"), tmp_path, unmigrated_url, mnist_cache)
    victim = context.Process(target=story.tell_with, args=arguments)
    victim.start()
    victim.join()

    story.tell(unmigrated_url, mnist_cache)

    assert (victim.exitcode, (tmp_path / name).exists()) == (-signal.SIGKILL, True)
    assert state_of(unmigrated_url) == ([], ["succeeded", "cancelled"], reference)


@pytest.mark.parametrize("action", ["raise", "sleep"])
@pytest.mark.parametrize("name", NAMES)
def test_a_transaction_that_fails_or_waits_anywhere_changes_nothing(
    name: str, action: str, unmigrated_url: str, tmp_path: Path, mnist_cache: Path, reference: Any
) -> None:
    failpoints.arm(armed(name, action), tmp_path)

    try:
        story.tell(unmigrated_url, mnist_cache)
    except DatabaseUnavailable:
        assert action == "raise"
    story.tell(unmigrated_url, mnist_cache)

    assert (tmp_path / name).exists()
    assert state_of(unmigrated_url) == ([], ["succeeded", "cancelled"], reference)


def test_a_process_is_held_while_there_is_a_file_and_from_the_time_on_that_is_asked_for(
    tmp_path: Path,
) -> None:
    failpoints.arm("before-claim=hold@2", tmp_path)
    held, gate = tmp_path / f"before-claim.{os.getpid()}", tmp_path / "before-claim.hold"
    failpoints.reach("before-claim")
    gate.touch()
    failpoints.reach("before-claim")  # the first time since: none of these waits
    holding = threading.Thread(target=failpoints.reach, args=("before-claim",))

    holding.start()
    until(held.exists, "the second to be held")
    gate.unlink()
    holding.join()

    assert not held.exists()
