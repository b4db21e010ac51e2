"""Compressed responses: what is compressed, for whom, part by part, and by which version it is known."""

import asyncio
import gzip
import zlib
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.datastructures import Headers

from service.edge.compression import CODINGS, Coding, Compression, choose_coding

TEXT = b"step,train_loss\r\n" * 1_000
GZIP = CODINGS[-1]
BOTH = [Coding("zstd", dict, 1), GZIP]


def respond(
    parts: Sequence[bytes], status: int = 200, media_type: str = "text/csv", **asked: str
) -> tuple[Headers, list[bytes]]:
    """What arrives of a response of these parts."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        headers = [(b"content-type", media_type.encode()), (b"etag", b'"1"'), (b"vary", b"Accept")]
        if len(parts) == 1:
            headers.append((b"content-length", str(len(parts[0])).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for number, part in enumerate(parts, 1):
            await send({"type": "http.response.body", "body": part, "more_body": number < len(parts)})

    async def send(message: Any) -> None:
        sent.append(message)

    sent: list[dict[str, Any]] = []
    headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in asked.items()]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
    asyncio.run(Compression(app)(scope, None, send))  # type: ignore[arg-type] # nothing is received
    return Headers(raw=sent[0]["headers"]), [message["body"] for message in sent[1:]]


def test_a_whole_response_is_compressed() -> None:
    headers, [body] = respond([TEXT], accept_encoding="gzip, deflate, br")

    assert gzip.decompress(body) == TEXT
    assert (headers["content-encoding"], headers["etag"]) == ("gzip", 'W/"1"')
    assert headers["content-length"] == str(len(body))
    assert headers["vary"] == "Accept, Accept-Encoding"


def test_each_part_of_a_stream_can_be_read_when_it_arrives() -> None:
    parts = [b"step\r\n", b"1\r\n2\r\n", TEXT * 20, b""]

    headers, bodies = respond(parts, accept_encoding="gzip")

    reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
    assert [reader.decompress(body) for body in bodies] == parts
    assert reader.eof
    assert "content-length" not in headers


@pytest.mark.parametrize(
    ("parts", "status", "media_type", "accept_encoding"),
    [
        ([TEXT], 200, "text/csv", "identity"),
        ([TEXT], 200, "text/csv", "gzip;q=0"),
        ([TEXT[:900]], 200, "text/csv", "gzip"),
        ([TEXT], 206, "text/csv", "gzip"),
        ([TEXT], 404, "text/csv", "gzip"),
        ([TEXT], 200, "image/png", "gzip"),
        ([TEXT], 200, "application/vnd.safetensors", "gzip"),
        ([TEXT, TEXT], 200, "text/event-stream; charset=utf-8", "gzip"),
    ],
    ids=["identity", "refused", "small", "a range", "an error", "a picture", "weights", "events"],
)
def test_others_stay_as_they_are(
    parts: list[bytes], status: int, media_type: str, accept_encoding: str
) -> None:
    headers, bodies = respond(parts, status, media_type, accept_encoding=accept_encoding)

    assert bodies == parts
    assert headers["etag"] == '"1"'
    assert "content-encoding" not in headers
    assert headers["vary"] == "Accept, Accept-Encoding"


@pytest.mark.parametrize("known", ['W/"1"', '"1"'])
def test_an_unchanged_response_has_the_etag_that_the_client_has(known: str) -> None:
    headers, _ = respond([b""], 304, accept_encoding="gzip", if_none_match=known)

    assert headers["etag"] == known


@pytest.mark.parametrize(
    ("accept_encoding", "chosen"),
    [
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("GZIP", "gzip"),
        ("*", "zstd"),
        ("zstd;q=0, *;q=0.3", "gzip"),
        ("identity;q=1, gzip;q=0.5", None),
        ("br", None),
        ("", None),
    ],
)
def test_a_client_gets_the_coding_that_it_prefers(accept_encoding: str, chosen: str | None) -> None:
    found = choose_coding(accept_encoding, BOTH)

    assert (found.name if found else None) == chosen
