"""Evaluations: how a trained net classifies a split, and how two nets differ on it."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from models.specs.datasets import COUNTS, SplitName
from service.api.evaluations import examples
from service.api.evaluations.schemas import (
    EvaluationDifference,
    EvaluationReport,
    MisclassifiedImage,
)
from service.api.shared.by_checkpoint import CheckpointQuestion, Computed, facts_of, respond
from service.api.shared.csv_tables import write_table
from service.api.shared.dependencies import Parts, TheParts
from service.api.shared.downloads import saved_as, shown_as
from service.api.shared.figures import Background
from service.api.shared.openapi import conditional_response, file_response, text_response
from service.api.shared.parameters import ChosenCheckpoint, JobId
from service.api.shared.problems import problems
from service.api.shared.query import WHOLE
from service.api.shared.scopes import needs
from service.callers import READ
from service.evaluating.difference import compare, require_same_data
from service.evaluating.evaluation import Order, evaluate, list_misclassified
from service.evaluating.sheet import MAX_IMAGES, draw_sheet, make_sheet
from service.links import link
from service.serving.pool import Slices
from service.serving.predictor import Subject

router = APIRouter(tags=["evaluations"])

STATISTICS_COST = 10_000
"""What the statistics of a split cost, and a sheet, in steps of an analysis."""

EvaluatedSplit = Annotated[SplitName, Query(description="The images to evaluate on.")]
Sort = Annotated[Order, Query(description="Most probable mistakes first, or in order of index.")]
Limit = Annotated[int, Query(ge=0, le=10_000, description="Most images to list."), WHOLE]
SheetLimit = Annotated[int, Query(ge=1, le=MAX_IMAGES, description="Most images to show."), WHOLE]


@router.get(
    "/jobs/{job_id}/evaluation",
    response_model=EvaluationReport,
    responses={**conditional_response(examples.EVALUATION), **problems(404, 409, 503)},
)
@needs(READ)
async def get_evaluation(
    request: Request,
    parts: TheParts,
    job_id: JobId,
    checkpoint: ChosenCheckpoint = "latest",
    split: EvaluatedSplit = "test",
    sort: Sort = "-probability",
    limit: Limit = 100,
) -> Response:
    """Evaluate a net: accuracy, loss, confusion matrix, precision and recall, calibration, and its mistakes.

    A running job is evaluated with its newest checkpoint. The result is computed once per checkpoint.
    """
    here = link(f"/jobs/{job_id}")
    files = {"csv": "misclassified.csv", "png": "misclassified.png", "confusion": "confusion.csv"}

    def compute() -> Slices[Computed]:
        subject, classified = yield from parts.classifier.classify(job_id, checkpoint, split)
        query = f"checkpoint={subject.step}&split={split}"
        found = {
            **facts_of(subject),
            "dataset": subject.train_spec().dataset,
            "split": split,
            **asdict(evaluate(classified)),
            "misclassified": [asdict(each) for each in list_misclassified(classified, sort, limit)],
            "links": {kind: f"{here}/{file}?{query}" for kind, file in files.items()},
        }
        return [subject], EvaluationReport.model_validate(found).model_dump_json().encode()

    question = CheckpointQuestion([(job_id, checkpoint)], ("evaluation", split, sort, limit))
    return await respond(request, parts, question, compute, partial(_cost, parts, split))


@router.get(
    "/jobs/{job_id}/confusion.csv",
    response_class=Response,
    responses={**text_response("text/csv", examples.CONFUSION_CSV), **problems(404, 409, 503)},
)
@needs(READ)
async def get_confusion_csv(
    request: Request,
    parts: TheParts,
    job_id: JobId,
    checkpoint: ChosenCheckpoint = "latest",
    split: EvaluatedSplit = "test",
) -> Response:
    """Return the confusion matrix as CSV: a row per label, with images by predicted digit, and recall."""

    def compute() -> Slices[Computed]:
        subject, classified = yield from parts.classifier.classify(job_id, checkpoint, split)
        found = evaluate(classified)
        predicted = [f"predicted_{each.digit}" for each in found.digits]
        rows = [
            {"label": each.digit, **dict(zip(predicted, row, strict=True)), "recall": each.recall}
            for each, row in zip(found.digits, found.confusion, strict=True)
        ]
        return [subject], write_table(("label", *predicted, "recall"), rows)

    name = partial(_csv_name, "confusion")
    question = CheckpointQuestion([(job_id, checkpoint)], ("confusion", "csv", split), "text/csv", name)
    return await respond(request, parts, question, compute, partial(_cost, parts, split))


@router.get(
    "/jobs/{job_id}/misclassified.csv",
    response_class=Response,
    responses={**text_response("text/csv", examples.CSV), **problems(404, 409, 503)},
)
@needs(READ)
async def get_misclassified_csv(
    request: Request,
    parts: TheParts,
    job_id: JobId,
    checkpoint: ChosenCheckpoint = "latest",
    split: EvaluatedSplit = "test",
    sort: Sort = "-probability",
) -> Response:
    """Return every misclassified image as CSV: index, label, predicted digit and its probability."""

    def compute() -> Slices[Computed]:
        subject, classified = yield from parts.classifier.classify(job_id, checkpoint, split)
        rows = [asdict(each) for each in list_misclassified(classified, sort, COUNTS[split])]
        return [subject], write_table(tuple(MisclassifiedImage.model_fields), rows)

    name = partial(_csv_name, "misclassified")
    question = CheckpointQuestion(
        [(job_id, checkpoint)], ("misclassified", "csv", split, sort), "text/csv", name
    )
    return await respond(request, parts, question, compute, partial(_cost, parts, split))


@router.get(
    "/jobs/{job_id}/misclassified.png",
    response_class=Response,
    responses={**file_response("image/png", examples.PNG_URL), **problems(404, 409, 503)},
)
@needs(READ)
async def get_misclassified_png(
    request: Request,
    parts: TheParts,
    job_id: JobId,
    checkpoint: ChosenCheckpoint = "latest",
    split: EvaluatedSplit = "test",
    sort: Sort = "-probability",
    limit: SheetLimit = 100,
    theme: Background = "light",
) -> Response:
    """Draw misclassified images on a sheet: below each its label, the predicted digit and its probability."""

    def compute() -> Slices[Computed]:
        subject, classified = yield from parts.classifier.classify(job_id, checkpoint, split)
        found = list_misclassified(classified, sort, limit)
        sheet = make_sheet(subject, classified, split, found, parts.gallery)
        return [subject], draw_sheet(sheet, theme)

    details = ("misclassified", "png", split, sort, limit, theme)
    question = CheckpointQuestion([(job_id, checkpoint)], details, "image/png", _png_name)
    return await respond(request, parts, question, compute, partial(_cost, parts, split))


@router.get(
    "/jobs/{job_id}/difference/{other_id}",
    response_model=EvaluationDifference,
    responses={**conditional_response(examples.DIFFERENCE), **problems(404, 409, 503)},
)
@needs(READ)
async def get_difference(
    request: Request,
    parts: TheParts,
    job_id: JobId,
    other_id: Annotated[str, Path(description="Id of the second job, with the same data set.")],
    checkpoint: ChosenCheckpoint = "latest",
    other_checkpoint: ChosenCheckpoint = "latest",
    split: EvaluatedSplit = "test",
    limit: Limit = 100,
) -> Response:
    """Compare two nets on the same images: who is right, McNemar's exact p, and the images that differ."""

    def compute() -> Slices[Computed]:
        subject, first = yield from parts.classifier.classify(job_id, checkpoint, split)
        other, second = yield from parts.classifier.classify(other_id, other_checkpoint, split)
        require_same_data([subject, other])
        difference = compare(first, second, split, limit)
        found = {
            "first": facts_of(subject),
            "second": facts_of(other),
            "dataset": subject.train_spec().dataset,
            "split": split,
            **asdict(difference),
        }
        return [subject, other], EvaluationDifference.model_validate(found).model_dump_json().encode()

    def cost(subjects: Sequence[Subject]) -> int:
        require_same_data(subjects)
        return _cost(parts, split, subjects)

    checkpoints = [(job_id, checkpoint), (other_id, other_checkpoint)]
    question = CheckpointQuestion(checkpoints, ("difference", split, limit))
    return await respond(request, parts, question, compute, cost)


def _csv_name(table: str, subject: Subject) -> dict[str, str]:
    return saved_as(f"{subject.job_id}-step{subject.step}-{table}.csv")


def _png_name(subject: Subject) -> dict[str, str]:
    return shown_as(f"{subject.job_id}-step{subject.step}-misclassified.png")


def _cost(parts: Parts, split: SplitName, subjects: Sequence[Subject]) -> int:
    return STATISTICS_COST + sum(parts.classifier.cost(each, split) for each in subjects)
