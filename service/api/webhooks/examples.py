"""Examples of webhooks and their deliveries."""

from typing import Any

from service.api.jobs.examples import JOB_ID

WEBHOOK_ID = "whk_019abcf0c1d27a5e8f3b6d9e0a1c2b34"
DELIVERY_ID = "dlv_019abcf2a4b87c1d9e5f0a3b6c8d7e12"
SUBMISSION = {"url": "https://hooks.example.org/normserve", "events": ["job.ended"], "label": "to the chat"}
WEBHOOK: dict[str, Any] = {
    "id": WEBHOOK_ID,
    **SUBMISSION,
    "created_at": "2026-11-28T09:00:00Z",
    "disabled_at": None,
    "links": {
        "self": f"/webhooks/{WEBHOOK_ID}",
        "deliveries": f"/webhooks/{WEBHOOK_ID}/deliveries",
        "test": f"/webhooks/{WEBHOOK_ID}/test",
    },
}
CREATED = {**WEBHOOK, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="}
WEBHOOK_LIST = {"items": [WEBHOOK], "next_cursor": None}
DELETED = {"id": WEBHOOK_ID}
PINGED: dict[str, Any] = {
    "id": DELIVERY_ID,
    "type": "ping",
    "state": "waiting",
    "attempts": 0,
    "created_at": "2026-11-28T09:01:00Z",
    "attempted_at": None,
    "next_attempt_at": "2026-11-28T09:01:00Z",
    "delivered_at": None,
    "last_status": None,
    "last_error": None,
    "payload": {"type": "ping", "timestamp": "2026-11-28T09:01:00Z", "data": {"webhook_id": WEBHOOK_ID}},
}
DELIVERY: dict[str, Any] = {
    **PINGED,
    "type": "job.ended",
    "state": "delivered",
    "attempts": 2,
    "attempted_at": "2026-11-28T09:01:05Z",
    "next_attempt_at": None,
    "delivered_at": "2026-11-28T09:01:06Z",
    "last_status": 204,
    "payload": {
        "type": "job.ended",
        "timestamp": "2026-11-28T09:01:00Z",
        "data": {
            "id": JOB_ID,
            "status": "succeeded",
            "status_reason": "finished",
            "label": None,
            "tags": {},
            "norm": "weight",
            "init": True,
            "seed": 0,
            "arm": None,
            "attempt": 1,
            "step": 1000,
            "steps": 1000,
            "failure": None,
            "created_at": "2026-11-28T09:00:00Z",
            "started_at": "2026-11-28T09:00:01Z",
            "finished_at": "2026-11-28T09:01:00Z",
            "test_accuracy": 0.9548,
            "comparison_id": None,
        },
    },
}
DELIVERY_LIST = {"items": [DELIVERY], "next_cursor": None}
SENT_AGAIN = {
    **DELIVERY,
    "state": "waiting",
    "next_attempt_at": "2026-11-28T09:05:00Z",
    "delivered_at": None,
}
