"""Requests that a browser sends for pages that are not ours: foreign names, foreign origins, plain forms."""

from tests.api.hostile_rows import CANARY, JSON, PNG, Row

EVIL = f"{CANARY}.example"
NAMES = {
    "C10 a foreign name": EVIL,
    "C10 no name": f"{CANARY}/../x?y@z",
    "C10 an address that is not ours": "192.168.0.7:8000",
    "C10 a name of ours as user": f"127.0.0.1@{CANARY}",
    "C10 nothing": "",
}
SITES = {"cross-site": {"Sec-Fetch-Site": "cross-site"}, "same-site": {"Sec-Fetch-Site": "same-site"}}
ORIGINS = {
    text: {"Origin": text}
    for text in (
        f"http://{EVIL}",
        "null",
        "http://127.0.0.1",
        f"http://[{CANARY}",
        f"http://{CANARY}@testserver",
    )
}


def misdirected(name: str, method: str, path: str, host: str, **headers: str) -> Row:
    sent = {**JSON, "Host": host, **{key.replace("_", "-"): value for key, value in headers.items()}}
    return Row(name, method, path, sent, b"{}" if method == "POST" else None, 421, "misdirected")


BROWSER_ROWS = [
    *(misdirected(name, "GET", "/jobs", host) for name, host in NAMES.items()),
    misdirected("C10 a page", "GET", "/ui/jobs", EVIL),
    misdirected("C10 an unknown path", "GET", f"/{CANARY}", EVIL),
    misdirected("C10 livez", "GET", "/livez", EVIL),
    misdirected(
        "R29 rebound name",
        "POST",
        "/jobs",
        EVIL,
        Origin=f"http://{EVIL}",
        Sec_Fetch_Site="same-origin",
    ),
    *(
        Row(f"R29 {method} of {path}: {name}", method, path, {**JSON, **sent}, body, 403, "foreign-origin")
        for name, sent in (SITES | ORIGINS).items()
        for method, path, body in (
            ("POST", "/jobs", b"{}"),
            ("POST", "/comparisons", b'{"preset": "article"}'),
            ("DELETE", "/jobs/{id}", None),
        )
    ),
    Row("R29 PATCH", "PATCH", "/jobs/{id}", {**JSON, **SITES["cross-site"]}, b"{}", 403, "foreign-origin"),
    Row(
        "R29 a picture",
        "POST",
        "/jobs/{id}/predict",
        {**PNG, **SITES["same-site"]},
        b"",
        403,
        "foreign-origin",
    ),
    Row("R29 preflight", "OPTIONS", "/jobs", ORIGINS["null"], None, 405, "method-not-allowed"),
    *(
        Row(f"R29 form of {media_type}", "POST", "/jobs", {"Content-Type": media_type}, b"{}", 415, code)
        for code in ("unsupported-media-type",)
        for media_type in (
            "application/x-www-form-urlencoded",
            "text/plain",
            "multipart/form-data; boundary=b",
        )
    ),
]
