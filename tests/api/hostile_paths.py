"""Requests that their path, their method or a body that they should not have refuses."""

from tests.api.hostile_rows import CANARY, MIB, UNKNOWN, Row, send

PATH_ROWS = [
    send("C66 cancel of a finished job", "POST", "/jobs/{id}/cancel", None, 409, "job-ended"),
    send("C66 cancel of no job", "POST", f"/jobs/{UNKNOWN}/cancel", None, 404, "job-not-found"),
    *(
        send(f"C23 cancel with {text}", "POST", "/jobs/{id}/cancel", text.encode(), 413, "payload-too-large")
        for text in ('{"a": 1}', "[]", "null", "{}{}", "{}" + " " * 64)
    ),
    send("GET with an empty object", "GET", "/jobs", b"{}", 413, "payload-too-large"),
    send("delete of no job", "DELETE", f"/jobs/{UNKNOWN}", None, 404, "job-not-found"),
    send("C20 GET with 5 MB", "GET", "/jobs", b"x" * 5 * MIB, 413, "payload-too-large"),
    send("C21 unknown path with 5 MB", "POST", f"/{CANARY}", b"x" * 5 * MIB, 404, "not-found"),
    send("C23 unknown path with half a body", "POST", f"/{CANARY}", b"{", 404, "not-found"),
    send("C23 known path, another method, 5 MB", "PUT", "/jobs", b"x" * 5 * MIB, 405, "method-not-allowed"),
    send("C23 known path, another method, no JSON", "POST", "/jobs/{id}", b"{", 405, "method-not-allowed"),
    Row(
        "C23 known path, another type",
        "DELETE",
        "/jobs",
        {"Content-Type": CANARY},
        b"a",
        405,
        "method-not-allowed",
    ),
    *(
        send(f"C111 {path}", "GET", f"/ui/static/{path}", None, 404, "not-found")
        for path in (
            "../pages.py",
            "%2e%2e/pages.py",
            "..%2fpages.py",
            "/etc/passwd",
            "..\\pages.py",
            "%00",
            CANARY,
        )
    ),
    send("C115 POST to livez", "POST", "/livez", None, 405, "method-not-allowed"),
    send("C11 TRACE", "TRACE", "/jobs", None, 405, "method-not-allowed"),
    send("OPTIONS", "OPTIONS", "/jobs", None, 405, "method-not-allowed"),
    send("an unknown method", "BREW", "/jobs", None, 405, "method-not-allowed"),
    send("an unknown method of an unknown path", "BREW", f"/{CANARY}", None, 404, "not-found"),
    send("PUT of a job", "PUT", "/jobs/{id}", None, 405, "method-not-allowed"),
]
