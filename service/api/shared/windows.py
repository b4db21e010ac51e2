"""The window of steps that a query asks for."""

from typing import Annotated

from fastapi import Depends, Query

from service.api.shared.query import WHOLE
from service.errors import FieldError, ValidationFailed
from service.store.metrics import Window

LAST_STEP = 2**31 - 1

FirstStep = Annotated[int, Query(ge=1, le=LAST_STEP, description="First step to return."), WHOLE]
LastStep = Annotated[int, Query(ge=1, le=LAST_STEP, description="Last step to return."), WHOLE]


async def read_window(start_step: FirstStep = 1, end_step: LastStep = LAST_STEP) -> Window:
    """Read the window of a query; raise ValidationFailed for an empty one."""
    if start_step > end_step:
        rule = "start_step must not be above end_step"
        places = [FieldError(f"/{name}", "window", rule) for name in ("start_step", "end_step")]
        raise ValidationFailed("the window is empty", places)
    return Window(start_step, end_step)


TheWindow = Annotated[Window, Depends(read_window)]
