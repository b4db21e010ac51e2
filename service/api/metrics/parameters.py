"""The parameters that the addresses of a history have in common: its window and its metrics."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from fastapi import Depends, Query

from service.api.shared.parameters import AfterStep
from service.api.shared.windows import TheWindow
from service.errors import FieldError, ValidationFailed
from service.store.metrics import KEYS, Window

_KEY = "|".join(KEYS)

Keys = Annotated[
    str | None,
    Query(
        max_length=200,
        json_schema_extra={"pattern": f"^ *({_KEY}) *(, *({_KEY}) *)*$"},
        description="The metrics to return, separated by commas; by default all.",
    ),
]
Evaluated = Annotated[bool, Query(description="Whether to return only the steps that were evaluated.")]

Layout = Annotated[
    Literal["rows", "columns"],
    Query(description="Whether `items` of JSON are rows, or one object with a list per metric."),
]
HistoryFormat = Literal["json", "csv", "ndjson"]
HISTORY_TYPES: dict[HistoryFormat, str] = {
    "json": "application/json",
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
}


@dataclass(frozen=True)
class Selection:
    """The steps and the metrics that a client asks for; `step` is always the first of `keys`."""

    window: Window
    keys: Sequence[str]

    def after(self, step: int) -> "Selection":
        """Return the part of it after a step."""
        return replace(self, window=replace(self.window, start=max(self.window.start, step + 1)))

    def until(self, step: int) -> "Selection":
        """Return the part of it up to a step."""
        return replace(self, window=replace(self.window, end=min(self.window.end, step)))


async def read_selection(
    window: TheWindow,
    after_step: AfterStep = None,
    evaluated: Evaluated = False,
    keys: Keys = None,
) -> Selection:
    """Read the selection of a query; raise ValidationFailed for a wrong one."""
    return Selection(replace(window, evaluated=evaluated), _keys(keys)).after(after_step or 0)


TheSelection = Annotated[Selection, Depends(read_selection)]


def _keys(keys: str | None) -> Sequence[str]:
    if keys is None:
        return KEYS
    wanted = [key.strip() for key in keys.split(",")]
    if not set(wanted) <= set(KEYS):
        place = FieldError("/keys", "keys", f"must be some of: {', '.join(KEYS)}")
        raise ValidationFailed("a key is not a metric of the history", [place])
    return [key for key in KEYS if key == "step" or key in wanted]
