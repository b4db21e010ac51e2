"""Streams of events in the process of the API: read while they last, or left early."""

import json
import threading
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.api import work

UNENDED = {"queued", "running"}


class Event(NamedTuple):
    """An event as a browser sees it."""

    name: str
    data: Any
    id: str = ""


def parse(text: str) -> list[Event]:
    """Read whole events; all of ours have one line of data."""
    events = []
    for block in text.split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        assert fields.keys() <= {"event", "data", "id", "retry"}
        events.append(Event(fields["event"], json.loads(fields["data"]), fields.get("id", "")))
    return events


def steps(events: list[Event]) -> list[int]:
    """The steps of all rows, in the order in which they came."""
    return [row["step"] for event in events if event.name == "metrics" for row in event.data["items"]]


class LeaveUnended:
    """A client of every request, which leaves a stream after the first events if these are not the last.

    Tests that call every operation would never have the whole response.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope.get("stays"):
            await self.app(scope, receive, send)
            return
        leaves, is_received, is_complete, streams = anyio.Event(), False, False, False

        async def receive_or_leave() -> Message:
            nonlocal is_received
            if is_received:
                await leaves.wait()
                return {"type": "http.disconnect"}
            message = await receive()
            is_received = not message.get("more_body", False)
            return message

        async def send_on(message: Message) -> None:
            nonlocal is_complete, streams
            if message["type"] == "http.response.start":
                streams = (b"content-type", b"text/event-stream; charset=utf-8") in message["headers"]
            else:
                is_complete = not message.get("more_body", False)
            await send(message)
            if is_complete or (streams and message.get("body") and is_unended(message["body"].decode())):
                leaves.set()

        await self.app(scope, receive_or_leave, send_on)
        if not is_complete:
            await send({"type": "http.response.body"})


def is_unended(events: str) -> bool:
    """Whether a stream that begins with these events goes on for as long as something is queued or runs."""
    first = parse(events)[0]
    return first.name == "jobs" or first.data.get("status") in UNENDED


@dataclass
class Listener:
    """A client that stays: what it has got so far, and how it leaves."""

    client: Any
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    reads: bool = True
    status: int = 0
    sent_headers: dict[str, str] = field(default_factory=dict)
    text: str = ""

    def __post_init__(self) -> None:
        self._leaves, self._over = anyio.Event(), threading.Event()
        self.client.portal.start_task_soon(self._listen)
        work.poll(lambda: self.status > 0)

    def events(self, *names: str) -> list[Event]:
        """The events so far: all, or those of these names."""
        return [event for event in parse(self.text) if not names or event.name in names]

    def news(self) -> list[Event]:
        """The events so far that are no pings, which come whenever a test takes long."""
        return [event for event in self.events() if event.name != "ping"]

    def has(self, name: str, n: int = 1) -> None:
        """Wait until there are so many events of this name."""
        work.poll(lambda: len(self.events(name)) >= n)

    def ended(self) -> bool:
        return self._over.is_set()

    def end(self) -> list[Event]:
        """Wait for the end of the stream; return all its events."""
        assert self._over.wait(20)
        return self.events()

    def leave(self) -> None:
        self.client.portal.call(self._leaves.set)
        assert self._over.wait(20)

    async def _listen(self) -> None:
        path, _, query = self.path.partition("?")
        headers = {"host": "testserver", **self.headers}
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "scheme": "http",
            "http_version": "1.1",
            "server": ("testserver", 80),
            "client": ("testclient", 1),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "stays": True,
            "state": {},
            "app": self.client.app,
        }
        try:
            await self.client.app(scope, self._receive, self._send)
        finally:
            self._over.set()

    async def _receive(self) -> Message:
        if not self.status:
            return {"type": "http.request"}
        await self._leaves.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.sent_headers = {name.decode(): value.decode() for name, value in message["headers"]}
            self.status = message["status"]
        elif not self.reads:
            await self._leaves.wait()
        else:
            self.text += message.get("body", b"").decode()
