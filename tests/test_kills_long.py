"""Whatever is killed while twenty jobs train, each ends as if nothing had happened."""

import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from models.data.digits import Digits
from service.store.database import Database
from service.store.invariants import check_invariants
from service.store.tables import Job
from tests.cluster import Cluster
from tests.fixtures import Figure, fresh_database
from tests.process import Service, until
from tests.runs import Outcome, all_undisturbed, outcome

pytestmark = pytest.mark.long

WEIGHT = {"norm": "weight", "init": True}
BATCH = {"norm": "batch", "optimizer": "momentum", "learning_rate": 0.01}
ADAM = {"optimizer": "adam", "learning_rate": 0.001}
DIFFERENT: list[dict[str, Any]] = [
    *({**WEIGHT, "seed": seed, "learning_rate": 0.02 * seed} for seed in range(1, 9)),
    *({**BATCH, "seed": seed, "init": seed % 2 == 0} for seed in range(4)),
    {"norm": "none", **ADAM},
    {"norm": "rms", "init": True, **ADAM},
    {"norm": "layer", "n_hidden": 2, "n_units": 64, "activation": "tanh"},
    {"norm": "group", "n_units": 256, "init": True},
    {"norm": "weight_mean_only_batch", "n_hidden": 2},
    {"norm": "none", "sampling": "epoch", "batch_size": 64, "weight_decay": 0.0001},
    {"norm": "batch", "scope": "all", "activation": "sigmoid", "telemetry": True},
    {"norm": "weight", "g_init": "one", "batch_size": 256, "optimizer": "momentum", "learning_rate": 0.01},
]
STEPS = 3000
SPECS = [{**spec, "steps": STEPS, "eval_every": 500, "checkpoint_every": 1000} for spec in DIFFERENT]
KINDS = ("SQLite", "PostgreSQL", "a cluster on PostgreSQL")


@pytest.fixture(params=KINDS)
def service(request: pytest.FixtureRequest, service_data: Path, tmp_path: Path) -> Iterator[Service]:
    service = start(request, service_data, tmp_path)
    service.start()
    yield service
    service.close()


def start(request: pytest.FixtureRequest, cache: Path, folder: Path) -> Service:
    if request.param == "SQLite":
        return Service(folder, cache, NORMSERVE_DATABASE_URL=request.getfixturevalue("sqlite_url"))
    url = fresh_database(request.getfixturevalue("postgresql_url"))
    if request.param == "PostgreSQL":
        return Service(folder, cache, NORMSERVE_DATABASE_URL=url)
    return Cluster(folder, cache, url)


@pytest.fixture
def database(service: Service) -> Iterator[Database]:
    database = Database(service.environment["NORMSERVE_DATABASE_URL"])
    yield database
    database.close()


@pytest.fixture(scope="module")
def references(digits: Digits) -> list[Outcome]:
    return all_undisturbed(digits, SPECS)


def killers(service: Service, chance: random.Random) -> list[Callable[[], None]]:
    """What kills once each: 50 workers, 5 dispatchers and of a cluster 2 schedulers, in any order."""
    schedulers = [service.restart_scheduler] * 2 if isinstance(service, Cluster) else []
    found: list[Callable[[], None]] = [
        *[partial(service.kill_worker, chance)] * 50,
        *[service.kill_dispatcher] * 5,
        *schedulers,
    ]
    chance.shuffle(found)
    return found


def kill_all(service: Service, database: Database, chance: random.Random) -> None:
    """Kill each when so many steps are stored as chance decides.

    Three deaths in a row without a stored span end a job, as they should: a kill waits until every job that
    has died twice has stored one.
    """
    kills = killers(service, chance)
    moments = sorted(chance.sample(range(len(SPECS) * STEPS * 9 // 10), len(kills)))
    for moment, kill in zip(moments, kills, strict=True):
        until(lambda: stored(database)[0] >= moment, f"{moment} steps")  # noqa: B023 # run at once
        time.sleep(chance.uniform(0, 1))  # somewhere in a span, not at its end
        until(lambda: stored(database)[1] < 2, "a span of each job that has died twice")
        kill()


def stored(database: Database) -> tuple[int, int]:
    """The steps of all jobs together, and the most deaths of one since its last."""
    with database.reading() as session:
        steps, deaths = session.execute(
            select(func.sum(Job.step), func.max(Job.deaths_without_progress))
        ).one()
        return steps, deaths


def test_fifty_killed_workers_and_five_killed_dispatchers_change_nothing(
    service: Service, database: Database, references: list[Outcome], figure: Figure
) -> None:
    seed = random.getrandbits(32)
    jobs = [service.submit(**spec) for spec in SPECS]

    kill_all(service, database, random.Random(seed))

    ended = [service.finished(job_id) for job_id in jobs]
    expected = [weights for weights, _ in references]
    violations = check_invariants(database, dict(zip(jobs, expected, strict=True)))
    same = sum(job["weights_sha256"] == weights for job, weights in zip(ended, expected, strict=True))
    what = f"after the kills of seed {seed} on {database.version()}, {type(service).__name__}"
    figure(f"weights as undisturbed {what}", same, "20 of 20")
    figure(f"violations {what}", len(violations), "0")
    figure(f"attempts {what}", sum(job["attempt"] for job in ended), "more than 20: jobs were hit")
    assert violations == []
    assert [outcome(service, job_id) for job_id in jobs] == references
    assert sum(job["attempt"] for job in ended) > len(jobs)
