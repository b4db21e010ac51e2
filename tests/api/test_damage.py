"""Stored nets that were changed at random are noticed before they are read, and never used."""

import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from starlette.testclient import TestClient

from models.data.digits import Digits
from models.specs import span_lengths
from service.store import counters
from service.store.invariants import check_invariants
from tests.api import planted, work
from tests.fixtures import Figure
from tests.runs import undisturbed

pytestmark = pytest.mark.slow

SPEC: dict[str, Any] = {"norm": "batch", "n_units": 8, "steps": 2, "eval_every": 2, "checkpoint_every": 2}
PIXELS = {"images": [[0.5] * 784], "return": ["logits"]}
FLOAT32 = {"Content-Type": "application/octet-stream"}
INFERENCE = {"inputs": [{"name": "pixels", "shape": [1, 784], "datatype": "FP32", "data": [0.5] * 784}]}
NOTICED = (409, "checkpoint-corrupt", "The stored weights no longer match their sha256.")
"""An answer from before the bytes are taken for a safetensors file."""

SHORT, LONG = 24, 500

Damage = Callable[[bytes], bytes]
Answer = tuple[int, str, str]


def flip(rng: random.Random, whole: bytes, _other: bytes) -> bytes:
    place = rng.randrange(len(whole))
    return whole[:place] + bytes([whole[place] ^ 1 << rng.randrange(8)]) + whole[place + 1 :]


def cut(rng: random.Random, whole: bytes, _other: bytes) -> bytes:
    return whole[: rng.randrange(len(whole))]


def lose_a_part(rng: random.Random, whole: bytes, _other: bytes) -> bytes:
    first, last = sorted(rng.sample(range(len(whole)), 2))
    return whole[:first] + whole[last:]


def add_a_part(rng: random.Random, whole: bytes, _other: bytes) -> bytes:
    place = rng.randrange(len(whole))
    return whole[:place] + rng.randbytes(rng.randint(1, 4096)) + whole[place:]


def write_over_a_part(rng: random.Random, whole: bytes, _other: bytes) -> bytes:
    part = rng.randbytes(rng.randint(16, 4096))
    place = rng.randrange(len(whole) - len(part))
    return whole[:place] + part + whole[place + len(part) :]


def exchange_two_parts(rng: random.Random, whole: bytes, _other: bytes) -> bytes:
    middle = rng.randrange(1, len(whole))
    return whole[middle:] + whole[:middle]


def take_another_row_s(_rng: random.Random, _whole: bytes, other: bytes) -> bytes:
    return other


def mix_with_another_row(rng: random.Random, whole: bytes, other: bytes) -> bytes:
    """The header and the first tensors of one net, the rest of another: a file that can be read."""
    place = rng.randrange(len(whole) // 2, len(whole) - 64)
    return whole[:place] + other[place:]


KINDS = (
    flip,
    cut,
    lose_a_part,
    add_a_part,
    write_over_a_part,
    exchange_two_parts,
    take_another_row_s,
    mix_with_another_row,
)


def damages(count: int, other: bytes) -> list[Damage]:
    """So many ways to change bytes, of all kinds, the same each time."""
    return [partial(_changed, KINDS[seed % len(KINDS)], seed, other) for seed in range(count)]


def _changed(
    kind: Callable[[random.Random, bytes, bytes], bytes], seed: int, other: bytes, whole: bytes
) -> bytes:
    found = kind(random.Random(seed), whole, other)
    assert found != whole
    return found


def weights_of(client: TestClient, job_id: str) -> bytes:
    weights: bytes = client.get(f"/jobs/{job_id}/checkpoints/latest/weights").content
    return weights


def answers_to(client: TestClient, job_id: str, weights: bytes) -> list[Answer]:
    """What is said of damaged weights: to those who want them whole, a part of them, or a prediction."""
    work.store_weights(client, job_id, weights)
    url = f"/jobs/{job_id}"
    answers = [
        client.get(f"{url}/checkpoints/latest/weights"),
        client.get(f"{url}/checkpoints/latest/weights", headers={"Range": "bytes=0-99"}),
        client.post(f"{url}/predict", json=PIXELS),
    ]
    return [(answer.status_code, answer.json()["code"], answer.json()["detail"]) for answer in answers]


def damage_weights(client: TestClient, digits: Digits, count: int) -> Counter[Answer]:
    """Damage a checkpoint in so many ways; count what was said of it."""
    job, other = (work.trained(client, digits, **SPEC, seed=seed)["id"] for seed in (1, 2))
    whole = weights_of(client, job)
    ways = damages(count, weights_of(client, other))
    return Counter(answer for damage in ways for answer in answers_to(client, job, damage(whole)))


def predictions_of_damaged(client: TestClient, digits: Digits, count: int) -> tuple[list[Any], list[Any]]:
    """What a net in use said before its checkpoint was damaged, and after each of so many damages."""
    job, other = (work.trained(client, digits, **SPEC, seed=seed)["id"] for seed in (1, 2))
    whole = weights_of(client, job)
    ways = damages(count, weights_of(client, other))
    before = predictions(client, job)
    after = []
    for damage in ways:
        work.store_weights(client, job, damage(whole))
        after.append(predictions(client, job))
    return before, after


def predictions(client: TestClient, job_id: str) -> Any:
    return client.post(f"/jobs/{job_id}/predict", json=PIXELS).json()["predictions"]


def trained_over_damage(client: TestClient, digits: Digits, damage: Damage) -> str | None:
    """Train a job whose resume state is damaged between two attempts; answer its weights_sha256."""
    job_id = work.submitted(client, **SPEC, seed=1)["id"]
    work.train_a_span(client, digits, job_id)
    work.change_state(client, job_id, damage)
    work.train(client, digits, job_id)
    sha256: str | None = work.shown(client, job_id)["weights_sha256"]
    return sha256


def damage_resume_states(client: TestClient, digits: Digits, count: int) -> tuple[Counter[str | None], int]:
    """Damage resume states in so many ways; count the nets that came of it, and how often it was noticed."""
    other = work.submitted(client, **SPEC, seed=2)["id"]
    work.train_a_span(client, digits, other)
    state = work.claimed(client, other).resume_state or b""
    ends = Counter(trained_over_damage(client, digits, damage) for damage in damages(count, state))
    with work.database(client).reading() as session:
        noticed = counters.read(session)["damaged_resume_states"]
    assert check_invariants(work.database(client)) == []
    return ends, noticed


@pytest.fixture
def spans_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(span_lengths, "FIRST_SPAN_SECONDS", 1e-9)
    monkeypatch.setattr(span_lengths, "LONGEST_SPAN_SECONDS", 1e-9)
    monkeypatch.setattr(span_lengths, "SPAN_TO_STORING", 0)


def test_damaged_weights_are_noticed_before_they_are_read(client: TestClient, digits: Digits) -> None:
    assert damage_weights(client, digits, SHORT) == {NOTICED: 3 * SHORT}


def test_every_path_that_predicts_notices_damaged_weights(client: TestClient, digits: Digits) -> None:
    job, other = (work.trained(client, digits, **SPEC, seed=seed) for seed in (1, 2))
    client.put("/models/damaged", json={"job": job["id"]}).raise_for_status()
    comparison = planted.with_net(client, job)
    [planted_job] = client.get(comparison["links"]["jobs"]).json()["items"]
    damaged = flip(random.Random(0), weights_of(client, job["id"]), b"")
    for job_id in (job["id"], planted_job["id"]):
        work.store_weights(client, job_id, damaged)

    alone = [
        client.post(path, **sent)
        for path in (f"/jobs/{job['id']}/predict", "/models/damaged/predict")
        for sent in ({"json": PIXELS}, {"content": bytes(3136), "headers": FLOAT32}, {"files": {"file": b""}})
    ]
    together = client.post(f"/predict?model=damaged&model={other['id']}", json=PIXELS).json()["models"]
    nobody = [
        client.post("/predict?model=damaged", json=PIXELS),
        client.post(f"{comparison['links']['self']}/predict", json=PIXELS),
    ]
    inferred = client.post("/v2/models/damaged/infer", json=INFERENCE)

    assert [(answer.status_code, answer.json()["code"], answer.json()["detail"]) for answer in alone] == [
        NOTICED
    ] * 6
    assert together[0]["missing"]["code"] == "checkpoint-corrupt"
    assert [len(each["predictions"]) for each in together] == [0, 1]
    assert [work.problem(answer) for answer in nobody] == [(409, "model-not-ready", [])] * 2
    assert inferred.status_code == 503


def test_a_net_in_use_predicts_the_same_when_its_checkpoint_is_damaged(
    client: TestClient, digits: Digits
) -> None:
    before, after = predictions_of_damaged(client, digits, SHORT)

    assert after == [before] * SHORT


@pytest.mark.usefixtures("spans_of_a_step")
def test_a_job_with_a_damaged_resume_state_starts_again(client: TestClient, digits: Digits) -> None:
    weights_sha256, _ = undisturbed(digits, {**SPEC, "seed": 1})

    assert damage_resume_states(client, digits, SHORT) == ({weights_sha256: SHORT}, SHORT)


@pytest.mark.long
def test_five_hundred_damaged_checkpoints_are_noticed(
    client: TestClient, digits: Digits, figure: Figure
) -> None:
    said = damage_weights(client, digits, LONG)
    before, after = predictions_of_damaged(client, digits, LONG)

    kind = "SQLite" if work.database(client).is_sqlite else "PostgreSQL"
    figure(f"{LONG} damaged checkpoints on {kind}, noticed", said[NOTICED] // 3, f"{LONG}")
    figure(f"{LONG} damages under a net in use on {kind}, same predictions", after.count(before), f"{LONG}")
    assert said == {NOTICED: 3 * LONG}
    assert after == [before] * LONG


@pytest.mark.long
@pytest.mark.usefixtures("spans_of_a_step")
def test_five_hundred_damaged_resume_states_are_noticed(
    client: TestClient, digits: Digits, figure: Figure
) -> None:
    weights_sha256, _ = undisturbed(digits, {**SPEC, "seed": 1})

    ends, noticed = damage_resume_states(client, digits, LONG)

    kind = "SQLite" if work.database(client).is_sqlite else "PostgreSQL"
    figure(f"{LONG} damaged resume states on {kind}, noticed", noticed, f"{LONG}")
    figure(f"{LONG} damaged resume states on {kind}, nets as undisturbed", ends[weights_sha256], f"{LONG}")
    assert (ends, noticed) == ({weights_sha256: LONG}, LONG)
