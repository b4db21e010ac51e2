"""Data sets: a list, and every single image as pixels or PNG."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from models.specs.datasets import COUNTS, DATASETS, Dataset, SplitName
from service.api.datasets import examples
from service.api.datasets.schemas import DatasetDetails, DatasetImage, DatasetList
from service.api.shared.conditional import etag_of, with_etag
from service.api.shared.dependencies import TheParts
from service.api.shared.downloads import shown_as
from service.api.shared.negotiation import OVERRIDES_ACCEPT, VARY, choose_format
from service.api.shared.openapi import UNCHANGED, binary, conditional_response, external_example
from service.api.shared.problems import problems
from service.api.shared.scopes import needs
from service.callers import READ
from service.errors import DatasetNotFound, FieldError, ValidationFailed
from service.links import link
from service.serving.gallery import Gallery, to_png

router = APIRouter(tags=["datasets"])

SHAPE = [28, 28]
FOR_EVER = "public, max-age=31536000, immutable"

ImageFormat = Literal["json", "png"]
IMAGE_TYPES: dict[ImageFormat, str] = {"json": "application/json", "png": "image/png"}


@router.get(
    "/datasets",
    response_model=DatasetList,
    responses=conditional_response(examples.DATASETS),
)
@needs(READ)
def list_datasets(request: Request, parts: TheParts) -> Response:
    """List the data sets with counts, classes, licence, source and the sha256 of their files."""
    items = [_view(name, parts.gallery) for name in DATASETS]
    body = DatasetList(items=items, next_cursor=None).model_dump_json().encode()
    return with_etag(request, etag_of(body), body)


@router.get(
    "/datasets/{name}/{split}/{index}",
    response_model=DatasetImage,
    responses={
        200: {
            "content": {
                "application/json": {"example": examples.IMAGE},
                "image/png": {
                    "schema": binary("image/png"),
                    "examples": external_example(examples.IMAGE["links"]["png"]),
                },
            }
        },
        **UNCHANGED,
        **problems(404, 409),
    },
)
@needs(READ)
def get_image(
    request: Request,
    parts: TheParts,
    name: Annotated[str, Path(description="Name of the data set.")],
    split: Annotated[SplitName, Path(description="Split that the image belongs to.")],
    index: Annotated[int, Path(ge=0, description="Place of the image in its split.")],
    format: Annotated[ImageFormat | None, Query(description=OVERRIDES_ACCEPT)] = None,  # noqa: A002 # the API's word
) -> Response:
    """Return one image as JSON or PNG; index 0 of train is image 5,000 of the published file."""
    dataset = _dataset(name)
    if index >= COUNTS[split]:
        rule = f"must be less than {COUNTS[split]}, the images of this split"
        raise ValidationFailed(
            "the split has no image with this index", [FieldError("/index", "less_than", rule)]
        )
    pixels, label = parts.gallery.image(dataset, split, index)
    chosen = choose_format(request, format, IMAGE_TYPES, "json")
    if chosen == "png":
        content = to_png(pixels)
    else:
        content = _image(dataset, split, index, label, pixels.tolist()).model_dump_json().encode()
    response = with_etag(request, etag_of(content), content, FOR_EVER, IMAGE_TYPES[chosen])
    response.headers.update(VARY | (shown_as(f"{dataset}-{split}-{index}.png") if chosen == "png" else {}))
    return response


def _dataset(name: str) -> Dataset:
    for dataset in DATASETS:
        if dataset == name:
            return dataset
    raise DatasetNotFound(f"the data sets are: {', '.join(DATASETS)}")


def _view(name: Dataset, gallery: Gallery) -> DatasetDetails:
    facts, sums = DATASETS[name], gallery.sums(name)
    return DatasetDetails(
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


def _image(dataset: Dataset, split: SplitName, index: int, label: int, pixels: Any) -> DatasetImage:
    here = link(f"/datasets/{dataset}/{split}/{index}")
    return DatasetImage(
        dataset=dataset,
        split=split,
        index=index,
        label=label,
        class_name=DATASETS[dataset].classes[label],
        pixels=pixels,
        links={"self": here, "png": f"{here}?format=png", "datasets": link("/datasets")},
    )
