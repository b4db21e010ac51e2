"""How OpenAPI describes a stream of events."""

from collections.abc import Mapping

from pydantic import BaseModel

from service.api.shared.openapi import REFERENCES, TEXT, Responses

MEDIA_TYPE = "text/event-stream"


def event_response(events: Mapping[str, type[BaseModel]], example: str, ends: bool = False) -> Responses:
    """Document a stream of these events with an example; one that `ends` has nothing for a client with all.

    OpenAPI 3.1 has no words for the events of a stream: `x-events` names the schema of each one's data.
    """
    data = {name: {"$ref": REFERENCES.format(model=model.__name__)} for name, model in events.items()}
    names = ", ".join(f"`{name}` ({model.__name__})" for name, model in events.items())
    found: Responses = {
        200: {
            "description": f"Server-Sent Events, with JSON as data: {names}",
            "content": {MEDIA_TYPE: {"schema": TEXT, "example": example, "x-events": data}},
        }
    }
    return {**found, 204: {"description": "The client has every event"}} if ends else found
