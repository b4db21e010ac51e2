"""The failpoints in a whole service, with its api, its dispatcher and its workers as processes."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from models.data.digits import Digits
from service.failpoints import NAMES
from service.store.database import Database
from service.store.invariants import check_invariants
from tests.fixtures import Figure
from tests.process import Service, answered, until
from tests.runs import ENDLESS, outcome, undisturbed
from tests.test_failpoints import armed

pytestmark = pytest.mark.long

SPEC = {"norm": "weight", "init": True, "steps": 1000}
Start = Callable[[str], Service]


@pytest.fixture
def start(unmigrated_url: str, service_data: Path, tmp_path: Path) -> Iterator[Start]:
    """Start a service with a failpoint on a database without a schema."""
    started = []

    def start_with(failpoint: str) -> Service:
        settings = {"NORMSERVE_FAILPOINTS": failpoint, "NORMSERVE_DATABASE_URL": unmigrated_url}
        started.append(service := Service(tmp_path, service_data, **settings))
        migrate(service)
        service.start()
        return service

    yield start_with
    for service in started:
        service.close()


def migrate(service: Service) -> None:
    """As an operator does: again where it has failed."""
    command = [sys.executable, "-m", "service", "migrate"]
    until(lambda: subprocess.run(command, env=service.environment, check=False).returncode == 0, "a schema")


def submitted(service: Service, spec: dict[str, Any]) -> str:
    headers = {"idempotency-key": str(spec["steps"])}
    answer = answered(partial(service.client.post, "/jobs", json=spec, headers=headers))
    assert answer.status_code == 201
    return str(answer.json()["id"])


@pytest.mark.parametrize("action", ["kill", "raise", "sleep"])
@pytest.mark.parametrize("name", NAMES)
def test_a_service_ends_its_jobs_whatever_happens_anywhere(
    start: Start, figure: Figure, digits: Digits, unmigrated_url: str, name: str, action: str
) -> None:
    service = start(armed(name, action))
    trained, cancelled = submitted(service, SPEC), submitted(service, ENDLESS)

    answer = answered(partial(service.client.post, f"/jobs/{cancelled}/cancel"))

    service.finished(trained)
    database = Database(unmigrated_url)
    violations = check_invariants(database)
    database.close()
    kind = "PostgreSQL" if unmigrated_url.startswith("postgresql") else "SQLite"
    figure(f"violations after {name}={action} on {kind}", len(violations), "0")
    assert (service.folder / "failpoints" / name).exists()
    assert (violations, answer.status_code, service.job(cancelled)["status"]) == ([], 200, "cancelled")
    assert [job["id"] for job in service.client.get("/jobs").json()["items"]] == [cancelled, trained]
    assert outcome(service, trained) == undisturbed(digits, SPEC)
