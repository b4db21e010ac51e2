"""Work for a client that may disconnect while it waits: nobody needs the result then."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from fastapi import Request
from starlette.responses import Response

CLIENT_CLOSED_REQUEST = 499  # never sent; nginx logs it too


async def unless_gone(request: Request, work: Coroutine[Any, Any, Response]) -> Response:
    """Return what the work returns; cancel it when the client disconnects."""
    working, leaving = asyncio.create_task(work), asyncio.create_task(_wait_for_disconnect(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else Response(status_code=CLIENT_CLOSED_REQUEST)
    finally:
        working.cancel()
        leaving.cancel()


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
