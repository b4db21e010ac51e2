"""The parameters that several operations have."""

from typing import Annotated

from fastapi import Header, Path, Query

from service.api.shared.query import WHOLE

JobId = Annotated[str, Path(description="Id of the job.")]
ModelName = Annotated[str, Path(description="Name of the model.")]
ComparisonId = Annotated[str, Path(description="Id of the comparison.")]
CheckpointName = Annotated[str, Path(description="A step that has a checkpoint, `latest` or `best`.")]
ChosenCheckpoint = Annotated[
    str, Query(pattern=r"^(latest|best|\d{1,9})$", description="A step that has one, `latest` or `best`.")
]

Wait = Annotated[float, Query(ge=0, le=60, allow_inf_nan=False, description="Most seconds to wait.")]
PageLimit = Annotated[int, Query(ge=1, le=200, description="Most items of the page."), WHOLE]
Cursor = Annotated[
    str | None, Query(max_length=200, description="`next_cursor` of the page before; without it, the first.")
]
AfterStep = Annotated[
    int | None, Query(ge=0, le=2**31 - 2, description="Return only rows of later steps."), WHOLE
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        # The store refuses another key, with a problem of its own.
        json_schema_extra={"pattern": "^[!-~]{1,255}$"},
        description="1 to 255 visible ASCII characters of your choice: within 24 hours, the same key with "
        "the same body returns the first response again and changes nothing.",
    ),
]
