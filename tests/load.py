"""Clients that ask a service for everything at once, and remember what they were told."""

import random
import threading
import time
from collections import Counter
from functools import partial
from types import TracebackType
from typing import Self

import httpx

from tests.process import until

MOST_SUBMITTED = 4
"""Jobs per client: all of them are trained after the load."""


class Load:
    """So many clients, each with one request after another, between entering and leaving."""

    def __init__(self, client: httpx.Client, clients: int) -> None:
        self.address = str(client.base_url)
        self.answers: Counter[tuple[int, bool]] = Counter()
        """How often each status came, and whether with Retry-After."""
        self.submitted: list[str] = []
        self.last_answered = 0.0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def until_answered(self) -> float:
        """Wait for an answer that is no error; tell how many seconds that took."""
        asked = time.monotonic()
        return until(lambda: max(0, self.last_answered - asked), "an answer")

    def wait_for_jobs(self) -> None:
        """Wait until every acknowledged job has ended as it should."""
        with httpx.Client(base_url=self.address) as client:
            for job_id in self.submitted:
                read = partial(client.get, f"/jobs/{job_id}")
                until(lambda: read().json()["finished_at"], "the job to end")  # noqa: B023 # run at once
                assert read().json()["status"] == "succeeded"

    def _ask(self) -> None:
        with httpx.Client(base_url=self.address, timeout=60) as client:
            while not self._stop.wait(random.uniform(0, 0.2)):
                answer = random.choice((self._submit, self._list, self._read))(client)
                self.answers[answer.status_code, "retry-after" in answer.headers] += 1
                if answer.is_success:
                    self.last_answered = time.monotonic()

    def _submit(self, client: httpx.Client) -> httpx.Response:
        if len(self.submitted) > MOST_SUBMITTED * len(self._threads):
            return self._list(client)
        answer = client.post("/jobs", json={"steps": 5, "n_units": 4, "seed": len(self.submitted)})
        if answer.status_code == 201:
            self.submitted.append(answer.json()["id"])
        return answer

    def _list(self, client: httpx.Client) -> httpx.Response:
        return client.get("/jobs", params={"limit": 5})

    def _read(self, client: httpx.Client) -> httpx.Response:
        if not self.submitted:
            return self._list(client)
        return client.get(f"/jobs/{random.choice(self.submitted)}/metrics")
