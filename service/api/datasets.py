"""Data sets: what there is, and every single image as pixels or PNG."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from models.specs.datasets import COUNTS, DATASETS, Dataset, SplitName
from service.api import examples
from service.api.deps import TheParts, accepted, etag_of, tagged
from service.api.job_view import Out
from service.api.problems import problems
from service.errors import DatasetNotFound, FieldError, ValidationFailed
from service.serving.gallery import Gallery, to_png

router = APIRouter(tags=["datasets"])

SHAPE = [28, 28]
FOR_EVER = "public, max-age=31536000, immutable"

Format = Literal["json", "png"]
MEDIA_TYPES: dict[str, Format] = {"application/json": "json", "image/png": "png"}


class DatasetOut(Out):
    """A data set: what it shows, where it is from, and whether it is on this machine."""

    name: str
    title: str
    classes: list[str]
    """What each label means, from 0 on."""
    counts: dict[SplitName, int]
    image_shape: list[int]
    sha256: dict[str, str] | None
    """Of each file that it was published as; null until it is on this machine."""
    licence: str
    source: str
    home_page: str
    available: bool
    """Whether it is on this machine; if it is not, the first job that trains on it downloads it."""


class DatasetList(Out):
    """All data sets."""

    items: list[DatasetOut]
    next_cursor: None


class ImageOut(Out):
    """An image of a data set and what it shows; pixels are 28 rows of 28, from 0 to 255."""

    dataset: str
    split: SplitName
    index: int
    label: int
    class_name: str
    pixels: list[list[int]]
    links: dict[str, str]


@router.get(
    "/datasets",
    response_model=DatasetList,
    responses={**examples.answer(200, examples.DATASETS), **problems()},
)
def list_datasets(request: Request, parts: TheParts) -> Response:
    """List the data sets with counts, classes, licence, source, and the sha256 of their files."""
    items = [_view(name, parts.gallery) for name in DATASETS]
    body = DatasetList(items=items, next_cursor=None).model_dump_json().encode()
    return tagged(request, etag_of(body), body)


@router.get(
    "/datasets/{name}/{split}/{index}",
    response_model=ImageOut,
    responses={
        200: {
            "content": {
                "application/json": {"example": examples.IMAGE},
                "image/png": {
                    "schema": {"type": "string", "format": "binary"},
                    "examples": examples.elsewhere(examples.IMAGE["links"]["png"]),
                },
            }
        },
        **problems(404, 409),
    },
)
def get_image(
    request: Request,
    parts: TheParts,
    name: str,
    split: SplitName,
    index: Annotated[int, Path(ge=0)],
    format: Annotated[Format | None, Query(description="wins over Accept")] = None,  # noqa: A002 # the API's word
) -> Response:
    """Answer one image as JSON or PNG; index 0 of train is image 5,000 of the published file."""
    dataset = _known(name)
    if index >= COUNTS[split]:
        rule = f"must be less than {COUNTS[split]}, the images of this split"
        raise ValidationFailed("there is no such image", [FieldError("/index", "less_than", rule)])
    pixels, label = parts.gallery.image(dataset, split, index)
    chosen = format or accepted(request, MEDIA_TYPES, "json")
    if chosen == "png":
        content = to_png(pixels)
    else:
        content = _image(dataset, split, index, label, pixels.tolist()).model_dump_json().encode()
    media_type = next(kind for kind, value in MEDIA_TYPES.items() if value == chosen)
    answer = tagged(request, etag_of(content), content, FOR_EVER, media_type)
    answer.headers["Vary"] = "Accept"
    return answer


def _known(name: str) -> Dataset:
    for dataset in DATASETS:
        if dataset == name:
            return dataset
    raise DatasetNotFound(f"there are: {', '.join(DATASETS)}")


def _view(name: Dataset, gallery: Gallery) -> DatasetOut:
    facts, sums = DATASETS[name], gallery.sums(name)
    return DatasetOut(
        name=name,
        title=facts.title,
        classes=list(facts.classes),
        counts=COUNTS,
        image_shape=SHAPE,
        sha256=sums,
        licence=facts.licence,
        source=facts.source,
        home_page=facts.home_page,
        available=sums is not None,
    )


def _image(dataset: Dataset, split: SplitName, index: int, label: int, pixels: Any) -> ImageOut:
    here = f"/datasets/{dataset}/{split}/{index}"
    return ImageOut(
        dataset=dataset,
        split=split,
        index=index,
        label=label,
        class_name=DATASETS[dataset].classes[label],
        pixels=pixels,
        links={"self": here, "png": f"{here}?format=png", "datasets": "/datasets"},
    )
