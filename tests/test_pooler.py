"""The service behind PgBouncer with session pooling: it trains, and one dispatcher is active."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from models.data.digits import Digits
from tests.fixtures import fresh_database
from tests.pgbouncer import pooler
from tests.process import Service, until
from tests.runs import SMALL, assert_invariants, outcome, undisturbed


@pytest.fixture
def service(postgresql_url: str, service_data: Path, tmp_path: Path) -> Iterator[Service]:
    with pooler(postgresql_url, "session") as url:
        base = make_url(fresh_database(postgresql_url)).database
        through = make_url(url).set(database=base).render_as_string()
        service = Service(tmp_path, service_data, NORMSERVE_DATABASE_URL=through)
        service.start()
        yield service
        service.close()
        assert_invariants(through)


def test_a_job_is_trained_though_its_dispatcher_dies(service: Service, digits: Digits) -> None:
    [job_id] = service.held(SMALL)

    service.kill_dispatcher()
    service.release()

    assert outcome(service, job_id) == undisturbed(digits, SMALL)
    until(lambda: service.said().count(b"dispatcher ready") == 2, "the next dispatcher")
