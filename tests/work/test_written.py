"""The estimate of the bytes that a job writes, compared with the growth of both databases."""

from typing import Any

import pytest
from sqlalchemy import text

from models.data.digits import Digits
from models.specs.spec import TrainSpec
from models.specs.written import written_bytes
from service.store.database import Database
from tests.store.rows import submit
from tests.work.test_task import train

TINY: dict[str, Any] = {"n_units": 2, "batch_size": 2}
SIZE = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
    "postgresql": "SELECT pg_database_size(current_database())",
}


def size_of(database: Database) -> int:
    with database.reading() as session:
        return int(session.execute(text(SIZE[database.engine.dialect.name])).scalar_one())


@pytest.mark.slow
@pytest.mark.parametrize(
    "spec",
    [
        TrainSpec(**TINY, steps=8000, eval_every=8000, checkpoint_every=8000),
        TrainSpec(
            **TINY, norm="batch", n_hidden=8, steps=100, eval_every=1, checkpoint_every=100, telemetry=True
        ),
        TrainSpec(n_units=64, steps=40, eval_every=40, checkpoint_every=1, keep_checkpoints=100),
    ],
    ids=["rows", "telemetry", "checkpoints"],
)
def test_a_job_writes_about_what_was_estimated(database: Database, digits: Digits, spec: TrainSpec) -> None:
    job = submit(database, spec)
    before = size_of(database)

    train(database, digits, job)

    assert written_bytes(spec) / 2.5 < size_of(database) - before < written_bytes(spec) * 2
