"""/ui/draw: a picture of a digit, and what several nets see in it."""

import shlex
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import urlencode

import orjson
from fastapi import Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from models.specs.datasets import COUNTS, DATASETS, SplitName
from service.api.comparisons.predictions import predict_with_nets
from service.api.predictions.bodies import TOP_K, PredictionQuery, read_body
from service.api.predictions.schemas import Returned
from service.api.predictions.several import predict_with_models
from service.api.shared.bodies import takes_bodies
from service.api.shared.dependencies import Parts, TheParts
from service.api.shared.query import WHOLE
from service.api.shared.scopes import needs
from service.callers import PREDICT, READ
from service.edge.problems import sentence
from service.errors import NormserveError
from service.serving.gallery import png_of_unit, to_png
from service.serving.inputs import pictures
from service.store.database import Database
from service.web.drawing import APPLIED, POLARITIES, UNCHANGED, WARNINGS
from service.web.nets import AskedNets, Chosen, Offers, choose, offers
from service.web.pages import Command, page_router, render

router = page_router()

FORM = {"multipart/form-data": "max_upload_bytes"}
SPLIT: SplitName = "test"
RETURNED: Sequence[Returned] = ("image",)

TheNets = Annotated[AskedNets, Depends()]


@router.get("/ui/draw")
@needs(READ)
async def show_draw(
    request: Request,
    parts: TheParts,
    asked: TheNets,
    test_image: Annotated[int | None, Query(ge=0, lt=COUNTS[SPLIT]), WHOLE] = None,
) -> Response:
    """Show the canvas, and what nets see in a test image if the query names one."""
    chosen, offered = await run_in_threadpool(_choose, parts.database, asked)
    if chosen is None or test_image is None:
        return _page(request, chosen, offered)
    try:
        wanted, label = await run_in_threadpool(_test_image, parts, chosen, test_image)
        image = {"index": test_image, "label": label}
        return _page(request, chosen, offered, image, await _predict(request, parts, chosen, wanted))
    except NormserveError as error:
        return _page(request, chosen, offered, error=error)


@router.post("/ui/draw")
@takes_bodies(FORM)
@needs(PREDICT)
async def read_picture(request: Request, parts: TheParts, asked: TheNets) -> Response:
    """Show what nets see in the picture of a form."""
    chosen, offered = await run_in_threadpool(_choose, parts.database, asked)
    if chosen is None:
        return _page(request, chosen, offered)
    try:
        wanted = replace(await read_body(request, max_images=1), returned=RETURNED)
        found = await _predict(request, parts, chosen, wanted)
        return _page(request, chosen, offered, found=found)
    except NormserveError as error:
        return _page(request, chosen, offered, error=error)


def _choose(database: Database, asked: AskedNets) -> tuple[Chosen | None, Offers]:
    with database.snapshot() as session:
        return choose(session, asked), offers(session)


def _test_image(parts: Parts, chosen: Chosen, index: int) -> tuple[PredictionQuery, str]:
    pixels, label = parts.gallery.image(chosen.dataset, SPLIT, index)
    images = pictures([to_png(pixels)], [""], "one")
    wanted = PredictionQuery(images, "", TOP_K, RETURNED, "one")
    return wanted, DATASETS[chosen.dataset].classes[label]


async def _predict(request: Request, parts: Parts, chosen: Chosen, wanted: PredictionQuery) -> dict[str, Any]:
    """Return what the API responds, with `nets` for its arms or models; nothing if the client has gone."""
    if chosen.comparison_id is not None and chosen.arms is not None:
        response = await predict_with_nets(request, parts, chosen.comparison_id, chosen.arms, wanted)
    else:
        response = await predict_with_models(request, parts, chosen.keys(), wanted)
    found: dict[str, Any] = orjson.loads(response.body) if response.body else {}
    return found


def _page(
    request: Request,
    chosen: Chosen | None,
    offered: Offers,
    image: Mapping[str, Any] | None = None,
    found: Mapping[str, Any] | None = None,
    error: NormserveError | None = None,
) -> Response:
    problem = error and {"title": error.title, "detail": sentence(error.detail)}
    here: dict[str, Any] = {"chosen": chosen, "offered": offered, "image": image, "error": problem}
    if chosen is None:
        return render("draw", here, tab="draw")
    here |= {
        "seen": _seen(chosen, found),
        "query": urlencode(chosen.query),
        "predict": _path(chosen),
        "images": f"/datasets/{chosen.dataset}/{SPLIT}/",
        "count": COUNTS[SPLIT],
        "random": another(image["index"] if image else 0),
        "classes": DATASETS[chosen.dataset].classes,
        "applied_words": POLARITIES | APPLIED,
        "warning_words": WARNINGS,
    }
    status = error.status if error else 200
    return render("draw", here, tab="draw", status=status, commands=_commands(request, chosen))


def another(index: int) -> int:
    """Return the index of a test image far from this one: the same each time, so that pages do not change."""
    return (index * 7921 + 4321) % COUNTS[SPLIT]  # passes through all 10,000 before it repeats one


def _path(chosen: Chosen) -> str:
    """Return the path of the API that predicts with these nets."""
    if chosen.arms is None:
        return f"/predict?{urlencode(chosen.query)}"
    return f"/comparisons/{chosen.comparison_id}/predict?seed={chosen.arms.seed}"


def _seen(chosen: Chosen, found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return what a page shows of a response: the vote, each net, and what the intake did."""
    if not found:
        return None
    nets, digit = found.get("arms") or found["models"], found["votes"][0]["digit"]
    predictions = [each["predictions"][0] for each in nets if each["predictions"]]
    image = b64encode(png_of_unit(predictions[0]["image"])).decode()
    intake = predictions[0]["intake"]
    return {
        "digit": digit,
        "verdict": chosen.named(found["votes"][0]["message"]),
        "nets": nets,
        "image": f"data:image/png;base64,{image}",
        "applied": {intake["polarity"], *(intake["applied"] or [UNCHANGED])},
        # What is said against the digit of another net is not said against the one that is shown.
        "warnings": {
            warning["code"] for each in predictions if each["digit"] == digit for warning in each["warnings"]
        },
    }


def _commands(request: Request, chosen: Chosen) -> list[Command]:
    """Write the commands that read a test digit and a file with the same nets."""
    url = shlex.quote(f"{request.base_url}{_path(chosen)[1:]}")
    digit = shlex.quote(f"{request.base_url}datasets/{chosen.dataset}/{SPLIT}/0?format=png")
    return [
        Command("Read the first test digit with these nets", f"curl -sS {digit} | curl -sS -F file=@- {url}"),
        Command("Read a picture of yours", f"curl -sS -F file=@digit.png {url}"),
    ]
