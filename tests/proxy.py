"""A network between clients and a PostgreSQL server that can stand still, or lose the answer to a commit."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.process import PATIENCE_SECONDS, free_port

CHUNK_BYTES = 65536


class Proxy:
    """Forwards connections to the server of this URL, which is reached by its socket."""

    def __init__(self, server_url: str) -> None:
        where = parse_qs(urlsplit(server_url).query)
        self.socket_path = f"{where['host'][0]}/.s.PGSQL.{where['port'][0]}"
        self.port = free_port()
        self.answers_lost = 0
        self._to_lose = 0
        self._loop = asyncio.new_event_loop()
        self._flows = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._do(self._listen())

    def url(self, database_url: str) -> str:
        """The URL of one of the server's databases, through here."""
        return f"postgresql://postgres@127.0.0.1:{self.port}{urlsplit(database_url).path}"

    def stand_still(self) -> None:
        """Keep connections open and forward nothing, in neither direction."""
        self._loop.call_soon_threadsafe(self._flows.clear)

    def flow(self) -> None:
        """Forward again, also what has been kept."""
        self._loop.call_soon_threadsafe(self._flows.set)

    def lose_answers(self, count: int) -> None:
        """Forward so many commits, and close their connections in the place of an answer."""
        self._to_lose += count

    def close(self) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        future: Future[None] = asyncio.run_coroutine_threadsafe(work, self._loop)
        future.result(PATIENCE_SECONDS)

    async def _listen(self) -> None:
        self._flows.set()
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self.port)

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flows.wait()
        try:
            answers, questions = await asyncio.open_unix_connection(self.socket_path)
        except OSError:
            writer.close()
            return
        both = [
            asyncio.ensure_future(self._pump(reader, questions, is_question=True)),
            asyncio.ensure_future(self._pump(answers, writer)),
        ]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in both:
                pump.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            writer.close()
            questions.close()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, is_question: bool = False
    ) -> None:
        """Forward until either end closes, or until a commit whose answer is to be lost has been done."""
        while data := await source.read(CHUNK_BYTES):
            await self._flows.wait()
            sink.write(data)
            await sink.drain()
            if is_question and self._to_lose and b"COMMIT\x00" in data:
                self._to_lose -= 1
                self.answers_lost += 1
                return
