"""Headers of a request as the server has them, without an object that decodes them."""

from starlette.types import Scope

from service.qualities import read_qualities


def announces_body(scope: Scope) -> bool:
    """Return whether a request has a body, or may have one."""
    for name, value in scope["headers"]:
        if name == b"transfer-encoding" or (name == b"content-length" and value != b"0"):
            return True
    return False


def header(scope: Scope, wanted: bytes) -> bytes | None:
    """Return the first value of a header; names are in lower case."""
    return next((value for name, value in scope["headers"] if name == wanted), None)


def wants_page(scope: Scope) -> bool:
    """Return whether a browser asks for something to show; scripts and other clients do not say that."""
    accepted = read_qualities((header(scope, b"accept") or b"").decode("latin-1"))
    return accepted.get("text/html", 0) > 0
