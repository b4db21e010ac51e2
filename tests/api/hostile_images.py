"""Predictions that must be refused: pixels, forms and pictures."""

import base64
import random
from typing import Any

import numpy as np
import orjson
from PIL import Image

from tests.api.hostile_rows import CANARY, JSON, MIB, PNG, Row
from tests.serving.picture_files import (
    GOOD_BMP,
    GOOD_GIF,
    GOOD_JPEG,
    GOOD_PNG,
    GOOD_WEBP,
    IEND,
    PIXEL,
    idat,
    ihdr,
    png,
    saved,
)

PATH = "/jobs/{id}/predict"
CONTENT_TYPE = "Content-Type"
FORM = {CONTENT_TYPE: "multipart/form-data; boundary=b"}
DIGIT = [0.5] * 784
SEVEN = saved(np.pad(np.full((20, 4), 255, np.uint8), ((4, 4), (12, 12))), "PNG")


def body(name: str, text: bytes, status: int, code: str, *pointers: str) -> Row:
    return Row(name, "POST", PATH, JSON, text, status, code, pointers)


def wrong(name: str, *pointers: str, **fields: Any) -> Row:
    return body(name, orjson.dumps({"images": [DIGIT], **fields}), 422, "validation-error", *pointers)


def image(name: str, value: Any, pointer: str = "/images/0") -> Row:
    return wrong(name, pointer, images=[value])


def pixel(name: str, text: str) -> Row:
    """One number of an image, as text."""
    numbers = f"{text}, {', '.join(['0'] * 783)}"
    return body(name, f'{{"images": [[{numbers}]]}}'.encode(), 422, "validation-error", "/images/0")


def picture(name: str, data: bytes, status: int = 422, code: str = "unprocessable-image") -> Row:
    return Row(name, "POST", PATH, PNG, data, status, code, ("",))


def in_json(name: str, text: str, code: str, pointer: str) -> Row:
    return body(name, orjson.dumps({"images": [DIGIT, {"png": text}]}), 422, code, pointer)


def part(data: bytes, head: str = 'name="file"; filename="x.png"', kind: str = "image/png") -> bytes:
    return (
        f"--b\r\nContent-Disposition: form-data; {head}\r\nContent-Type: {kind}\r\n\r\n".encode()
        + data
        + b"\r\n"
    )


def form(
    name: str,
    *parts: bytes,
    end: bytes = b"--b--\r\n",
    status: int,
    code: str,
    pointers: tuple[str, ...] = (),
    content_type: str = FORM[CONTENT_TYPE],
) -> Row:
    return Row(
        name, "POST", PATH, {CONTENT_TYPE: content_type}, b"".join(parts) + end, status, code, pointers
    )


MALFORMED: dict[str, Any] = {"status": 400, "code": "malformed-upload"}
EMPTY: dict[str, Any] = {"status": 422, "code": "validation-error", "pointers": ("/file",)}
BAD_FILE: dict[str, Any] = {"status": 422, "code": "unprocessable-image"}

PIXEL_ROWS = [
    *(image(f"C74 {n} numbers", [0] * n) for n in (0, 1, 783, 785)),
    body(
        "C74 a million numbers",
        b'{"images": [[' + b"0," * 999_999 + b"0]]}",
        422,
        "validation-error",
        "/images/0",
    ),
    image("27 rows", [[0] * 28] * 27),
    image("a short row", [[0] * 28] * 27 + [[0] * 27]),
    image("28 empty rows", [[]] * 28),
    image("three dimensions", [[[0] * 28] * 28]),
    wrong("C76 no images", "/images", images=[]),
    wrong("C76 257 images", "/images", images=[[0]] * 257),
    wrong("C76 one bad row", "/images/2", images=[DIGIT, DIGIT, [CANARY] * 784, DIGIT]),
    *(
        pixel(f"pixel {text}", text)
        for text in ("true", "null", '"0.5"', "[0]", "{}", "-0.01", "1.01", "99999999999999999999", "1e300")
    ),
    body("pixel NaN", b'{"images": [[NaN]]}', 400, "malformed-json"),
    body("pixel 1e999", b'{"images": [[1e999]]}', 400, "malformed-json"),
    wrong("byte over 255", "/images/0", images=[[256] + [0] * 783], scale="byte"),
    image("text", CANARY),
    image("null", None),
    image("another member", {"jpg": CANARY}),
    image("png and more", {"png": "", CANARY: 1}),
    image("png of numbers", {"png": [1, 2]}),
    image("__proto__", {"__proto__": {"png": CANARY}}),
    in_json("png that is not base64", f"{CANARY}!", "validation-error", "/images/1/png"),
    in_json("png of other letters", "ÿ", "validation-error", "/images/1/png"),
    in_json(
        "png that is text", base64.b64encode(CANARY.encode()).decode(), "unprocessable-image", "/images/1/png"
    ),
    in_json("png of nothing", "", "unprocessable-image", "/images/1/png"),
    in_json("C104 data URL", "data:image/png;base64,iVBORw0KGgo=", "unprocessable-image", "/images/1/png"),
    *(
        in_json(f"data URL {n}", text, "validation-error", "/images/1/png")
        for n, text in enumerate(
            ("data:", "data:image/png;base64", f"data:image/png,{CANARY}", f"data:;base64,{CANARY}!")
        )
    ),
    in_json("base64 with a digit too many", "iVBOR", "validation-error", "/images/1/png"),
    in_json("base64 with an end in the middle", "iVBO=Rw0K", "validation-error", "/images/1/png"),
    in_json("C104 http URL", "http://169.254.169.254/", "validation-error", "/images/1/png"),
    wrong("scale", "/scale", scale=CANARY),
    *(wrong(f"top_k {value}", "/top_k", top_k=value) for value in (0, 11, "3", 3.5, True)),
    wrong("return of something else", "/return/0", **{"return": [CANARY]}),
    wrong("return of text", "/return", **{"return": CANARY}),
    wrong("returned", "/returned", returned=["logits"]),
    wrong("unknown member", "/url", url=f"http://{CANARY}/"),
    body("no images", b"{}", 422, "validation-error", "/images"),
    body("images in an object", b'{"images": {}}', 422, "validation-error", "/images"),
    *(
        body(f"C28 prediction from {text}", text.encode(), 422, "validation-error", "")
        for text in ("null", "[]", '"x"', "1")
    ),
    body(
        "prediction from 100,000 brackets",
        b'{"images": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        400,
        "malformed-json",
    ),
    body("C42 over 4 MB", b'{"images": [' + b" " * 4 * MIB + b"]}", 413, "payload-too-large"),
    Row(
        "C80 negative step",
        "POST",
        f"{PATH}?checkpoint=-1",
        JSON,
        b'{"images": [[0]]}',
        422,
        "validation-error",
        ("/checkpoint",),
    ),
    Row(
        "C80 text",
        "POST",
        f"{PATH}?checkpoint={CANARY}",
        JSON,
        b'{"images": [[0]]}',
        422,
        "validation-error",
        ("/checkpoint",),
    ),
    Row(
        "C80 future step",
        "POST",
        f"{PATH}?checkpoint=1001",
        JSON,
        orjson.dumps({"images": [DIGIT]}),
        404,
        "checkpoint-not-found",
    ),
    Row(
        "C77 no job",
        "POST",
        f"/jobs/job_{'0' * 32}/predict",
        JSON,
        orjson.dumps({"images": [DIGIT]}),
        404,
        "job-not-found",
    ),
]

FORM_ROWS = [
    form("C81 no boundary", part(GOOD_PNG), **MALFORMED, content_type="multipart/form-data"),
    form(
        "C81 wrong boundary",
        part(GOOD_PNG),
        **MALFORMED,
        content_type=f"multipart/form-data; boundary={CANARY}",
    ),
    form("C81 unterminated", part(GOOD_PNG), end=b"", **MALFORMED),
    form("C81 empty form", **EMPTY),
    form("C81 no body", end=b"", **MALFORMED),
    form("C81 no name", part(GOOD_PNG, 'filename="x.png"'), **MALFORMED),
    form("C81 head without end", b"--b\r\nContent-Disposition: " + b"x" * 50_000, **MALFORMED),
    form("another part", part(GOOD_PNG, f'name="{CANARY}"; filename="x.png"'), **EMPTY),
    form("a part more", part(GOOD_PNG), part(GOOD_PNG, 'name="b"; filename="x"'), **EMPTY),
    form("C83 no filename", part(GOOD_PNG, 'name="file"'), **MALFORMED),
    form("a field beside it", part(GOOD_PNG), part(CANARY.encode(), 'name="top_k"'), **MALFORMED),
    form(
        "a charset that cannot be",
        part(GOOD_PNG),
        **MALFORMED,
        content_type="multipart/form-data; boundary=b; charset=undefined",
    ),
    form(
        "a charset that fails",
        part(GOOD_PNG),
        **MALFORMED,
        content_type="multipart/form-data; boundary=b; charset=punycode",
    ),
    form("257 files", *[part(b"")] * 257, **EMPTY),
    form(
        "a bad one among parts of several names",
        part(SEVEN),
        part(SEVEN, 'name="images"; filename="x"'),
        part(CANARY.encode(), 'name="images"; filename="x"'),
        **BAD_FILE,
        pointers=("/images/1",),
    ),
    form("C87 an empty file", part(b""), **BAD_FILE, pointers=("/file/0",)),
    form(
        "one bad of three",
        part(SEVEN),
        part(CANARY.encode()),
        part(SEVEN),
        **BAD_FILE,
        pointers=("/file/1",),
    ),
    form(
        "C104 URL in place of a file", part(f"http://{CANARY}/".encode()), **BAD_FILE, pointers=("/file/0",)
    ),
    form("over 16 MB", part(bytes(16 * MIB)), status=413, code="payload-too-large"),
]

SPLIT = GOOD_PNG.index(b"IDAT")
KINDS = ("TIFF", "AVIF", "ICO", "PPM", "TGA")
PICTURE_ROWS = [
    picture("C87 0 bytes", b""),
    picture("C87 1 byte", b"\x89"),
    picture("C87 random 1 MB", random.Random(0).randbytes(MIB)),
    picture("C87 zip", b"PK\x03\x04" + bytes(500)),
    picture("C87 html", f"<!doctype html><title>{CANARY}</title>".encode()),
    picture("C87 text", CANARY.encode() * 100),
    *(picture(f"C88 {kind}", saved(Image.new("RGB", (32, 32), "red"), kind)) for kind in KINDS),
    picture("C89 svg", b"<!DOCTYPE s [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><svg>&x;</svg>"),
    picture(
        "C90 9000x9000 of 1 bit",
        png(ihdr(9000, 9000, depth=1), idat(bytes(1126 * 9000)), IEND),
        413,
        "image-too-large",
    ),
    picture("C91 13000x13000", png(ihdr(13_000, 13_000), PIXEL, IEND), 413, "image-too-large"),
    picture("C92 1x1000000", png(ihdr(1, 10**6), PIXEL, IEND), 422, "blank-image"),
    picture("C92 28x2^31-1", png(ihdr(28, 2**31 - 1), PIXEL, IEND), 413, "image-too-large"),
    picture("C94 IDAT before IHDR", png(PIXEL, ihdr(1, 1), IEND)),
    picture("C94 two IHDR", png(ihdr(1, 1), ihdr(1, 1), PIXEL, IEND)),
    picture("C98 no palette", png(ihdr(1, 1, colour=3), PIXEL, IEND)),
    picture("C92 20000x20000", png(ihdr(20_000, 20_000), PIXEL, IEND), 413, "image-too-large"),
    picture("C92 2^31-1 squared", png(ihdr(2**31 - 1, 2**31 - 1), PIXEL, IEND), 413, "image-too-large"),
    picture("C92 0x0", png(ihdr(0, 0), PIXEL, IEND)),
    picture("C94 truncated", GOOD_PNG[: SPLIT + 20]),
    picture("C94 no end", GOOD_PNG[: -len(IEND)]),
    picture("C94 wrong checksum", GOOD_PNG[: SPLIT + 9] + b"\xaa" + GOOD_PNG[SPLIT + 10 :]),
    picture("C100 jpeg cut", GOOD_JPEG[:200]),
    picture("webp cut", GOOD_WEBP[:-1]),
    picture("gif cut", GOOD_GIF[:-9]),
    picture("bmp cut", GOOD_BMP[:-1]),
    picture("gif of 65535x65535", GOOD_GIF[:6] + b"\xff" * 4 + GOOD_GIF[10:], 413, "image-too-large"),
    picture("C102 all black", saved(Image.new("L", (28, 28), 0), "PNG"), 422, "blank-image"),
    picture("C102 all white", saved(Image.new("L", (280, 280), 255), "JPEG"), 422, "blank-image"),
    picture("C102 1x1", saved(Image.new("L", (1, 1), 9), "PNG"), 422, "blank-image"),
]
