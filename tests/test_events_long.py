"""Streams in full size: fifty clients that are cut, thousands that leave, fifty that never read."""

import random
import time

import psutil
import pytest

from tests.event_clients import Socket, cut_at_random, n_connections, reading, streams
from tests.fixtures import Figure
from tests.process import Service, until
from tests.runs import LONGER

pytestmark = pytest.mark.long

CLIENTS, CUTS, STEPS = 50, 5, 20_000
STREAMS, ROUNDS = 300, 20
STALLED, LONG_HISTORY, MOST_SECONDS, MOST_KIBIBYTES = 50, 30_000, 60, 256
KIBIBYTE = 1024


def api_of(service: Service) -> psutil.Process:
    return until(lambda: service.child("api"), "the api")


def test_fifty_clients_that_are_cut_have_every_row_once(service: Service, figure: Figure) -> None:
    job_id = service.submit(**{**LONGER, "steps": STEPS})
    readers = cut_at_random([service.port], job_id, CLIENTS, CUTS, STEPS, seed=1)

    end = reading(readers)
    for seed in range(3):
        service.moving(job_id, beyond=service.job(job_id)["progress"]["step"])
        service.kill_worker(random.Random(seed))
    api_of(service).kill()
    until(service.ready, "another api")
    end()

    wrong = [reader.steps for reader in readers if reader.steps != list(range(1, STEPS + 1))]
    figure(f"clients without the exact steps of {CLIENTS}, each cut {CUTS} times", len(wrong), "0")
    assert wrong == []
    assert {reader.after_done for reader in readers} == {204}
    assert min(reader.n_connections for reader in readers) > CUTS


def test_thousands_of_streams_leave_nothing_behind(service: Service, figure: Figure) -> None:
    [job_id] = service.held(LONGER)
    api = api_of(service)
    paths = ["/events", f"/jobs/{job_id}/events", "/events?limit=200"] * (STREAMS // 3)
    before, memory = n_connections(api), [api.memory_info().rss]

    slowest = 0.0
    for _ in range(ROUNDS):
        opened = streams(service, paths)
        began = time.monotonic()
        for stream in opened:
            stream.leave()
        until(lambda: n_connections(api) <= before, "the api to close its connections")
        slowest = max(slowest, time.monotonic() - began)
        memory.append(api.memory_info().rss)

    # Meanwhile the api may import what predictions need: that is over in the second half.
    grown = (memory[-1] - memory[ROUNDS // 2]) // KIBIBYTE
    figure(f"seconds until {STREAMS} streams are forgotten, slowest of {ROUNDS}", round(slowest, 2), "2")
    figure(f"KiB that an api grows by in the last {ROUNDS // 2 * STREAMS} streams", grown, "no slope")
    service.release()


def test_clients_that_never_read_are_disconnected(service: Service, figure: Figure) -> None:
    spec = {"n_units": 8, "batch_size": 16, "eval_every": 100_000, "checkpoint_every": 100_000}
    job_id = service.submit(steps=LONG_HISTORY, **spec)
    service.finished(job_id)
    # The api has then imported what predictions need, and its memory grows no more for that.
    assert service.client.post(f"/jobs/{job_id}/predict", json={"images": [[0.1] * 784]}).status_code == 200
    api = api_of(service)
    before, memory = n_connections(api), api.memory_info().rss

    stalled = [Socket(service, f"/jobs/{job_id}/events", buffer_bytes=4096) for _ in range(STALLED)]
    until(lambda: n_connections(api) >= before + STALLED, "the api to have them all")
    began, most = time.monotonic(), 0
    while n_connections(api) > before:
        most = max(most, api.memory_info().rss)
        time.sleep(0.1)
        assert time.monotonic() - began <= MOST_SECONDS

    kibibytes = (most - memory) / KIBIBYTE / STALLED
    figure("seconds until clients that never read are disconnected", round(time.monotonic() - began), "60")
    figure("KiB of the api for each of them", round(kibibytes), "256")
    assert kibibytes <= MOST_KIBIBYTES
    for each in stalled:
        each.leave()
