"""The writes of a response: what leaves together, what leaves alone, and when."""

import asyncio
from collections.abc import Callable

import pytest

from service.edge.joined_writes import JoinedWrites

Use = Callable[[JoinedWrites], None]


class Recorder(asyncio.Transport):
    """A transport that remembers what it should send."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []

    def write(self, data: bytes) -> None:  # type: ignore[override] # uvicorn writes bytes only
        self.sent.append(data)

    def close(self) -> None:
        self.sent.append(b"closed")

    def is_closing(self) -> bool:
        return b"closed" in self.sent


def whole(transport: JoinedWrites) -> None:
    transport.write(b"head ")
    transport.write(b"body")


def in_parts(transport: JoinedWrites) -> None:
    for data in (b"head ", b"one", b"two", b""):
        transport.write(data)


def empty(transport: JoinedWrites) -> None:
    transport.write(b"head ")
    transport.write(b"")


def closed(transport: JoinedWrites) -> None:
    transport.write(b"head ")
    transport.close()
    assert transport.is_closing()


@pytest.mark.parametrize(
    ("use", "at_once", "later"),
    [
        (whole, [b"head body"], []),
        (in_parts, [b"head one", b"two", b""], []),
        (empty, [b"head "], []),
        (lambda transport: transport.write(b"head"), [], [b"head"]),
        (closed, [b"head ", b"closed"], []),
    ],
    ids=["whole", "in parts", "without a body", "body comes later", "closed before the body"],
)
def test_a_head_leaves_with_its_body_or_in_the_next_turn(
    use: Use, at_once: list[bytes], later: list[bytes]
) -> None:
    async def respond() -> tuple[list[bytes], list[bytes]]:
        recorder = Recorder()
        use(JoinedWrites(recorder, asyncio.get_running_loop()))
        sent = [*recorder.sent]
        await asyncio.sleep(0)
        return sent, recorder.sent[len(sent) :]

    assert asyncio.run(respond()) == (at_once, later)
