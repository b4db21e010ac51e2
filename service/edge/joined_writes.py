"""Writes of a response that leave together: its head and the first part of its body."""

import asyncio
from typing import Any


class JoinedWrites:
    """The transport of one response, which holds the head until the first part of the body comes.

    uvicorn writes them one after the other, and each write would be a system call, a packet, and to the
    client a reason to wake up. A head whose body does not follow at once leaves in the next turn of the loop.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._held = b""
        self._is_first = True

    def write(self, data: bytes) -> None:
        """Hold the first write; send each later one, with what is held before it."""
        if self._is_first:
            self._is_first, self._held = False, data
            self._loop.call_soon(self._send_held)
        elif self._held:
            held, self._held = self._held, b""
            self._transport.write(held + data)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Send what is held, and close."""
        self._send_held()
        self._transport.close()

    def _send_held(self) -> None:
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
