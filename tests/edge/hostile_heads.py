"""Heads of requests that must be refused, and with which status and code: rows of the hostile catalogue.

What the parser itself refuses has no code.
"""

KIB = 2**10
CANARY = b"zq7canary"
LINE, HOST = b"GET /livez HTTP/1.1\r\n", b"Host: localhost\r\n"
OPENING = LINE + HOST
POSTING = b"POST / HTTP/1.1\r\n" + HOST
LARGE = (431, "headers-too-large")
LONG = (414, "uri-too-long")
MALFORMED = (400, "")
MISDIRECTED = (421, "misdirected")


def many(n: int) -> bytes:
    return b"".join(b"x-%d: %s\r\n" % (i, CANARY) for i in range(n))


def target(text: bytes) -> bytes:
    return b"GET " + text + b" HTTP/1.1\r\n" + HOST + b"\r\n"


HEADS = {
    "C6 100 KB header": (OPENING + b"x: " + CANARY * 11_000 + b"\r\n\r\n", LARGE),
    "C6 a byte too many": (OPENING + b"x: " + b"a" * (16 * KIB - 21) + b"\r\n\r\n", LARGE),
    "C6 a long name": (OPENING + b"a" * 20_000 + b": x\r\n\r\n", LARGE),
    "C7 5,000 headers": (OPENING + many(5_000) + b"\r\n", LARGE),
    "C7 101 headers": (OPENING + many(100) + b"\r\n", LARGE),
    "C8 100 KB URL": (target(b"/" + CANARY * 11_000), LONG),
    "C8 a byte too many": (target(b"/?" + b"a" * 8191), LONG),
    "C1 length and chunks": (
        POSTING + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        MALFORMED,
    ),
    "C1 chunks and length": (
        POSTING + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        MALFORMED,
    ),
    "C1 another coding": (POSTING + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", MALFORMED),
    "C2 two lengths": (POSTING + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", MALFORMED),
    "C3 negative length": (POSTING + b"Content-Length: -1\r\n\r\n", MALFORMED),
    "C3 length in words": (POSTING + b"Content-Length: one\r\n\r\n", MALFORMED),
    "C3 length with a sign": (POSTING + b"Content-Length: +1\r\n\r\na", MALFORMED),
    "C10 no Host": (LINE + b"\r\n", MISDIRECTED),
    "C10 no Host, HTTP/1.0": (b"GET / HTTP/1.0\r\n\r\n", MISDIRECTED),
    "C10 two Hosts": (OPENING + b"Host: " + CANARY + b"\r\n\r\n", MISDIRECTED),
    "C10 a foreign target": (target(b"http://" + CANARY + b"/"), MISDIRECTED),
    "C10 a user in the target": (target(b"http://localhost@" + CANARY + b"/"), MISDIRECTED),
    "C11 an unknown method": (b"FOO / HTTP/1.1\r\n" + HOST + b"\r\n", MALFORMED),
    "C11 CONNECT": (b"CONNECT evil.example:443 HTTP/1.1\r\n" + HOST + b"\r\n", MALFORMED),
    "C13 NUL": (target(b"/\0"), MALFORMED),
    "C13 TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40), MALFORMED),
    "C13 preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", MALFORMED),
    "C17 a WebSocket": (
        OPENING + b"Connection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n",
        (400, "no-websockets"),
    ),
    "a space before the colon": (OPENING + b"x : y\r\n\r\n", MALFORMED),
    "a folded header": (OPENING + b" folded\r\n\r\n", MALFORMED),
    "a bare carriage return": (OPENING + b"x: a\rb\r\n\r\n", MALFORMED),
    "no version": (b"GET /\r\n\r\n", MISDIRECTED),
}
ALLOWED = {
    "100 headers": OPENING + many(99) + b"\r\n",
    "16 KB of headers": OPENING + b"x: " + b"a" * (16 * KIB - 22) + b"\r\n\r\n",
    "8 KB of URL": target(b"/?" + b"a" * 8190),
    "our name in the target": b"GET http://localhost:1/livez HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "a path with a URL": target(b"/http://evil.example"),
    "C17 an upgrade to HTTP/2": OPENING + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n",
}
UNENDED = {
    "C15 nothing": b"",
    "C15 a letter": b"G",
    "C15 half a line": b"GET /li",
    "C15 half a head": OPENING,
    "C15 half a header": OPENING + b"x: ",
    "C15 empty lines": b"\r\n\r\n",
}
CHUNKED = POSTING + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
ENDLESS = {
    "C120 value": (OPENING + b"x: ", b"a" * 64 * KIB),
    "C120 name": (OPENING, b"a" * 64 * KIB),
    "C120 headers": (OPENING, b"x: a\r\n" * 10 * KIB),
    "C120 URL": (b"GET /", b"a" * 64 * KIB),
    "C120 empty lines": (b"", b"\r\n" * 32 * KIB),
    "C120 method": (b"", b"A" * 64 * KIB),
    "C120 trailer": (CHUNKED + b"x: ", b"a" * 64 * KIB),
    "C120 trailers": (CHUNKED, b"x: a\r\n" * 10 * KIB),
    "C120 chunk extension": (CHUNKED.removesuffix(b"\r\n") + b";", b"a" * 64 * KIB),
}
"""Beginnings, and what may be sent after them for ever."""
