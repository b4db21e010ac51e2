"""What the query of a prediction asks for, whatever form its images have.

Most predictions have no query, but FastAPI would spend about 30 µs on these parameters with every request.
So a query is read here if there is one, and OpenAPI and the check of queries use `PARAMETERS`.
"""

from typing import Annotated, Any

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.specs.spec import N_CLASSES
from service.api.predictions.schemas import Returned, Scale
from service.api.shared.problems import InvalidBody
from service.api.shared.query import WHOLE


class Options(BaseModel):
    """The options in a query; None where it has none, as a JSON body may have them instead."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    top_k: Annotated[int | None, Field(ge=1, le=N_CLASSES), WHOLE] = None
    """How many digits to rank; 3 by default."""
    scale: Scale | None = None
    """Whether numbers run from 0 to 1 (`unit`, the default) or from 0 to 255 (`byte`)."""
    returned: Annotated[list[Returned] | None, Field(max_length=3, alias="return")] = None
    """What to return besides: all ten probabilities, the logits, or the 28×28 input of the net."""
    partial: bool = False
    """Whether to predict for the other images if some are wrong, and to show why these are."""

    def given(self) -> dict[str, Any]:
        """Return the options that the query has, by field."""
        return {name: value for name, value in self if value is not None}


NO_OPTIONS = Options()
SINGLE = ("top_k", "scale", "partial")
PARAMETERS = [
    {
        "name": name,
        "in": "query",
        "required": False,
        "description": schema.pop("description"),
        "schema": schema,
    }
    for name, schema in Options.model_json_schema()["properties"].items()
]
"""The options as OpenAPI describes parameters."""


def read_options(request: Request) -> Options:
    """Return the options of a request; raise InvalidBody for a wrong value."""
    if not request.scope["query_string"]:
        return NO_OPTIONS
    query = request.query_params
    given: dict[str, Any] = {name: query[name] for name in SINGLE if name in query}
    if "return" in query:
        given["return"] = query.getlist("return")
    try:
        return Options.model_validate(given)
    except ValidationError as error:
        raise InvalidBody(error.errors(include_url=False)) from None
