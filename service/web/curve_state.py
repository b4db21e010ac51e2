"""The state of curves in the address of a page: its script reads and writes it, and a reload keeps it."""

from typing import Annotated, Any, Literal

from fastapi import Depends, Query

from analysis.curves import BandKind
from service.api.shared.query import WHOLE
from service.api.shared.windows import LAST_STEP
from service.comparing.curves import CurveMetric


async def curve_state(
    metric: CurveMetric = "test_accuracy",
    band: BandKind = "ci95",
    start: Annotated[int | None, Query(alias="from", ge=1, le=LAST_STEP), WHOLE] = None,
    end: Annotated[int | None, Query(alias="to", ge=1, le=LAST_STEP), WHOLE] = None,
    x: Literal["step", "seconds"] = "step",  # noqa: ARG001 # the script reads it
    runs: bool = False,  # noqa: ARG001
    log: bool = False,  # noqa: ARG001
    smoothing: Annotated[float, Query(ge=0, lt=1)] = 0,  # noqa: ARG001
) -> dict[str, Any]:
    """Return what of the state the API's figures of a comparison can show too, as their parameters."""
    found = {"metric": metric, "band": band, "start_step": start, "end_step": end}
    return {name: value for name, value in found.items() if value is not None}


CurveState = Annotated[dict[str, Any], Depends(curve_state)]
