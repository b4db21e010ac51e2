"""What api processes count together, and what stays when one of them dies."""

from pathlib import Path
from typing import Any

import pytest
from prometheus_client import values
from prometheus_client.multiprocess import mark_process_dead

from service.api.shared.measures import FILE_BYTES, Measures, Shared
from service.edge.operations import Operation

JOBS = Operation("GET", "/jobs")


@pytest.fixture(autouse=True)
def _own_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the library count in memory again for the tests that follow."""
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")


def ask(measures: Measures, times: int = 1, method: str = "GET") -> None:
    scope: dict[str, Any] = {"type": "http", "method": method, "state": {"problem": None}}
    for _ in range(times):
        measures.note_request(lambda asked: JOBS if asked["method"] == "GET" else None, scope, 200, 0.01)


def counted(measures: Measures, name: str) -> float:
    return sum(s.value for family in measures.collect() for s in family.samples if s.name == name)


def test_processes_export_the_sum_and_one_that_is_restarted_continues(tmp_path: Path) -> None:
    first = Measures(Shared(tmp_path, 0))
    first.streams.set(3)
    ask(first, 5)
    second = Measures(Shared(tmp_path, 1))
    second.streams.set(2)
    ask(second, 2)
    assert {counted(each, "normserve_http_requests_total") for each in (first, second)} == {7}
    assert counted(second, "normserve_streams") == 5

    mark_process_dead(0, str(tmp_path))  # type: ignore[no-untyped-call] # the library's is untyped
    after_death = counted(second, "normserve_http_requests_total"), counted(second, "normserve_streams")
    ask(Measures(Shared(tmp_path, 0)))

    assert after_death == (7, 2)
    assert counted(second, "normserve_http_requests_total") == 8
    assert counted(second, "normserve_streams") == 2


def test_a_file_without_a_head_is_not_read(tmp_path: Path) -> None:
    measures = Measures(Shared(tmp_path, 0))
    (tmp_path / "counter_1.db").touch()
    ask(measures)

    assert counted(measures, "normserve_http_requests_total") == 1


def test_the_files_have_their_room_before_they_are_mapped(tmp_path: Path) -> None:
    measures = Measures(Shared(tmp_path, 0))
    ask(measures)

    sizes = {file.name: (file.stat().st_size, file.stat().st_blocks * 512) for file in tmp_path.iterdir()}
    assert sizes == {f"{kind}_0.db": (size, size) for kind, size in FILE_BYTES.items()}


def test_a_process_without_room_for_its_counts_counts_alone(tmp_path: Path) -> None:
    measures = Measures(Shared(tmp_path / "none", 0))
    ask(measures)

    assert counted(measures, "normserve_http_requests_total") == 1


def test_head_has_the_route_of_get() -> None:
    measures = Measures()

    ask(measures, method="HEAD")

    [sample] = next(iter(measures.collect())).samples
    assert sample.labels == {"method": "HEAD", "route": "/jobs", "status": "2xx"}
