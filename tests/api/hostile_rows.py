"""Requests that must be refused, and how: the hostile catalogue as one table.

A row's name is its id. It begins with its numbers in the catalogue, where it has any. Every text that a
client may choose holds the canary, which no answer may repeat.
"""

from typing import Any, NamedTuple

import orjson

CANARY = "zq7canary"
KIB, MIB = 2**10, 2**20
JSON = {"Content-Type": "application/json"}
PNG = {"Content-Type": "image/png"}


class Row(NamedTuple):
    """One request, the status and the code of its answer, and the places that it names."""

    name: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes | None
    status: int
    code: str
    pointers: tuple[str, ...] = ()


def raw(name: str, body: bytes, status: int, code: str, *pointers: str, **headers: str) -> Row:
    """Bytes as the body of POST /jobs."""
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return Row(name, "POST", "/jobs", {**JSON, **named}, body, status, code, pointers)


def malformed(name: str, body: bytes) -> Row:
    return raw(name, body, 400, "malformed-json")


def spec(name: str, *pointers: str, **fields: Any) -> Row:
    """A spec that breaks a rule."""
    return raw(name, orjson.dumps(fields), 422, "validation-error", *pointers)


def number(name: str, pointer: str, text: str) -> Row:
    """A spec with a number that not every serialiser can write."""
    return raw(name, f'{{"{pointer[1:]}": {text}}}'.encode(), 422, "validation-error", pointer)


def get(name: str, path: str, status: int, code: str, *pointers: str) -> Row:
    return Row(name, "GET", path, {}, None, status, code, pointers)


def query(name: str, path: str, *pointers: str) -> Row:
    return get(name, path, 422, "validation-error", *pointers)


def send(
    name: str, method: str, path: str, body: bytes | None, status: int, code: str, *pointers: str
) -> Row:
    return Row(name, method, path, {} if body is None else JSON, body, status, code, pointers)


def typed(name: str, content_type: str | None, body: bytes = b"{}", path: str = "/jobs") -> Row:
    headers = {} if content_type is None else {"Content-Type": content_type}
    return Row(name, "POST", path, headers, body, 415, "unsupported-media-type")


def patch(name: str, *pointers: str, **fields: Any) -> Row:
    return send(name, "PATCH", "/jobs/{id}", orjson.dumps(fields), 422, "validation-error", *pointers)


UNKNOWN = f"job_{'0' * 32}"
LONG = CANARY * 1000
ARRAYS = b"[" * 30_000 + b"]" * 30_000

JSON_ROWS = [
    typed("C25 no type", None),
    typed("C25 plain text", "text/plain"),
    typed("C25 xml", "application/xml", b"<a/>"),
    typed("C25 form-encoded", "application/x-www-form-urlencoded", b"norm=weight"),
    typed("C25 a type of the client's", f"application/{CANARY}"),
    typed("C25 another charset", "application/json; charset=utf-16"),
    typed("C25 multipart", "multipart/form-data; boundary=b"),
    typed(
        "C85 form-encoded picture", "application/x-www-form-urlencoded", b"a;" * 500_000, "/jobs/{id}/predict"
    ),
    raw("C26 gzip", b"\x1f\x8b" + bytes(50), 415, "unsupported-encoding", Content_Encoding="gzip"),
    raw("C26 two codings", b"{}", 415, "unsupported-encoding", Content_Encoding="identity, br"),
    malformed("C27 empty", b""),
    malformed("C27 spaces", b"  "),
    *(raw(f"C28 {text}", text.encode(), 422, "validation-error", "") for text in ("null", "[]", '"x"', "1")),
    *(
        malformed(f"C29, C30 {text}", f'{{"learning_rate": {text}}}'.encode())
        for text in ("NaN", "Infinity", "-Infinity", "nan", "1e999", "-1e999", "0x10", "1_000", ".5", "01")
    ),
    malformed("C32 4,000 digits", b'{"seed": %s}' % (b"9" * 4_000)),
    malformed("C32 21 digits", b'{"seed": 100000000000000000000}'),
    malformed("60,000 brackets", ARRAYS),
    malformed("34 deep", b'{"tags": ' + b"[" * 33 + b"]" * 33 + b"}"),
    raw("100,000 brackets", b"[" * 100_000, 413, "payload-too-large"),
    malformed("C34 two byte order marks", b"\xef\xbb\xbf" * 2 + b"{}"),
    malformed("C34 byte order mark at the end", b"{}\xef\xbb\xbf"),
    malformed("C34 only a byte order mark", b"\xef\xbb\xbf"),
    malformed("C34 UTF-16", "{}".encode("utf-16")),
    malformed("C35 no UTF-8", b'{"label": "\xff"}'),
    malformed("lone surrogate", rb'{"label": "\ud800"}'),
    raw("C37 escaped NUL", rb'{"label": "a\u0000"}', 422, "validation-error", "/label"),
    raw("C37 escaped control", rb'{"tags": {"a": "\u001b[0m"}}', 422, "validation-error", "/tags/a"),
    malformed("C37 bare control", b'{"label": "\x00"}'),
    spec("C37, C73 newline in a label", "/label", label=f"{CANARY}\n"),
    spec("C39 unknown", "/lerning_rate", lerning_rate=CANARY),
    spec("C39 unknown with a hostile name", "", **{f"<script>{CANARY}": 1}),
    spec("C39 unknown with a long name", "", **{LONG: 1}),
    spec("C39 names of several languages", *[""] * 10, **{f"ñ{CANARY}{n}": n for n in range(99)}),
    malformed("C41 trailing garbage", b"{} x"),
    malformed("C41 two values", b"{}{}"),
    malformed("C41 comment", b"{} // x"),
    malformed("C41 single quotes", b"{'norm': 'weight'}"),
    malformed("C41 trailing comma", b'{"norm": "weight",}'),
    raw("C42 1 byte too many", b"{}".ljust(64 * KIB + 1), 413, "payload-too-large"),
    raw("C42 5 MB", b'{"label": "%s"}' % (b"x" * 5 * MIB), 413, "payload-too-large"),
    raw("duplicate key", b'{"steps": 1, "steps": 2}', 422, "validation-error", "/steps"),
    raw(
        "duplicate key after the JSON of tensors",
        b'{"steps": 1, "steps": 2}',
        422,
        "validation-error",
        "/steps",
        Inference_Header_Content_Length="0",
    ),
    raw("duplicate tag", b'{"tags": {"a": "1", "a": "2"}}', 422, "validation-error", "/tags/a"),
    *(spec(f"C44 {name}", f"/{name}", **{name: {}}) for name in ("__proto__", "constructor", "__class__")),
]

SPEC_ROWS = [
    *(
        number(f"C40, C45 steps {text}", "/steps", text)
        for text in (
            "0",
            "-1",
            "1000001",
            str(2**63),
            '"7"',
            '"7.0"',
            "7.5",
            "1e7",
            "true",
            "null",
            "[7]",
            "{}",
        )
    ),
    *(number(f"C46 n_units {text}", "/n_units", text) for text in ("0", "-1", "1.5", "1000000000000")),
    *(number(f"C48 batch_size {text}", "/batch_size", text) for text in ("0", "4097", str(2**31))),
    *(number(f"C50 learning_rate {text}", "/learning_rate", text) for text in ("0", "-0.0", "1e7", '"0.1"')),
    *(
        number(f"C51 seed {text}", "/seed", text)
        for text in ("-1", str(2**53), str(2**70)[:20], f"{2**53}.0", f"{2**53 + 1}.0", "1e300", "1e-1")
    ),
    spec("C47 over the budget", "/n_units", "/n_hidden", n_units=4096, n_hidden=8),
    raw("C51 seed 2^70", b'{"seed": %d}' % 2**70, 400, "malformed-json"),
    *(
        number(f"C60 {name} {text}", name, text)
        for name in ("/checkpoint_every", "/eval_every")
        for text in ("0", "1000000000")
    ),
    number("init 1", "/init", "1"),
    number("weight_std false", "/weight_std", "false"),
    spec("unknown norm", "/norm", norm=f"batch{CANARY}"),
    spec("norm of another case", "/norm", norm="Weight"),
    spec("norm null", "/norm", norm=None),
    *(
        spec(f"C53 {name}", "/dataset", dataset=name)
        for name in ("/etc/passwd", "file:///", "http://169.254.169.254/", "MNIST", f"kmnist/{CANARY}")
    ),
    spec("C52 optimizer that is not due", "/optimizer", optimizer=f"SGD; rm -rf {CANARY}"),
    spec("C54 empty label", "/label", label=""),
    spec("C54 label of 81", "/label", label=CANARY * 9),
    spec("label of another type", "/label", label=[CANARY]),
    spec("C55 status", "/status", status="succeeded"),
    spec("C55 attempt", "/attempt", attempt=1),
    spec("C55 id", "/id", id=CANARY),
    spec("tag of another type", "/tags/a", tags={"a": 1}),
    spec("tag too long", "/tags/a", tags={"a": CANARY * 9}),
    spec("tag without a name", "/tags", tags={"": CANARY}),
    spec("tag of a hostile name", "/tags", tags={f"<{CANARY}>": ""}),
    spec("21 tags", "/tags", tags={f"a{n}": CANARY for n in range(21)}),
    spec("tags in a list", "/tags", tags=[CANARY]),
    spec("batch norm of one row", "/norm", "/batch_size", norm="batch", batch_size=1),
    spec("init of one row", "/init", "/batch_size", init=True, batch_size=1),
    spec(
        "many wrong places",
        *["/norm", "/init", "/n_units", "/weight_std", "/learning_rate"],
        *["/batch_size", "/steps", "/seed", "/eval_every", "/checkpoint_every"],
        norm=1,
        init=1,
        n_units=0,
        weight_std=0,
        learning_rate=0,
        batch_size=0,
        steps=0,
        seed=-1,
        eval_every=0,
        checkpoint_every=0,
        keep_checkpoints=-1,
        dataset=CANARY,
    ),
    raw("C56 empty key", b"{}", 400, "idempotency-key-invalid", Idempotency_Key=""),
    raw("C56 300 characters", b"{}", 400, "idempotency-key-invalid", Idempotency_Key=CANARY * 34),
    raw("C56 spaces", b"{}", 400, "idempotency-key-invalid", Idempotency_Key=f"{CANARY} {CANARY}"),
    patch("patch of the spec", "/steps", steps=1),
    patch("patch of the status", "/status", status="queued"),
    patch("patch of tags to null", "/tags", tags=None),
    patch("patch of label to a number", "/label", label=1),
    patch("patch of label to nothing", "/label", label=""),
    send("patch of a job that is not there", "PATCH", f"/jobs/{UNKNOWN}", b"{}", 404, "job-not-found"),
]

READ_ROWS = [
    get("unknown id", f"/jobs/{UNKNOWN}", 404, "job-not-found"),
    *(
        get(f"malformed id {n}", f"/jobs/{text}", 404, "job-not-found")
        for n, text in enumerate(
            (CANARY, "job_", UNKNOWN.upper(), f"{UNKNOWN}0", "%00", f"{UNKNOWN}%0a", "...", "-1", "'--")
        )
    ),
    get("id of 8,000 characters", f"/jobs/{LONG[:8000]}", 404, "job-not-found"),
    get("id with a slash", f"/jobs/..%2F{CANARY}", 404, "not-found"),
    get("another path", f"/{CANARY}", 404, "not-found"),
    get("a slash too many", "/jobs/", 404, "not-found"),
    *(
        query(f"C63 limit {text}", f"/jobs?limit={text}", "/limit")
        for text in ("0", "-1", "201", "1" * 20, CANARY, "1.5", "", "1e9", "15e-1", "1e99", "e1", "1e", "0x1")
    ),
    *(
        query(f"C63 metrics limit {text}", f"/jobs/{{id}}/metrics?limit={text}", "/limit")
        for text in ("0", "10001")
    ),
    query("C63 repeated", "/jobs?limit=1&limit=2", "/limit"),
    query("C65 repeated sort", "/jobs?sort=created_at&sort=-created_at", "/sort"),
    query("unknown parameter", f"/jobs?page={CANARY}", "/page"),
    query("unknown parameter of a hostile name", f"/jobs?%3Cscript%3E{CANARY}=1", ""),
    query("unknown parameter of an operation without any", f"/livez?a={CANARY}", "/a"),
    query("unknown parameter of a write", f"/jobs/{{id}}?force={CANARY}", "/force"),
    query("C65 hostile status", f"/jobs?status=RUNNING'--{CANARY}", "/status/0"),
    query("C65 hostile sort", "/jobs?sort=__class__", "/sort"),
    query("C65 200 statuses", "/jobs?" + "&".join(["status=queued"] * 200), "/status"),
    query("C65 200 parameters", "/jobs?" + "&".join(f"a{n}={CANARY}" for n in range(200)), "/a0"),
    query("list of an unknown norm", f"/jobs?norm={CANARY}", "/norm"),
    query("seed 2^64", f"/jobs?seed={2**64}", "/seed"),
    query("init", f"/jobs?init={CANARY}", "/init"),
    query("tag without a value", f"/jobs?tag={CANARY}", "/tag"),
    query("list of a tag of a hostile name", f"/jobs?tag=%22{CANARY}%22:1", "/tag"),
    query("label with NUL", f"/jobs?label={CANARY}%00", "/label"),
    *(
        query(f"wait {text}", f"/jobs/{{id}}?wait={text}", "/wait")
        for text in ("-1", "61", "nan", "inf", CANARY)
    ),
    *(
        get(f"C64 cursor {n} of {path}", f"{path}cursor={text}", 422, "invalid-cursor")
        for path in ("/jobs?", "/jobs/{id}/metrics?", "/jobs?sort=-test_accuracy&")
        for n, text in enumerate(
            (
                CANARY,
                "",
                "W10",
                "bnVsbA",
                "WyJqb2JzIC1jcmVhdGVkX2F0IiwgTmFOXQ",
                "WyJqb2JzIiwgMV0",
                "%FF",
                "e30",
            )
        )
    ),
    query("C64 cursor of 201 characters", "/jobs?cursor=" + "a" * 201, "/cursor"),
    query("C68 backwards", "/jobs/{id}/metrics?start_step=9&end_step=8", "/start_step", "/end_step"),
    query("C68 negative", "/jobs/{id}/metrics?start_step=-1", "/start_step"),
    query("C68 2^31", f"/jobs/{{id}}/metrics?after_step={2**31}", "/after_step"),
    query("unknown key", f"/jobs/{{id}}/metrics?keys=step,{CANARY}", "/keys"),
    query("no keys", "/jobs/{id}/metrics?keys=", "/keys"),
    query("an empty key", "/jobs/{id}/metrics?keys=step,,train_loss", "/keys"),
    query("a space in a key", "/jobs/{id}/metrics?keys=train%20loss", "/keys"),
    query("unknown layout", f"/jobs/{{id}}/metrics?layout={CANARY}", "/layout"),
    query("unknown format", f"/jobs/{{id}}/metrics?format={CANARY}", "/format"),
    get("C53 unknown data set", f"/datasets/{CANARY}/test/0", 404, "dataset-not-found"),
    get("C53 a path as data set", "/datasets/..%2F..%2Fetc%2Fpasswd/test/0", 404, "not-found"),
    get("C53 dots as data set", "/datasets/.../test/0", 404, "dataset-not-found"),
    query("unknown split", f"/datasets/mnist/{CANARY}/0", "/split"),
    query("unknown picture format", f"/datasets/mnist/test/0?format={CANARY}", "/format"),
    *(
        query(f"index {n}", f"/datasets/mnist/test/{text}", "/index")
        for n, text in enumerate(("-1", "10000", CANARY, "1.5", "9" * 20, "9" * 5000, "0x1", "%00"))
    ),
    get("unknown checkpoint", f"/jobs/{{id}}/checkpoints/{CANARY}", 404, "checkpoint-not-found"),
]
