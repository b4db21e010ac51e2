"""Requests that schemathesis makes from the description of the API, and its checks of the responses."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import httpx
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings, strategies
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.core.failures import AcceptedNegativeData, FailureGroup
from schemathesis.core.parameters import ParameterLocation
from schemathesis.openapi.checks import RejectedPositiveData
from starlette.testclient import TestClient

from tests.api.described import SCHEMA
from tests.api.refusals import IMAGES, Refusal, refusal

MOST_IMAGES = 300
"""Above the limit of a service, and a tenth of the largest limit: so many images are 16 MB of numbers."""


def for_schemathesis() -> dict[str, Any]:
    """The description, with the schema of one event where a stream is, and with shorter lists of images.

    Schemathesis checks each event; with the longest lists of images it takes minutes to make few requests.
    """
    described = deepcopy(SCHEMA)
    for name in ("PredictionRequest", "ModelsPredictionRequest"):
        for images in IMAGES:
            described["components"]["schemas"][name]["properties"][images]["maxItems"] = MOST_IMAGES
    for operation in (each for path in described["paths"].values() for each in path.values()):
        stream = operation["responses"].get("200", {}).get("content", {}).get("text/event-stream")
        if stream:
            event = {"enum": [*stream["x-events"]]}
            properties = {"event": event, "data": {"contentMediaType": "application/json"}}
            stream["schema"] = {"type": "object", "required": ["event"], "properties": properties}
    return described


# By default a refusal for the size of a body is no refusal, and a server error is one.
CHECKS = {"negative_data_rejection": {"expected-statuses": ["4xx"]}}
DESCRIBED = schemathesis.openapi.from_dict(
    for_schemathesis(), config=schemathesis.Config.from_dict({"checks": CHECKS})
)
FORM = "multipart/form-data"
BOUNDS = {"enum", "pattern", "minLength", "maxLength"}
schemathesis.serializer.alias("image/bmp", "application/octet-stream")  # as it has for other pictures
MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
SETTINGS: dict[str, Any] = {
    "derandomize": True,
    "database": None,
    "deadline": None,
    "phases": [Phase.generate],
    "suppress_health_check": [*HealthCheck],
}


@dataclass
class Fuzzing:
    """The requests to one operation, and the rules that refused some of them though they fit the schema."""

    client: TestClient
    operation: APIOperation[Any, Any, Any, Any]
    existing: Callable[[], dict[str, str]]
    """Return path parameters of something that exists."""
    n_random: int = 0
    n_at_bounds: int = 0
    refused: set[Refusal] = field(default_factory=set)

    def fuzz(self, examples: int) -> None:
        """Send so many random requests that fit the schema, and so many that do not, if any can.

        Half of the ids that fit belong to something that exists.
        """
        self._fuzz(GenerationMode.POSITIVE, examples)
        if self._can_be_broken():
            self._fuzz(GenerationMode.NEGATIVE, examples)

    def _can_be_broken(self) -> bool:
        """Whether anything is asked of a request but strings of any kind."""
        description = self.operation.definition.raw
        schemas = [parameter["schema"] for parameter in description.get("parameters", [])]
        is_bounded = [schema["type"] != "string" or not BOUNDS.isdisjoint(schema) for schema in schemas]
        return "requestBody" in description or any(is_bounded)

    def _fuzz(self, mode: GenerationMode, examples: int) -> None:
        @settings(**SETTINGS, max_examples=examples)
        @given(case=self.operation.as_strategy(generation_mode=mode), exists=strategies.booleans())
        def send(case: Case[Any], exists: bool) -> None:
            self.n_random += 1
            self._send(case, exists)

        send()

    def send_bounds(self) -> None:
        """Send requests at the bounds of the schema and beyond, and methods that the path does not have."""
        config = DESCRIBED.config.generation
        cases = DESCRIBED.iter_coverage_cases(
            self.operation, generation_modes=MODES, generation_config=config
        )
        for case, exists in zip(cases, cycle([True, False]), strict=False):
            self.n_at_bounds += 1
            self._send(case, exists)

    def _send(self, case: Case[Any], exists: bool) -> None:
        if exists and case.meta and not case.meta.is_negative_at(ParameterLocation.PATH):
            case.path_parameters = {**(case.path_parameters or {}), **self.existing()}
        answer = self._answer(case)
        try:
            case.validate_response(answer)
        except FailureGroup as failed:
            lost = AcceptedNegativeData if loses_what_is_wrong(case) else ()
            others = [each for each in failed.exceptions if not isinstance(each, lost)]
            if not all(isinstance(failure, RejectedPositiveData) for failure in others):
                raise
            self.refused |= {*refusals(answer)} if others else set()

    def _answer(self, case: Case[Any]) -> httpx.Response:
        sent = requests.Request(**case.as_transport_kwargs(base_url=str(self.client.base_url))).prepare()
        answer: httpx.Response = self.client.request(
            str(sent.method), str(sent.url), headers=dict(sent.headers), content=sent.body
        )
        return answer


def loses_what_is_wrong(case: Case[Any]) -> bool:
    """Whether a list without items may be all that is wrong: a form has no part for it."""
    return case.media_type == FORM and isinstance(case.body, dict) and [] in case.body.values()


def refusals(answer: httpx.Response) -> Iterator[Refusal]:
    """Yield the rules that a problem names."""
    problem = answer.json()
    for place in problem["errors"] or [{"code": "", "pointer": ""}]:
        yield refusal(problem["code"], place["code"], place["pointer"])
