"""Who makes a request: found by its key or its session, and held to the scope of the operation."""

from collections.abc import Callable
from urllib.parse import quote

from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from service.callers import ANONYMOUS, NOBODY, OPEN, Caller, calling
from service.edge.key_ring import KeyRing
from service.edge.operations import Operation, Operations, own_path
from service.edge.origins import SAFE_METHODS, is_foreign
from service.edge.raw_headers import header, wants_page
from service.errors import InsufficientScope, KeyRequired
from service.links import link

COOKIE = "normserve_session"
SIGN_IN = "/ui/sign-in"
MOST_KEY_BYTES = 200
NEEDED = (
    "a valid API key is needed, as Authorization: Bearer KEY or X-API-Key: KEY; "
    "normserve keys create makes one, and a browser signs in with it at /ui/sign-in"
)


class Auth:
    """Let a request in if its caller has the scope that its operation declares, before its body is read.

    An open operation needs no key, and an operation without a scope is closed to all keys. The caller is
    `caller` in the state of the request. A browser that asks for a page is sent to the form to sign in. It
    raises all other refusals; Problems responds.
    """

    def __init__(self, app: ASGIApp, operations: Operations, ring: Callable[[], KeyRing]) -> None:
        self.app, self.operations, self.ring = app, operations, ring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        caller = await self._caller(scope)
        if caller is None:
            if not wants_page(scope):
                raise KeyRequired(NEEDED)
            await _sign_in(scope)(scope, receive, send)
            return
        scope["state"]["caller"] = caller
        with calling(caller):
            await self.app(scope, receive, send)

    async def _caller(self, scope: Scope) -> Caller | None:
        """Return who makes a request; None if there must be a key and is none. Raises InsufficientScope."""
        operation = self.operations.find(scope)
        if operation is not None and operation.scope == OPEN:
            return NOBODY
        ring = self.ring()
        if not await ring.demands():
            return ANONYMOUS
        caller = await _by_credential(scope, ring)
        if caller is not None:
            _check_scope(operation, caller)
        elif operation is None and self._is_open_by_another_method(scope):
            return NOBODY
        return caller

    def _is_open_by_another_method(self, scope: Scope) -> bool:
        return any(each.scope == OPEN for each in self.operations.of_path(own_path(scope)))


def _check_scope(operation: Operation | None, caller: Caller) -> None:
    # What does not exist is refused later, in other words for those who have a key.
    if operation is not None and operation.scope not in caller.scopes:
        raise InsufficientScope(operation.scope)


async def _by_credential(scope: Scope, ring: KeyRing) -> Caller | None:
    address = address_of(scope)
    key = _key(scope)
    if key is not None:
        return await ring.by_text(key.decode("latin-1"), address)
    token = session_token(scope)
    # Browsers send the cookie with what a page of another name on our site posts.
    if token is None or (scope["method"] not in SAFE_METHODS and is_foreign(scope)):
        return None
    return await ring.by_token(token, address)


def _key(scope: Scope) -> bytes | None:
    """Return the key that a request has in a header, if any."""
    scheme, _, key = (header(scope, b"authorization") or b"").partition(b" ")
    found = key.strip() if scheme.lower() == b"bearer" else header(scope, b"x-api-key")
    return found[:MOST_KEY_BYTES] if found else None


def session_token(scope: Scope) -> str | None:
    """Return the token of a request's session, if it has a cookie of ours."""
    cookies = header(scope, b"cookie")
    if cookies is None:
        return None
    return cookie_parser(cookies.decode("latin-1")).get(COOKIE) or None


def address_of(scope: Scope) -> str:
    """Return the address of the client, or of a proxy that is not trusted to name it."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def _sign_in(scope: Scope) -> RedirectResponse:
    """Lead a browser to the form, and from there back, if it only wanted to see something."""
    asked = own_path(scope) + ("?" + scope["query_string"].decode("latin-1") if scope["query_string"] else "")
    back = f"?next={quote(asked, safe='/')}" if scope["method"] in SAFE_METHODS else ""
    return RedirectResponse(link(SIGN_IN + back), 303, {"Cache-Control": "no-store"})
