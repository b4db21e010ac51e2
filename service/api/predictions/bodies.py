"""The bodies of a prediction: JSON, float32, files of a form, or a bare picture."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
from fastapi import Request
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from models.specs.spec import N_IN
from service.api.predictions.options import Options, read_options
from service.api.predictions.schemas import ModelsPredictionRequest, PredictionRequest, Returned
from service.api.shared.problems import InvalidBody
from service.errors import FieldError, MalformedUpload, ValidationFailed
from service.serving.inputs import DigitsWanted, Unread, float32_images, json_images, pictures

FEW_IMAGES = 64
IMAGES = ("images", "instances", "inputs")
"""The fields of JSON that may have the images."""
PARTS = ("file", "files", "image", "images")
"""The names of a form's parts that may have them."""
NAMES = f"{', '.join(PARTS[:-1])} or {PARTS[-1]}"
TOP_K: int = PredictionRequest.model_fields["top_k"].default


@dataclass(frozen=True)
class PredictionQuery:
    """What to predict, and what to return."""

    images: Sequence[Unread]
    pointer: str
    """Where the list of images is in the body."""
    top_k: int
    returned: Sequence[Returned]
    digits: DigitsWanted
    models: Sequence[str] = ()
    """The models to predict with, where the body names them."""
    has_columns: bool = False
    """Whether to return the outputs as columns, too."""
    is_partial: bool = False
    """Whether images that are wrong are left out."""
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
) -> PredictionQuery:
    """Read the body and the options of a prediction; its images are decoded later.

    Raises InvalidBody, ValidationFailed or MalformedUpload.
    """
    options = read_options(request)
    media_type = request.headers["content-type"].partition(";")[0].strip().lower()
    if media_type == "application/json":
        wanted = _from_json(_parse(await request.body(), schema), options, digits)
    elif media_type == "application/octet-stream":
        wanted = _from_float32(await request.body(), options, digits)
    elif media_type == "multipart/form-data":
        files, pointers = await _files(request, max_images)
        wanted = _from_pictures(files, "/file", pointers, options, digits)
    else:
        wanted = _from_pictures([await request.body()], "", [""], options, digits)
    if len(wanted.images) > max_images:
        place = FieldError(wanted.pointer, "too_long", f"must have at most {max_images} images")
        raise ValidationFailed("there are too many images", [place])
    return replace(wanted, is_partial=True) if options.partial else wanted


def _from_json(body: PredictionRequest, options: Options, digits: DigitsWanted) -> PredictionQuery:
    given = _given_once(options, body)
    name, images = _images_of(body)
    has_pictures = any(isinstance(image, dict) for image in images)
    return PredictionQuery(
        images=json_images(images, f"/{name}", given.get("scale", body.scale), digits),
        pointer=f"/{name}",
        top_k=given.get("top_k", body.top_k),
        returned=given.get("returned", body.returned),
        digits=digits,
        models=body.models if isinstance(body, ModelsPredictionRequest) else (),
        has_columns=name == "inputs",
        is_small=len(images) <= FEW_IMAGES and not has_pictures,
    )


def _images_of(body: PredictionRequest) -> tuple[str, list[Any]]:
    """Return the field that has the images, and them; raise ValidationFailed unless there is one."""
    given = [name for name in IMAGES if name in body.model_fields_set]
    if len(given) == 1:
        return given[0], getattr(body, given[0])
    rule = f"exactly one of {', '.join(IMAGES[:-1])} and {IMAGES[-1]} is required"
    places = [FieldError(f"/{name}", "images", rule) for name in given or IMAGES[:1]]
    raise ValidationFailed("the body must have one list of images", places)


def _given_once(options: Options, body: PredictionRequest) -> dict[str, Any]:
    """Return the options of a query; raise ValidationFailed for those that the body has too."""
    given = options.given()
    repeated = given.keys() & body.model_fields_set
    if repeated:
        rule = "must be given once, in the body or in the query"
        names = sorted(PredictionRequest.model_fields[name].alias or name for name in repeated)
        places = [FieldError(f"/{name}", "repeated", rule) for name in names]
        raise ValidationFailed("the body and the query have the same option", places)
    return given


def _from_float32(body: bytes, options: Options, digits: DigitsWanted) -> PredictionQuery:
    images = float32_images(body, options.scale or "unit")
    is_small = len(images) <= FEW_IMAGES
    return PredictionQuery(
        images, "", options.top_k or TOP_K, options.returned or (), digits, is_small=is_small
    )


def _from_pictures(
    files: Sequence[bytes], pointer: str, pointers: Sequence[str], options: Options, digits: DigitsWanted
) -> PredictionQuery:
    images = pictures(files, pointers, digits)
    return PredictionQuery(images, pointer, options.top_k or TOP_K, options.returned or (), digits)


def _parse(body: bytes, schema: type[PredictionRequest]) -> PredictionRequest:
    try:
        return schema.model_validate(orjson.loads(body))
    except ValidationError as error:
        # The app's handler for bodies knows FastAPI's own errors only.
        raise InvalidBody(error.errors(include_url=False)) from None


async def _files(request: Request, max_files: int) -> tuple[list[bytes], list[str]]:
    """Return the files of a form in their order, and where each is; names and types do not matter."""
    rule = f"the form must be multipart/form-data with 1 to {max_files} files, each in a part named {NAMES}"
    if not (await request.body()).rstrip().endswith(b"--"):
        raise MalformedUpload(f"the end of the form is missing; {rule}")
    try:
        async with request.form(max_files=max_files, max_fields=0) as form:
            parts = form.multi_items()
            if not parts or any(name not in PARTS for name, _ in parts):
                raise _wrong_parts("missing", f"must be one or more files, each in a part named {NAMES}")
            return [await file.read() for _, file in parts if isinstance(file, UploadFile)], _pointers(parts)
    except (HTTPException, UnicodeError) as error:  # a charset of the client's can fail to decode a name
        if isinstance(error, HTTPException) and error.detail.startswith("Too many files"):
            raise _wrong_parts("too_long", f"must have at most {max_files} files") from None
        raise MalformedUpload(rule) from None


def _wrong_parts(code: str, rule: str) -> ValidationFailed:
    return ValidationFailed("the form has the wrong parts", [FieldError("/file", code, rule)])


def _pointers(parts: Sequence[tuple[str, Any]]) -> list[str]:
    """Return where each part is: its name, and its place among the parts of this name."""
    counts: Counter[str] = Counter()
    pointers = []
    for name, _ in parts:
        pointers.append(f"/{name}/{counts[name]}")
        counts[name] += 1
    return pointers
