"""The server of the api: uvicorn, which ends in order when it is asked to stop."""

import asyncio
import signal
import socket
import sys
from collections.abc import Sequence

import structlog
import uvicorn

from service.api.shared.dependencies import Parts
from service.api.shared.measures import Shared
from service.api.shared.streams import TRANSPORT
from service.app import create_app
from service.edge.heads import LimitedHeads
from service.edge.joined_writes import JoinedWrites
from service.settings import Settings
from service.supervisor import StopSignals, end_at_once

GRACE_SECONDS = 5
POOL_SECONDS = 3  # of these; then what the pools have not done is refused
# Longer than clients (5) and proxies (60) keep an idle connection. If the server closed one first, a request
# that a client sends at that moment would be lost.
KEEP_ALIVE_SECONDS = 75
ACCEPTS = 16
BACKLOG = 2048

log = structlog.get_logger()


def serve(settings: Settings, listeners: Sequence[socket.socket], shared: Shared | None = None) -> None:
    """Serve HTTP on sockets that listen, which other processes may share, until asked to stop."""
    if settings.is_open and not settings.demands_keys:
        log.warning(
            "INSECURE: anyone who can reach this address can do anything until a key is made",
            host=settings.host,
            port=settings.port,
            because="NORMSERVE_INSECURE_NO_AUTH",
        )
    # After an orderly stop, uvicorn sends itself the signal again; the exit code must be 0 all the same.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = Server(
        uvicorn.Config(
            create_app(settings, shared),
            http=HttpConnection,
            host=settings.host,
            port=settings.port,
            backlog=BACKLOG,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
    )
    server.run(accept_many(listeners))


def accept_many(listeners: Sequence[socket.socket]) -> list[socket.socket]:
    """Replace each socket by copies, from each of which the event loop accepts a connection each time around.

    In between, it handles the requests of all other connections: with a single socket, the last of 64 clients
    that connect at once would wait for 2,000 requests.
    """
    copies = [listener.dup() for listener in listeners for _ in range(ACCEPTS)]
    for listener in listeners:
        listener.close()  # the server closes the copies when it stops, and then nobody can connect
    return copies


class HttpConnection(LimitedHeads):
    """A connection whose requests show it, so that a stream of events can end it at once.

    uvicorn closes a connection once everything is sent, which never happens if the client does not read.
    """

    def note_refusal(self, code: str) -> None:
        """Count a request that the app does not see."""
        self.config.app.state.measures.note_refusal(code)  # type: ignore[union-attr] # the app of `serve`

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: self.transport}  # type: ignore[dict-item] # not a standard one

    def on_headers_complete(self) -> None:
        """Begin to respond, with head and body in one packet."""
        super().on_headers_complete()
        if self.cycle is not None and self.cycle.transport is self.transport:
            self.cycle.transport = JoinedWrites(self.transport, self.loop)  # type: ignore[assignment] # acts as one


class Server(uvicorn.Server):
    """uvicorn, which wakes waiting requests and ends streams before it waits for all requests to end."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.signals = StopSignals()

    def handle_exit(self, sig: int, frame: object) -> None:
        """Wake waiting requests and end streams, then stop as uvicorn does; end at once the second time."""
        if self.signals.is_second():
            end_at_once()
        if self.started:
            self._parts.stop_waiting()
        super().handle_exit(sig, frame)  # type: ignore[arg-type] # uvicorn names the frame's own type

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as uvicorn does, and log the address."""
        await super().startup(sockets)
        if self.started:
            log.info("api listens", host=self.config.host, port=self.config.port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop as uvicorn does, but refuse what the pools have not done while there is time to respond."""
        log.info("api stops")
        asyncio.get_running_loop().call_later(POOL_SECONDS, self._parts.stop_pools)
        await super().shutdown(sockets)

    @property
    def _parts(self) -> Parts:
        return self.config.app.state.parts  # type: ignore[union-attr, no-any-return] # the app that was passed in
