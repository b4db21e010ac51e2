"""Webhooks: make, list, read, test, delete; their deliveries: list, read, send again."""

from typing import Annotated

from fastapi import APIRouter, Body, Query, Request, Response
from sqlalchemy.orm import Session

from service.api.shared.conditional import etag_of, with_etag
from service.api.shared.dependencies import TheDatabase
from service.api.shared.idempotency import Creation, create_once
from service.api.shared.openapi import conditional_response, json_response, request_example
from service.api.shared.pagination import link_next
from service.api.shared.parameters import Cursor, IdempotencyKey, PageLimit
from service.api.shared.problems import problems
from service.api.shared.scopes import needs
from service.api.webhooks import examples
from service.api.webhooks.schemas import (
    DeletedWebhook,
    DeliveryDetails,
    DeliveryId,
    DeliveryList,
    DeliveryState,
    NewWebhook,
    Ping,
    WebhookDetails,
    WebhookId,
    WebhookList,
    WebhookSubmission,
)
from service.api.webhooks.views import delivery_link, view_delivery, view_new, view_webhook
from service.callers import ADMIN
from service.links import link
from service.store import clock, deliveries, webhooks

router = APIRouter(tags=["webhooks"])


@router.post(
    "/webhooks",
    status_code=201,
    response_model=NewWebhook,
    responses={**json_response(201, examples.CREATED), **problems(400, 408, 409, 415, 503)},
)
@needs(ADMIN)
def create_webhook(
    database: TheDatabase,
    submission: Annotated[WebhookSubmission, Body(openapi_examples=request_example(examples.SUBMISSION))],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Have events sent to a URL, signed as in Standard Webhooks; only this response has the secret."""

    def create(session: Session) -> Creation:
        events, now = list(dict.fromkeys(submission.events)), clock.now(session)
        webhook = webhooks.create(session, submission.url, events, submission.label, now)
        return Creation(view_new(webhook).model_dump_json(), link(f"/webhooks/{webhook.id}"))

    return create_once(database, idempotency_key, "create_webhook", submission, create)


@router.get(
    "/webhooks",
    response_model=WebhookList,
    responses={**conditional_response(examples.WEBHOOK_LIST), **problems(503)},
)
@needs(ADMIN)
def list_webhooks(
    request: Request, database: TheDatabase, limit: PageLimit = 20, cursor: Cursor = None
) -> Response:
    """List webhooks, the newest first."""
    with database.reading() as session:
        page = webhooks.list_page(session, limit, cursor)
    shown = WebhookList(items=list(map(view_webhook, page.items)), next_cursor=page.next_cursor)
    body = shown.model_dump_json().encode()
    return link_next(request, with_etag(request, etag_of(body), body), page.next_cursor)


@router.get(
    "/webhooks/{webhook_id}",
    response_model=WebhookDetails,
    responses={**conditional_response(examples.WEBHOOK), **problems(404, 503)},
)
@needs(ADMIN)
def get_webhook(request: Request, database: TheDatabase, webhook_id: WebhookId) -> Response:
    """Return a webhook, without its secret."""
    with database.reading() as session:
        body = view_webhook(webhooks.get(session, webhook_id)).model_dump_json().encode()
    return with_etag(request, etag_of(body), body)


@router.delete(
    "/webhooks/{webhook_id}",
    responses={**json_response(200, examples.DELETED), **problems(404, 503)},
)
@needs(ADMIN)
def delete_webhook(database: TheDatabase, webhook_id: WebhookId) -> DeletedWebhook:
    """Delete a webhook with its deliveries; those that wait are not sent."""
    with database.writing() as session:
        webhooks.remove(session, webhook_id)
    return DeletedWebhook(id=webhook_id)


@router.post(
    "/webhooks/{webhook_id}/test",
    status_code=201,
    response_model=DeliveryDetails,
    responses={**json_response(201, examples.PINGED), **problems(400, 404, 409, 503)},
)
@needs(ADMIN)
def ping_webhook(
    database: TheDatabase, webhook_id: WebhookId, idempotency_key: IdempotencyKey = None
) -> Response:
    """Send a ping event; `Location` is its delivery, which shows how that went."""

    def create(session: Session) -> Creation:
        webhook = webhooks.get_enabled(session, webhook_id)
        delivery = deliveries.ping(session, webhook, clock.now(session))
        return Creation(view_delivery(delivery).model_dump_json(), delivery_link(webhook, delivery))

    return create_once(database, idempotency_key, "ping_webhook", Ping(), create, webhook_id)


@router.get(
    "/webhooks/{webhook_id}/deliveries",
    response_model=DeliveryList,
    responses={**conditional_response(examples.DELIVERY_LIST), **problems(404, 503)},
)
@needs(ADMIN)
def list_deliveries(
    request: Request,
    database: TheDatabase,
    webhook_id: WebhookId,
    state: Annotated[
        list[DeliveryState] | None, Query(max_length=3, description="Any of these states.")
    ] = None,
    limit: PageLimit = 20,
    cursor: Cursor = None,
) -> Response:
    """List the deliveries of a webhook, the newest first; those that have ended are kept for 30 days."""
    with database.reading() as session:
        webhook = webhooks.get(session, webhook_id)
        page = deliveries.list_page(session, webhook, state or (), limit, cursor)
    shown = DeliveryList(items=list(map(view_delivery, page.items)), next_cursor=page.next_cursor)
    body = shown.model_dump_json().encode()
    return link_next(request, with_etag(request, etag_of(body), body), page.next_cursor)


@router.get(
    "/webhooks/{webhook_id}/deliveries/{delivery_id}",
    response_model=DeliveryDetails,
    responses={**conditional_response(examples.DELIVERY), **problems(404, 503)},
)
@needs(ADMIN)
def get_delivery(
    request: Request, database: TheDatabase, webhook_id: WebhookId, delivery_id: DeliveryId
) -> Response:
    """Return a delivery: its payload, and how its attempts went."""
    with database.reading() as session:
        delivery = deliveries.get(session, webhooks.get(session, webhook_id), delivery_id)
    body = view_delivery(delivery).model_dump_json().encode()
    return with_etag(request, etag_of(body), body)


@router.post(
    "/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver",
    responses={**json_response(200, examples.SENT_AGAIN), **problems(404, 409, 503)},
)
@needs(ADMIN)
def redeliver_event(database: TheDatabase, webhook_id: WebhookId, delivery_id: DeliveryId) -> DeliveryDetails:
    """Send a delivery again now, with the same id, whether it has ended or waits; all its retries follow."""
    with database.writing() as session:
        webhook = webhooks.get_enabled(session, webhook_id)
        return view_delivery(deliveries.send_again(session, webhook, delivery_id, clock.now(session)))
