"""Requests about served models that must be refused."""

from typing import Any

import orjson

from tests.api.hostile_rows import CANARY, KIB, UNKNOWN, Row, get, send

INVALID = 422, "validation-error"
NONE = 404, "model-not-found"
PIXELS = orjson.dumps({"images": [[0.5] * 784]})


def put(name: str, status: int, code: str, *pointers: str, model: str = "a", **target: Any) -> Row:
    return send(name, "PUT", f"/models/{model}", orjson.dumps(target), status, code, *pointers)


MODEL_ROWS = [
    send("a target that is cut", "PUT", "/models/a", b'{"job": "', 400, "malformed-json"),
    send("a target twice", "PUT", "/models/a", b'{"job": "a", "job": "b"}', *INVALID, "/job"),
    send("a large target", "PUT", "/models/a", b" " * 65 * KIB, 413, "payload-too-large"),
    put("a target without a job", *INVALID, "/job"),
    put("an unknown member of a target", *INVALID, "/step", job=UNKNOWN, step=1),
    put("a checkpoint of another name", *INVALID, "/checkpoint", job=UNKNOWN, checkpoint=CANARY),
    put("a checkpoint that is a list", *INVALID, "/checkpoint", job=UNKNOWN, checkpoint=[CANARY]),
    put("a negative checkpoint", *INVALID, "/checkpoint", job=UNKNOWN, checkpoint=-1),
    put("a job of another kind", 404, "job-not-found", "/job", job=CANARY),
    put("a job with a control character", *INVALID, "/job", job=f"{CANARY}\n"),
    put("no such job", 404, "job-not-found", "/job", job=UNKNOWN),
    put("a name like an id", *INVALID, "/model_name", model=f"job_{CANARY}", job=UNKNOWN),
    put("a name like a markup", *INVALID, "/model_name", model=f"<b>{CANARY}", job=UNKNOWN),
    put("a name that is quoted", *INVALID, "/model_name", model=f"a'{CANARY}--", job=UNKNOWN),
    put("a name with a NUL", *INVALID, "/model_name", model=f"{CANARY}%00", job=UNKNOWN),
    put("a name that is too long", *INVALID, "/model_name", model=CANARY * 9, job=UNKNOWN),
    get("a model that is not there", f"/models/{CANARY}", *NONE),
    get("a model with a NUL", f"/models/{CANARY}%00", *NONE),
    get("models of a forged cursor", f"/models?cursor={CANARY}", 422, "invalid-cursor"),
    send("delete of no model", "DELETE", f"/models/{CANARY}", None, *NONE),
    send("delete of version 0", "DELETE", "/models/a/versions/0", None, *INVALID, "/version"),
    send("delete of a large version", "DELETE", f"/models/a/versions/{2**31}", None, *INVALID, "/version"),
    send("predict with no model", "POST", f"/models/{CANARY}/predict", PIXELS, *NONE),
    send("predict with version 0", "POST", "/models/a/predict?version=0", PIXELS, *INVALID, "/version"),
    send("predict with nothing", "POST", "/predict", PIXELS, *INVALID, "/models"),
    send("predict with an unknown model", "POST", f"/predict?model={CANARY}", PIXELS, *NONE),
    send("predict with a model twice", "POST", "/predict?model=a&model=a", PIXELS, *INVALID, "/models"),
]
