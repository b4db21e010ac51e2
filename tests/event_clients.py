"""Clients of streams of events of a real service: readers that are cut, and some that never read."""

import asyncio
import json
import random
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import psutil
from httpx_sse import aconnect_sse

from tests.process import PATIENCE_SECONDS, Service

PAUSE_SECONDS = 0.05


@dataclass
class Reader:
    """A client that reads a job to its end, and leaves once at each of these steps for the next api."""

    urls: Sequence[str]
    """Of the stream, at each api."""
    cuts: list[int]
    steps: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    n_connections: int = 0
    last_id: str = ""
    after_done: int = 0
    """The status of the response to who has seen the end."""

    async def read(self) -> None:
        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
            while not self.last_id.endswith(".done"):
                with suppress(httpx.TransportError):
                    await self._read_until_cut(client)
                await asyncio.sleep(PAUSE_SECONDS)
            answer = await client.get(self._url(), headers=self._headers())
            self.after_done = answer.status_code

    def _url(self) -> str:
        return self.urls[self.n_connections % len(self.urls)]

    def _headers(self) -> dict[str, str]:
        return {"Last-Event-ID": self.last_id} if self.last_id else {}

    async def _read_until_cut(self, client: httpx.AsyncClient) -> None:
        async with aconnect_sse(client, "GET", self._url(), headers=self._headers()) as source:
            self.n_connections += source.response.status_code == 200
            async for event in source.aiter_sse():
                if event.event == "metrics":
                    rows = json.loads(event.data)["items"]
                    self.steps += [row["step"] for row in rows]
                    self.losses += [row["train_loss"] for row in rows]
                self.last_id = event.id or self.last_id  # some events have none
                if self.cuts and self.steps and self.steps[-1] >= self.cuts[0]:
                    self.cuts.pop(0)
                    return


def reading(readers: Sequence[Reader]) -> Callable[[], None]:
    """Let all of them read in a thread; return what waits for their end."""

    async def read_all() -> None:
        await asyncio.gather(*(reader.read() for reader in readers))

    thread = threading.Thread(target=asyncio.run, args=[read_all()])
    thread.start()

    def end() -> None:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()

    return end


def cut_at_random(
    ports: Sequence[int], job_id: str, n: int, cuts: int, steps: int, seed: int
) -> list[Reader]:
    """Readers that leave so many times in the first part of a job; they begin at the apis in turn."""
    chance = random.Random(seed)
    urls = [f"http://127.0.0.1:{port}/jobs/{job_id}/events" for port in ports]
    turns = [[*urls[number % len(urls) :], *urls[: number % len(urls)]] for number in range(n)]
    return [Reader(turn, sorted(chance.sample(range(1, steps // 2), cuts))) for turn in turns]


class Socket:
    """A stream as a socket: what is received is received only when it is asked for."""

    def __init__(self, service: Service, path: str, buffer_bytes: int = 0) -> None:
        self.socket = socket.socket()
        if buffer_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        self.socket.settimeout(PATIENCE_SECONDS)
        self.socket.connect(("127.0.0.1", service.port))
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())

    def begin(self) -> "Socket":
        """Wait for the first event."""
        self.read = b""
        while b"\n\n" not in self.read:
            self.read += self.socket.recv(65_536)
        return self

    def end(self) -> bytes:
        """Return all that comes until the service ends the connection."""
        with suppress(ConnectionError):
            while received := self.socket.recv(65_536):
                self.read += received
        self.socket.close()
        return self.read

    def leave(self) -> None:
        self.socket.close()


def n_connections(api: psutil.Process) -> int:
    """How many connections an api has."""
    return len([each for each in api.net_connections() if each.status != psutil.CONN_LISTEN])


def streams(service: Service, paths: Sequence[str], **options: Any) -> list[Socket]:
    """One stream of each path; all of them have begun."""
    opened = [Socket(service, path, **options) for path in paths]
    return [each.begin() for each in opened]
