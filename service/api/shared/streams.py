"""Streams of Server-Sent Events: how each is sent, and how many there may be."""

import asyncio
import socket
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime

import structlog
from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.types import Receive, Scope, Send

from service import callers
from service.api.shared.schemas import Out
from service.callers import Caller
from service.errors import Overloaded, TooManyStreams

PING_SECONDS = 10.0
SEND_SECONDS = 30.0
TRANSPORT = "normserve.transport"
"""The extension of an ASGI scope that is the connection's transport."""
BUFFER_BYTES, SOCKET_BUFFER_BYTES = 16 * 1024, 32 * 1024
"""What is held for a slow client besides an event: here, and in the system (Linux doubles this)."""
log = structlog.get_logger()

HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class PingEvent(Out):
    """A sign of life, every 10 seconds."""

    at: datetime
    """When it was sent, in UTC."""


def write_event(name: str, data: bytes | str, event_id: str | None = None, retry: int | None = None) -> bytes:
    """Write an event whose data is JSON; `retry` is in milliseconds."""
    text = data if isinstance(data, str) else data.decode()
    return format_sse_event(event=name, data_str=text, id=event_id, retry=retry)


async def _is_always_usable(_caller: Caller) -> bool:
    return True


class Streams:
    """The streams that one api process sends; `note_open` is called with their number when it changes.

    A stream ends with its next ping once its caller is not usable any more.
    """

    def __init__(
        self,
        most: int,
        most_of_key: int = sys.maxsize,
        note_open: Callable[[float], None] = lambda _: None,
        is_usable: Callable[[Caller], Awaitable[bool]] = _is_always_usable,
    ) -> None:
        self.most, self.most_of_key, self.note_open, self.is_usable = most, most_of_key, note_open, is_usable
        self.ping_seconds, self.send_seconds = PING_SECONDS, SEND_SECONDS
        self.stopping = False
        self._open: dict[EventStream, int] = {}  # and the number of the key that asked for it

    def __len__(self) -> int:
        return len(self._open)

    def add(self, stream: "EventStream") -> None:
        """Count a stream of the current caller.

        Raises Overloaded if there are too many or if the service stops, and TooManyStreams if this key has
        too many.
        """
        if self.stopping:
            raise Overloaded("the service stops; connect again in a moment")
        if len(self) >= self.most:
            raise Overloaded(f"there are {len(self)} streams of events, and at most {self.most} may be open")
        number = callers.current().number
        if number and [*self._open.values()].count(number) >= self.most_of_key:
            raise TooManyStreams(f"at most {self.most_of_key} streams of a key may be open at once")
        self._open[stream] = number
        self.note_open(len(self))

    def remove(self, stream: "EventStream") -> None:
        """Count a stream no more."""
        self._open.pop(stream, None)
        self.note_open(len(self))

    def stop(self) -> None:
        """End every stream now."""
        self.stopping = True
        for stream in list(self._open):
            stream.stop()


class EventStream(EventSourceResponse):
    """Events and pings, until the events, the caller's key or the service end, or the client leaves.

    A client that takes nothing for 30 seconds is disconnected; meanwhile nothing is read for it.
    """

    def __init__(self, events: AsyncGenerator[bytes], streams: Streams) -> None:
        super().__init__(events, headers=HEADERS)
        self.events, self.streams = events, streams
        self._following: asyncio.Task[bytes | None] | None = None
        self._is_sending = self._is_stopped = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream; raise Overloaded if there are too many."""
        self.streams.add(self)
        self._caller = callers.current()
        self._transport, self._send = scope.get("extensions", {}).get(TRANSPORT), send
        self._leaving = asyncio.create_task(_leave(receive))
        try:
            self._limit_buffers()
            await send(
                {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            )
            if await self._send_events():
                await self._send_body(b"", more=False)
        finally:
            self.streams.remove(self)
            await self._end()

    def stop(self) -> None:
        """End the stream now; a client that does not read is disconnected."""
        self._is_stopped = True
        if self._is_sending:
            self._disconnect()
        self._leaving.cancel()

    async def _send_events(self) -> bool:
        """Return whether the response is to be ended in order: not if the client has left."""
        now = asyncio.get_running_loop().time
        ping_at = now() + self.streams.ping_seconds
        while not self._leaving.done():
            self._following = self._following or asyncio.create_task(_next(self.events))
            await asyncio.wait(
                {self._leaving, self._following},
                timeout=max(0.0, ping_at - now()),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if self._following.done():
                event, self._following = self._following.result(), None
                if event is None:
                    return True
                await self._send_body(event)
            if now() >= ping_at:
                if not await self.streams.is_usable(self._caller):
                    return True
                ping_at += self.streams.ping_seconds
                ping = PingEvent(at=datetime.now(UTC)).model_dump_json()
                await self._send_body(write_event("ping", ping))
        return self._is_stopped

    async def _send_body(self, body: bytes, more: bool = True) -> None:
        self._is_sending = True
        try:
            async with asyncio.timeout(self.streams.send_seconds):
                await self._send({"type": "http.response.body", "body": body, "more_body": more})
        except TimeoutError:
            log.info("a client that does not read its events is disconnected")
            self._disconnect()
            await asyncio.wait({self._leaving}, timeout=1)  # until the server has noticed
        finally:
            self._is_sending = False

    def _limit_buffers(self) -> None:
        if self._transport is not None:
            self._transport.set_write_buffer_limits(high=BUFFER_BYTES)
            system = self._transport.get_extra_info("socket")
            system.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)

    def _disconnect(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        else:
            self._leaving.cancel()

    async def _end(self) -> None:
        tasks = {task for task in (self._leaving, self._following) if task is not None}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await self.events.aclose()


async def _next(events: AsyncGenerator[bytes]) -> bytes | None:
    return await anext(events, None)


async def _leave(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
