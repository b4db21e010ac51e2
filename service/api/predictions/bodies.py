"""The bodies of a prediction: JSON, files of a form, or a bare picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from fastapi import Request
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from models.specs.spec import N_IN
from service.api.predictions.schemas import ModelsPredictionRequest, PredictionRequest, Returned
from service.api.shared.problems import InvalidBody
from service.errors import FieldError, MalformedUpload, ValidationFailed
from service.serving.inputs import DigitsWanted, Unread, json_images, pictures

FEW_IMAGES = 64
TOP_K: int = PredictionRequest.model_fields["top_k"].default


@dataclass(frozen=True)
class Wanted:
    """What to predict, and what to return."""

    images: Sequence[Unread]
    top_k: int = TOP_K
    returned: Sequence[Returned] = ()
    digits: DigitsWanted = "one"
    models: Sequence[str] = ()
    """The models to predict with, where the body names them."""
    is_small: bool = False
    """Whether reading the images takes less time than a thread does to start on it."""

    def cost(self) -> int:
        """Return what the prediction costs, in pixels: those to read, and those of the rows for the net."""
        return sum(image.n_pixels for image in self.images) + N_IN * len(self.images)


async def read_body(
    request: Request,
    max_images: int,
    digits: DigitsWanted = "one",
    schema: type[PredictionRequest] = PredictionRequest,
) -> Wanted:
    """Read the body of a prediction; its images are decoded later."""
    media_type = request.headers["content-type"].partition(";")[0].strip().lower()
    if media_type == "application/json":
        return _from_json(_parse(await request.body(), max_images, schema), digits)
    if media_type == "multipart/form-data":
        files = await _files(request, max_images)
        return Wanted(
            pictures(files, [f"/file/{place}" for place in range(len(files))], digits), digits=digits
        )
    return Wanted(pictures([await request.body()], [""], digits), digits=digits)


def _from_json(body: PredictionRequest, digits: DigitsWanted) -> Wanted:
    has_pictures = any(isinstance(image, dict) for image in body.images)
    return Wanted(
        images=json_images(body.images, body.scale, digits),
        top_k=body.top_k,
        returned=body.returned,
        digits=digits,
        models=body.models if isinstance(body, ModelsPredictionRequest) else (),
        is_small=len(body.images) <= FEW_IMAGES and not has_pictures,
    )


def _parse(body: bytes, max_images: int, schema: type[PredictionRequest]) -> PredictionRequest:
    try:
        parsed = schema.model_validate(orjson.loads(body))
    except ValidationError as error:
        # The app's handler for bodies knows FastAPI's own errors only.
        raise InvalidBody(error.errors(include_url=False)) from None
    if len(parsed.images) > max_images:
        place = FieldError("/images", "too_long", f"must have at most {max_images} images")
        raise ValidationFailed("there are too many images", [place])
    return parsed


async def _files(request: Request, max_files: int) -> list[bytes]:
    """Read the parts named `file`; their file names and types do not matter."""
    rule = f"the form must be multipart/form-data with 1 to {max_files} parts named file"
    if not (await request.body()).rstrip().endswith(b"--"):
        raise MalformedUpload(f"the end of the form is missing; {rule}")
    try:
        async with request.form(max_files=max_files, max_fields=0) as form:
            files = form.getlist("file")
            if not files or len(files) != len(form.multi_items()):
                place = FieldError(
                    "/file", "missing", "must be one or more files, each in a part that is called file"
                )
                raise ValidationFailed(
                    "the form must have files only, each in a part that is called file", [place]
                )
            return [await file.read() for file in files if isinstance(file, UploadFile)]
    except (HTTPException, UnicodeError) as error:  # a charset of the client's can fail to decode a name
        if isinstance(error, HTTPException) and error.detail.startswith("Too many files"):
            places = [FieldError("/file", "too_long", f"must have at most {max_files} files")]
            raise ValidationFailed(rule, places) from None
        raise MalformedUpload(rule) from None
