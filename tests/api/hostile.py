"""The hostile catalogue: all its requests, its numbers, and the tests that have the numbers without a row."""

import re
from collections.abc import Iterable
from io import BytesIO
from typing import Any

import httpx
from PIL import Image

from tests.api.hostile_browsers import BROWSER_ROWS
from tests.api.hostile_comparisons import COMPARISON_ROWS
from tests.api.hostile_images import FORM, FORM_ROWS, PATH, PICTURE_ROWS, PIXEL_ROWS, SEVEN, part
from tests.api.hostile_models import MODEL_ROWS
from tests.api.hostile_paths import PATH_ROWS
from tests.api.hostile_rows import CANARY, JSON_ROWS, PNG, READ_ROWS, SPEC_ROWS, Row
from tests.edge.hostile_heads import ALLOWED, ENDLESS, HEADS, UNENDED
from tests.serving.picture_files import saved

REFUSED = [
    *JSON_ROWS,
    *SPEC_ROWS,
    *READ_ROWS,
    *PATH_ROWS,
    *BROWSER_ROWS,
    *MODEL_ROWS,
    *COMPARISON_ROWS,
    *PIXEL_ROWS,
    *FORM_ROWS,
    *PICTURE_ROWS,
]


def moving(kind: str) -> bytes:
    """A digit, and a second frame without any."""
    frames = [Image.open(BytesIO(SEVEN)), Image.new("L", (28, 28), 90)]
    return saved(frames[0], kind, save_all=True, append_images=frames[1:])


HARMLESS = [
    Row("C14 method override", "GET", "/jobs/{id}", {"X-HTTP-Method-Override": "DELETE"}, None, 200, ""),
    Row("C19 Accept", "GET", "/jobs/{id}", {"Accept": f"text/{CANARY}"}, None, 200, ""),
    Row("C24 forwarded", "GET", "/jobs", {"X-Forwarded-For": CANARY, "Forwarded": CANARY}, None, 200, ""),
    Row("If-None-Match", "GET", "/jobs/{id}", {"If-None-Match": CANARY}, None, 200, ""),
    Row("Range", "GET", "/jobs/{id}/checkpoints/latest/weights", {"Range": CANARY}, None, 200, ""),
    *(
        Row(
            f"C96 animated {kind}",
            "POST",
            PATH,
            {"Content-Type": f"image/{kind.lower()}"},
            moving(kind),
            200,
            "",
        )
        for kind in ("PNG", "WEBP", "GIF")
    ),
    Row("C95 trailing data", "POST", PATH, PNG, SEVEN + CANARY.encode() * 100_000, 200, ""),
    *(
        Row(
            f"C83 filename {n}",
            "POST",
            PATH,
            FORM,
            part(SEVEN, f'name="file"; filename="{name}"') + b"--b--\r\n",
            200,
            "",
        )
        for n, name in enumerate(
            (
                f"../../{CANARY}.png",
                "",
                "CON",
                f"\u202egnp.{CANARY}",
                f"{CANARY}\x00.png",
                f"<b>{CANARY}</b>",
                CANARY * 300,
            )
        )
    ),
    *(
        Row(f"C84 declared {kind}", "POST", PATH, FORM, part(SEVEN, kind=kind) + b"--b--\r\n", 200, "")
        for kind in ("text/html", "image/svg+xml", f"x/{CANARY}")
    ),
]
NAMES = [*(row.name for row in (*REFUSED, *HARMLESS)), *HEADS, *ALLOWED, *UNENDED, *ENDLESS]
NUMBERS = [
    *(1, 2, 3, 4, 6, 7, 8, 10, 11, 13, 14, 15, 16, 17, 19, 20, 21, 23, 24),  # every endpoint
    *(25, 26, 27, 28, 29, 30, 32, 34, 35, 37, 39, 40, 41, 42, 44),  # JSON
    *(45, 46, 47, 48, 50, 51, 52, 53, 54, 55, 56, 57, 59, 60),  # POST /jobs
    *(63, 64, 65, 66, 67, 68, 73),  # jobs
    *(74, 76, 77, 78, 79, 80, 81, 83, 84, 85, 87, 88, 89, 90, 91, 92, 94, 95, 96, 98, 100, 102, 103, 104),
    *(105, 107, 108, 109, 110, 116),  # keys and quotas
    *(111, 113, 114, 115),  # pages and probes
    *(120, 121, 122, 123, 124, 125, 126, 127),  # seen in the field
]
"""Those of the catalogue; what is not here has no number yet."""
ELSEWHERE = {
    4: ("tests/edge/test_bodies.py", "test_a_refusal_does_not_wait_for_the_rest_of_the_body"),
    16: ("tests/edge/test_bodies.py", "test_a_body_that_does_not_arrive_in_time_is_408"),
    57: ("tests/api/shared/test_idempotency.py", "test_twenty_at_once_create_one_job"),
    59: (
        "tests/api/jobs/test_queue_order.py",
        "test_what_does_not_fit_into_the_queue_is_refused_and_nothing_is_stored",
    ),
    67: ("tests/api/jobs/test_ends.py", "test_a_job_that_has_not_ended_is_not_deleted"),
    78: ("tests/api/jobs/test_divergence.py", "test_a_net_whose_outputs_are_not_finite_does_not_predict"),
    79: ("tests/api/test_damage.py", "test_every_path_that_predicts_notices_damaged_weights"),
    103: (
        "tests/api/predictions/test_processes.py",
        "test_a_small_prediction_overtakes_large_ones_and_a_stop_refuses_the_rest",
    ),
    105: ("tests/edge/test_auth.py", "test_all_who_have_no_key_get_the_same_response"),
    107: (
        "tests/edge/test_auth.py",
        "test_a_key_is_known_at_once_and_ends_with_its_revocation_and_its_time",
    ),
    108: ("tests/edge/test_auth.py", "test_who_sends_many_wrong_keys_must_wait_and_nobody_else"),
    109: ("tests/edge/test_auth.py", "test_a_key_opens_what_has_its_scope_and_nothing_else"),
    110: ("tests/edge/test_auth.py", "test_without_a_right_key_only_the_open_routes_are_there"),
    113: ("tests/web/test_job.py", "test_scripts_in_what_a_client_wrote_are_text"),
    114: ("tests/api/test_outages.py", "test_a_process_without_its_database_is_alive"),
    116: ("tests/edge/test_buckets.py", "test_no_limit_heeds_a_clock_that_can_be_set_back"),
    121: (
        "tests/api/predictions/test_processes.py",
        "test_a_small_prediction_overtakes_large_ones_and_a_stop_refuses_the_rest",
    ),
    122: ("tests/models/test_weight_norms.py", "test_decay_down_to_nothing_leaves_a_run_finite"),
    123: ("tests/api/predictions/test_many.py", "test_784_zeros_are_no_digit"),
    124: ("tests/test_folders.py", "test_a_service_in_any_folder_trains"),
    125: ("tests/store/test_refusals.py", "test_what_time_does_not_heal_says_who_does_what"),
    126: ("tests/test_pooler.py", "test_a_job_is_trained_though_its_dispatcher_dies"),
    127: ("tests/api/test_heads.py", "test_head_is_get_without_the_body"),
}
"""Numbers that no row has, because they need more than one request, and a test of each."""


def numbers(names: Iterable[str] = tuple(NAMES)) -> set[int]:
    """The numbers with which names of rows begin, such as C40 and C45 of `C40, C45 steps 0`."""
    beginnings = [re.match(r"(?:C[0-9]+(?:, )?)*", name) for name in names]
    return {int(each) for found in beginnings if found for each in re.findall(r"[0-9]+", found[0])}


def sent(client: httpx.Client, job: dict[str, Any], row: Row) -> httpx.Response:
    headers = {"X-Request-ID": CANARY, "User-Agent": CANARY, **row.headers}
    path = row.path.replace("{id}", job["id"])
    return client.request(row.method, path, headers=headers, content=row.body)
