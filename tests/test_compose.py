"""What docker-compose.yml promises, and that the service really runs on what it says."""

import re
import tempfile
import tomllib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
from distributed import Client
from distributed.system import MEMORY_LIMIT
from psycopg import sql

from models.data.digits import Digits
from service.work.certificates import security
from tests import postgresql
from tests.compose import (
    AS_USER,
    COMPOSE,
    COPIED,
    DOCKERFILE,
    LASTING,
    OURS,
    PASSWORD,
    PREFIX,
    ROOT,
    SERVICES,
    UID,
    Compose,
    Image,
    environment_of,
    mem_bytes,
    seconds,
)
from tests.process import free_port, until

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ONE_SHOT = ["certificates", "migrate"]
WORKERS = 2


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_may_do_nothing_that_it_need_not(service: str) -> None:
    settings = SERVICES[service]

    assert settings["read_only"] is True
    assert "/tmp" in settings["tmpfs"]  # noqa: S108 # in a container
    assert settings["cap_drop"] == ["ALL"]
    assert settings["security_opt"] == ["no-new-privileges:true"]
    assert settings["user"] in {f"{UID}:{UID}", "postgres"}
    assert settings["pids_limit"] > 0
    assert mem_bytes(settings["mem_limit"]) > 0
    assert settings.keys().isdisjoint({"privileged", "cap_add", "devices", "pid", "ipc"})


@pytest.mark.parametrize("service", SERVICES)
def test_what_runs_on_is_started_again_whenever_it_ends(service: str) -> None:
    assert SERVICES[service]["restart"] == ("on-failure" if service in ONE_SHOT else "always")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_time_to_end_in_order(service: str) -> None:
    """Ours need 10 seconds, PostgreSQL as long as it writes its last checkpoint."""
    assert SERVICES[service]["stop_grace_period"] in {"15s", "60s"}


def test_only_the_api_is_published_and_to_this_machine_alone() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert published == {"api": ["127.0.0.1:8000:8000"]}


def test_the_image_demands_keys_and_no_service_does_without() -> None:
    without = {"NORMSERVE_INSECURE_NO_AUTH", "NORMSERVE_AUTH"}

    assert "ENV NORMSERVE_AUTH=keys\n" in DOCKERFILE
    assert [name for name in SERVICES if without & environment_of(name).keys()] == []


def test_every_service_can_be_scaled() -> None:
    assert [name for name, service in SERVICES.items() if "container_name" in service] == []


def test_data_is_in_declared_volumes_and_nowhere_else() -> None:
    used = {mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])}

    assert used == set(COMPOSE["volumes"])


def test_no_password_is_written_down() -> None:
    environments = [service.get("environment", {}) for service in SERVICES.values()]
    passwords = {value for each in environments for name, value in each.items() if "PASSWORD" in name}

    assert passwords == {"${POSTGRES_PASSWORD:?set it in the environment or in a file .env}"}
    assert re.findall(r"://[^/@\s]*:[^/@\s]*@", (ROOT / "docker-compose.yml").read_text()) == []


def test_images_are_pinned_and_ours_has_the_version_of_the_package() -> None:
    images = {service["image"] for service in SERVICES.values()}
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)

    assert images == {"postgres:15-bookworm", f"normserve:{PROJECT['version']}"}
    assert len(bases) == 2
    assert set(bases) == {"python:3.11.14-slim-bookworm"}


def test_our_image_is_built_by_one_service_alone() -> None:
    """Those of several are exported under one name at a time, and fail now and then."""
    assert [service.get("build") for service in SERVICES.values() if "build" in service] == ["."]


def test_the_image_has_the_clients_of_the_server() -> None:
    """pg_dump refuses a newer server, and what it wrote may be too new for an older one."""
    client = re.search(r"postgresql-client-(\d+)", DOCKERFILE)

    assert client
    assert SERVICES["postgres"]["image"].startswith(f"postgres:{client[1]}-")


def test_the_image_runs_our_command_as_a_user_without_rights() -> None:
    last_stage = DOCKERFILE.rpartition("FROM ")[2].splitlines()

    assert f"USER {UID}:{UID}" in last_stage
    assert 'ENTRYPOINT ["normserve"]' in last_stage
    assert PROJECT["scripts"] == {"normserve": "service.__main__:main"}


def test_an_image_is_built_from_what_the_dockerfile_copies_and_nothing_else() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()

    assert ignored[1] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == set(COPIED)


@pytest.fixture(scope="module")
def compose() -> Iterator[Compose]:
    # pytest's own folders are closed to the image's user.
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        folder, port = Path(name), free_port()
        folder.chmod(0o755)
        with postgresql.server("127.0.0.1", port) as url:
            make_database(url, **environment_of("postgres"))
            compose = Compose(folder, Image(folder), port)
            try:
                compose.up(worker=WORKERS)
                yield compose
            finally:
                compose.close()


def make_database(url: str, **settings: str) -> None:
    """Do what PostgreSQL's image does when it starts for the first time."""
    user, database = (sql.Identifier(settings[f"POSTGRES_{name}"]) for name in ("USER", "DB"))
    password = sql.Literal(settings["POSTGRES_PASSWORD"])
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}").format(user, password))
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, user))


def train(compose: Compose, **spec: Any) -> dict[str, Any]:
    """Submit a job and wait for its end."""
    submitted = compose.client.post("/jobs", json=spec)
    assert submitted.status_code == 201, submitted.text
    return until(lambda: ended(compose, submitted.json()["id"]), "the job to end")


def ended(compose: Compose, job_id: str) -> dict[str, Any] | None:
    job: dict[str, Any] = compose.client.get(f"/jobs/{job_id}?wait=30").json()
    return job if job["finished_at"] else None


def test_the_main_job_passes_over_the_services(compose: Compose, digits: Digits) -> None:
    job = train(compose, norm="weight", init=True)

    rows = compose.client.get(f"/jobs/{job['id']}/metrics").json()["items"]
    pixels = [digits.test.images[0].tolist()]
    read = compose.client.post(f"/jobs/{job['id']}/predict", json={"images": pixels}).json()
    assert (job["status"], len(rows)) == ("succeeded", 1000)
    assert [row["step"] for row in rows] == list(range(1, 1001))
    assert rows[-1]["test_accuracy"] > 0.9
    assert read["predictions"][0]["digit"] == 7


def test_as_many_workers_train_as_are_asked_for(compose: Compose) -> None:
    until(lambda: compose.client.get("/readyz").json()["workers"] == WORKERS, "the workers")

    jobs = [
        compose.client.post("/jobs", json={"seed": seed, "n_units": 64 + seed, "steps": 200})
        for seed in range(4)
    ]

    ends = [until(partial(ended, compose, job.json()["id"]), "an end") for job in jobs]
    assert {end["status"] for end in ends} == {"succeeded"}


def test_the_api_shows_images_of_the_data_set(compose: Compose, digits: Digits) -> None:
    answer = compose.client.get("/datasets/mnist/test/0").json()

    assert answer["label"] == digits.test.labels[0].item()


def test_the_image_makes_a_backup(compose: Compose) -> None:
    backup = compose.folder / "data" / "night.backup"

    code = compose.once("api", "backup", "/data/night.backup")

    assert code == 0
    assert backup.read_bytes().startswith(b"PGDMP")


@pytest.mark.parametrize("service", [name for name, each in SERVICES.items() if "healthcheck" in each])
def test_a_service_that_runs_is_healthy(compose: Compose, service: str) -> None:
    assert compose.healthy(service)


@pytest.mark.parametrize("service", ONE_SHOT)
def test_what_runs_once_may_run_again_and_changes_nothing(compose: Compose, service: str) -> None:
    before = {path.name: path.read_bytes() for path in (compose.folder / "certificates").iterdir()}

    code = compose.once(service)

    after = {path.name: path.read_bytes() for path in (compose.folder / "certificates").iterdir()}
    assert (code, after) == (0, before)
    assert len(before) == 7


def test_services_stay_well_within_their_limits(compose: Compose) -> None:
    train(compose, steps=100)

    used = {name: compose.shares_of_limits(name) for name in LASTING}

    assert {name: shares for name, shares in used.items() if not 0 < max(shares) < 0.5} == {}


def test_a_worker_has_the_memory_of_its_container_but_what_runs_beside_it_needs(compose: Compose) -> None:
    with Client(  # type: ignore[no-untyped-call] # distributed's is untyped
        compose.here("tls://scheduler:8786"), security=security(compose.folder / "certificates")
    ) as client:
        found = until(lambda: client.scheduler_info()["workers"], "the workers")

    assert {worker["memory_limit"] for worker in found.values()} == {MEMORY_LIMIT - 384 * 2**20}


def test_services_run_as_the_user_of_the_image(compose: Compose) -> None:
    """Where the tests run as root, as in CI, that is another one."""
    assert {process.uids().real for process in compose.tree()} == {
        AS_USER.get("user", psutil.Process().uids().real)
    }


def test_nothing_is_written_outside_of_volumes_and_temporary_folders(compose: Compose) -> None:
    train(compose, steps=100)

    assert compose.strays() == []


def test_a_request_without_a_key_is_refused(compose: Compose) -> None:
    refused = httpx.get(compose.client.base_url.join("/jobs"))

    assert (refused.status_code, refused.json()["code"]) == (401, "key-required")


def test_the_log_has_no_password_and_no_key(compose: Compose) -> None:
    log = compose.log.read_text()

    assert "INSECURE" not in log
    assert PASSWORD not in log
    assert "normserve_" not in log


def test_all_end_in_order_and_go_on_when_they_are_started_again(compose: Compose) -> None:
    job = train(compose, steps=100)
    processes = compose.tree()

    codes = compose.stop()
    _, left = psutil.wait_procs(processes, seconds("15s"))
    compose.up(worker=WORKERS)

    assert codes == {**{name: [0] for name in OURS}, "worker": [0] * WORKERS, "postgres": []}
    assert left == []
    assert ended(compose, job["id"]) == job
    assert train(compose, steps=100)["status"] == "succeeded"
