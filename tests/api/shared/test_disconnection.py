"""Work is cancelled when its client has disconnected."""

import asyncio

from fastapi import Request
from starlette.responses import Response
from starlette.types import Message

from service.api.shared.disconnection import unless_gone

SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": []}


def test_work_for_a_client_that_is_gone_is_cancelled() -> None:
    messages: list[Message] = [{"type": "http.disconnect"}, {"type": "http.request", "body": b""}]
    ended: list[str] = []

    async def receive() -> Message:
        return messages.pop()

    async def work() -> Response:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return Response()

    async def ask() -> None:
        await unless_gone(Request(SCOPE, receive), work())
        await asyncio.sleep(0)

    asyncio.run(ask())

    assert ended == ["cancelled"]


def test_a_client_that_stays_gets_its_response() -> None:
    async def receive() -> Message:
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return] # it never comes

    async def work() -> Response:
        return Response(b"done")

    response = asyncio.run(unless_gone(Request(SCOPE, receive), work()))

    assert response.body == b"done"
