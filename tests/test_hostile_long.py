"""The hostile catalogue against a service: how long each refusal takes, and what it costs in memory."""

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from statistics import quantiles
from typing import Any

import pytest

from tests.api.hostile import HARMLESS, REFUSED, sent
from tests.api.hostile_rows import CANARY
from tests.edge.hostile_heads import HEADS, OPENING
from tests.fixtures import Figure
from tests.probes import Probe
from tests.process import PATIENCE_SECONDS, Service, until

pytestmark = pytest.mark.long

MIB = 2**20
MOST_GROWN_BYTES = 64 * MIB
PIECE = b"a" * MIB
NEVER_PARSED = "BREW"
"""A method that the parser refuses; the rows that have it test what is behind the parser."""
Refusals = dict[str, float]
"""Seconds by the names of rows."""


@pytest.fixture
def job(service: Service) -> dict[str, Any]:
    trained = service.finished(service.submit(norm="weight", init=True, telemetry=True))
    for row in HARMLESS:  # what a service keeps from its first requests is not the growth that is meant
        assert sent(service.client, trained, row).status_code == row.status
    return trained


def api_bytes(service: Service) -> int:
    api = until(lambda: service.child("api"), "the api")
    return int(api.memory_info().rss)


def sent_rows(service: Service, job: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for row in [each for each in REFUSED if each.method != NEVER_PARSED]:
        began = time.perf_counter()
        answer = sent(service.client, job, row)
        yield row.name, time.perf_counter() - began
        assert (row.name, answer.status_code, len(answer.content) <= 4096) == (row.name, row.status, True)
        assert CANARY not in f"{answer.headers}{answer.text}", row.name


def sent_heads(service: Service) -> Iterator[tuple[str, float]]:
    for name, (head, (status, _)) in HEADS.items():
        with socket.create_connection(("127.0.0.1", service.port), PATIENCE_SECONDS) as connection:
            began = time.perf_counter()
            connection.sendall(head)
            begin = connection.recv(4096)
            yield name, time.perf_counter() - began
            assert begin.startswith(b"HTTP/1.1 %d " % status), name


def test_the_whole_catalogue_is_refused_at_once_and_costs_no_memory(
    service: Service, job: dict[str, Any], figure: Figure
) -> None:
    before = api_bytes(service)

    seconds = dict([*sent_rows(service, job), *sent_heads(service)])

    grown = api_bytes(service) - before
    slowest = max(seconds, key=seconds.__getitem__)
    p99 = quantiles(seconds.values(), n=100)[-1]
    figure(f"ms of {len(seconds)} refusals, p99", round(1000 * p99, 1), "250")
    figure(f"ms of the slowest refusal, {slowest}", round(1000 * seconds[slowest], 1), "250")
    figure("MB by which the api has grown", round(grown / MIB, 1), "64")
    assert grown <= MOST_GROWN_BYTES
    assert len(service.client.get("/jobs").json()["items"]) == 1


@pytest.mark.parametrize("megabytes", [10, 200])
def test_an_endless_header_slows_nobody(service: Service, figure: Figure, megabytes: int) -> None:
    before = api_bytes(service)
    with Probe(str(service.client.base_url)) as probe:
        until(lambda: len(probe.seconds) >= 50, "probes")
        for _ in range(8):
            with (
                socket.create_connection(("127.0.0.1", service.port), PATIENCE_SECONDS) as connection,
                suppress(ConnectionError),
            ):
                connection.sendall(OPENING + b"x: ")
                for _ in range(megabytes):
                    connection.sendall(PIECE)

    grown = api_bytes(service) - before
    figure(f"ms of /livez beside headers of {megabytes} MB, p99", probe.p99_ms(), "100")
    figure(f"MB by which headers of {megabytes} MB make the api grow", round(grown / MIB, 1), "64")
    assert probe.failed == []
    assert grown <= MOST_GROWN_BYTES
