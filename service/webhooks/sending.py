"""One attempt to send an event: to an address that is checked after its name is resolved.

The connection goes to exactly that address, so a name that resolves to another one later reaches nothing
else. TLS verifies the name. Redirects are not followed, proxies of the environment are not used, and nothing
of a response but its status is read or kept.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpcore

from service.store.deliveries import ClaimedDelivery, DeliveryOutcome
from service.webhooks.addresses import Network, is_allowed
from service.webhooks.signatures import signed_headers

TIMEOUT_SECONDS = 15.0
NOT_ALLOWED = "no address of the host is allowed; public ones need https, others NORMSERVE_WEBHOOK_NETWORKS"
NO_ADDRESS = "the host has no address"
SILENT = f"no response within {TIMEOUT_SECONDS:g} seconds"
REFUSED = "no connection to the host"
UNTRUSTED = "the certificate of the host is not trusted"
BROKEN = "the connection ended without a response"


class NotSent(Exception):
    """An attempt that reached no receiver; its text is the reason."""


class Sender:
    """Sends events to public addresses by https, and to these networks by http too."""

    def __init__(self, networks: Sequence[Network], timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.networks = networks
        self.timeout_seconds = timeout_seconds
        self._tls = httpcore.default_ssl_context()

    async def send(self, claimed: ClaimedDelivery, at: int) -> DeliveryOutcome:
        """Send an event, signed at this time; never raises for what the receiver or the network does."""
        try:
            async with asyncio.timeout(self.timeout_seconds):
                status = await self._post(claimed, at)
        except NotSent as error:
            return DeliveryOutcome(claimed, None, str(error))
        except TimeoutError:
            return DeliveryOutcome(claimed, None, SILENT)
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            return DeliveryOutcome(claimed, None, _reason(error))
        return DeliveryOutcome(
            claimed, status, None if 200 <= status < 300 else f"the receiver responded {status}"
        )

    async def _post(self, claimed: ClaimedDelivery, at: int) -> int:
        body = claimed.payload.encode()
        headers: dict[bytes | str, bytes | str] = {
            "content-type": "application/json",
            "user-agent": "normserve",
            "connection": "close",
        }
        headers.update(signed_headers(claimed.secret, claimed.id, at, body).items())
        with_public = urlsplit(claimed.url).scheme == "https"
        backend = CheckedBackend(self.networks, with_public)
        async with (
            httpcore.AsyncConnectionPool(self._tls, network_backend=backend) as connections,
            connections.stream("POST", claimed.url, headers=headers, content=body) as response,
        ):
            return int(response.status)


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Resolves the name of a host, and connects to its first allowed address that accepts."""

    def __init__(self, networks: Sequence[Network], with_public: bool) -> None:
        self.networks = networks
        self.with_public = with_public
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # the interface of httpcore
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to an allowed address of a host; raise NotSent if it has none."""
        allowed = [
            address
            for address in await _resolve(host, port)
            if is_allowed(address, self.networks, self.with_public)
        ]
        if not allowed:
            raise NotSent(NOT_ALLOWED)
        for address in allowed[:-1]:
            try:
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError:
                continue
        return await self._backend.connect_tcp(allowed[-1], port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds."""
        await self._backend.sleep(seconds)


async def _resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host, the preferred ones first."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NotSent(NO_ADDRESS) from None
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


def _reason(error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return UNTRUSTED
        cause = cause.__cause__ or cause.__context__
    return REFUSED if isinstance(error, httpcore.ConnectError) else BROKEN
