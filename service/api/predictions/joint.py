"""Predictions of several nets for the same images, and what they see together."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from models.specs.spec import N_IN
from service.api.predictions.bodies import PredictionQuery
from service.api.predictions.views import predictions_of
from service.errors import (
    CheckpointCorrupt,
    CheckpointNotFound,
    FieldError,
    JobNotFound,
    ModelDiverged,
    ModelNotReady,
    NormserveError,
    ValidationFailed,
)
from service.serving.inputs import Inputs, read_in_slices
from service.serving.pool import Slices
from service.serving.predictor import Predictor
from service.serving.targets import Target

ABSENT = (ModelNotReady, ModelDiverged, CheckpointCorrupt, CheckpointNotFound)
"""Why one net has no predictions while the others have."""
GONE = (*ABSENT, JobNotFound)
NO_VOTE: dict[str, Any] = {
    "digit": None,
    "agreement": None,
    "unanimous": False,
    "dissenting": [],
    "message": "No net sees a digit: the image is refused.",
}
"""Of an image that was refused."""


@dataclass(frozen=True)
class Candidate:
    """A net to predict with, under the label that a response has for it."""

    label: str
    target: Target | None
    missing: NormserveError | None = None
    """Why there is no target."""


class CandidateOutcome(NamedTuple):
    """The predictions of a candidate, or why there are none."""

    label: str
    shown: dict[str, Any]


def limit_images(wanted: PredictionQuery, n_nets: int, most: int) -> PredictionQuery:
    """Ask for all probabilities; raise ValidationFailed for more predictions than one net may make."""
    if len(wanted.images) * n_nets > most:
        rule = f"must be fewer: images times nets may be at most {most}, and there are {n_nets} nets"
        raise ValidationFailed("there are too many images", [FieldError(wanted.pointer, "too_long", rule)])
    return replace(wanted, returned=[*wanted.returned, "probabilities"])


def joint_cost(wanted: PredictionQuery, n_nets: int) -> int:
    """Return what the predictions cost, in pixels."""
    return wanted.cost() + N_IN * len(wanted.images) * n_nets


def predict_jointly(
    predictor: Predictor,
    candidates: Sequence[Candidate],
    wanted: PredictionQuery,
    absent: tuple[type[NormserveError], ...],
) -> Slices[list[CandidateOutcome]]:
    """Read the images once and predict with each net; raise ModelNotReady if no net is there.

    A net that fails with one of the errors `absent` is shown as missing; any other error is raised.
    """
    inputs = yield from read_in_slices(wanted.images, wanted.is_partial)
    outcomes = []
    for candidate in candidates:
        shown = yield from _predict(predictor, candidate, inputs, wanted, absent)
        outcomes.append(CandidateOutcome(candidate.label, shown))
    if not any(outcome.shown["predictions"] for outcome in outcomes):
        raise ModelNotReady("none of the nets can predict")
    return outcomes


def vote(outcomes: Sequence[CandidateOutcome]) -> list[dict[str, Any]]:
    """Return for each image the digit that most nets see, and the nets that see another.

    An image that was refused has no digit.
    """
    voters = [outcome for outcome in outcomes if outcome.shown["predictions"]]
    rows = zip(*(outcome.shown["predictions"] for outcome in voters), strict=True)
    return [_vote({voter.label: row[place] for place, voter in enumerate(voters)}) for row in rows]


def _predict(
    predictor: Predictor,
    candidate: Candidate,
    inputs: Inputs,
    wanted: PredictionQuery,
    absent: tuple[type[NormserveError], ...],
) -> Slices[dict[str, Any]]:
    try:
        if candidate.target is None:
            raise candidate.missing or ModelNotReady("there is no net")
        served = predictor.get(*candidate.target)
        found, _ = yield from predictions_of(served, inputs, wanted)
        return {**found, "missing": None}
    except absent as error:
        missing = {"code": error.code, "message": error.detail}
        return {"model": None, "predictions": [], "missing": missing}


def _vote(seen: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    if any(prediction["digit"] is None for prediction in seen.values()):
        return dict(NO_VOTE)
    counts = Counter(prediction["digit"] for prediction in seen.values())
    sureness: dict[int, float] = defaultdict(float)
    for prediction in seen.values():
        sureness[prediction["digit"]] += prediction["confidence"]
    digit = max(sorted(counts), key=lambda each: (counts[each], sureness[each]))
    dissenting = [label for label, prediction in seen.items() if prediction["digit"] != digit]
    return {
        "digit": digit,
        "agreement": counts[digit] / len(seen),
        "unanimous": not dissenting,
        "dissenting": dissenting,
        "message": _sentence({label: prediction["digit"] for label, prediction in seen.items()}, digit),
    }


def _sentence(digits: Mapping[str, int], digit: int) -> str:
    others = [f"{label}: {seen}" for label, seen in digits.items() if seen != digit]
    if len(digits) == 1:
        return f"The net sees {digit}."
    if not others:
        return f"{len(digits)} of {len(digits)} nets agree on {digit}."
    return f"{len(digits) - len(others)} of {len(digits)} nets see {digit}; {', '.join(others)}."
