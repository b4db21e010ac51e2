"""An unknown field suggests the one that was meant, and none rather than a silly one."""

import pytest

from models.specs.comparison import Arm, ComparisonSpec, Overrides
from models.specs.spec import TrainSpec
from models.specs.strict import StrictModel
from models.specs.suggestions import OTHER_WORDS, advise, suggest
from service.api.comparisons.schemas import ComparisonExtension, ComparisonSubmission
from service.api.jobs.schemas import JobChanges, JobSubmission
from service.api.predictions.schemas import PredictionRequest

JOB = list(JobSubmission.model_fields)
COMPARISON = list(ComparisonSubmission.model_fields)
PREDICTION = [field.alias or name for name, field in PredictionRequest.model_fields.items()]
SCHEMAS = (
    TrainSpec,
    Arm,
    ComparisonSpec,
    ComparisonSubmission,
    ComparisonExtension,
    JobChanges,
    JobSubmission,
)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("lr", "learning_rate"),
        ("LR", "learning_rate"),
        ("learningRate", "learning_rate"),
        ("learning-rate", "learning_rate"),
        ("lerning_rate", "learning_rate"),
        ("LEARNING_RATE_", "learning_rate"),
        ("epochs", "steps"),
        ("step", "steps"),
        ("setps", "steps"),
        ("max_steps", "steps"),
        ("hidden", "n_units"),
        ("hidden_size", "n_units"),
        ("units", "n_units"),
        ("width", "n_units"),
        ("n_unit", "n_units"),
        ("layers", "n_hidden"),
        ("hiden", "n_hidden"),
        ("wd", "weight_decay"),
        ("weightdecay", "weight_decay"),
        ("bs", "batch_size"),
        ("batchsize", "batch_size"),
        ("opt", "optimizer"),
        ("optim", "optimizer"),
        ("optimiser", "optimizer"),
        ("normalization", "norm"),
        ("normalisation", "norm"),
        ("norms", "norm"),
        ("activations", "activation"),
        ("random_state", "seed"),
        ("data", "dataset"),
        ("lable", "label"),
        ("tag", "tags"),
        ("prio", None),
        ("latest", None),
        ("xyz", None),
        ("", None),
        ("_", None),
        ("status", None),
        ("state", None),
        ("test", None),
        ("model", None),
        ("loss", None),
        ("size", None),
        ("id", None),
        ("limit", None),
        ("best", None),
        ("device", None),
        ("x" * 10_000, None),
    ],
)
def test_a_name_that_a_job_does_not_have(given: str, meant: str | None) -> None:
    assert suggest(given, JOB) == meant


@pytest.mark.parametrize(
    ("given", "known", "meant"),
    [
        ("lr", COMPARISON, "learning_rates"),
        ("lrs", COMPARISON, "learning_rates"),
        ("learning_rate", COMPARISON, "learning_rates"),
        ("seed", COMPARISON, "seeds"),
        ("arm", COMPARISON, "arms"),
        ("groups", COMPARISON, "arms"),
        ("spec", COMPARISON, "base"),
        ("control", COMPARISON, "baseline"),
        ("steps", COMPARISON, None),
        ("norm", COMPARISON, None),
        ("image", PREDICTION, "images"),
        ("instance", PREDICTION, "instances"),
        ("topk", PREDICTION, "top_k"),
        ("retrun", PREDICTION, "return"),
        ("returned", PREDICTION, "return"),
        ("checkpoint", PREDICTION, None),
    ],
)
def test_a_name_that_another_body_does_not_have(given: str, known: list[str], meant: str | None) -> None:
    assert suggest(given, known) == meant


@pytest.mark.parametrize(
    ("schema", "given", "advice"),
    [
        (JobSubmission, "learning_rates", "a job trains one net; POST /comparisons takes learning_rates"),
        (JobSubmission, "seeds", "a job trains one net; POST /comparisons takes seeds"),
        (JobSubmission, "arms", "a job trains one net; POST /comparisons takes arms"),
        (JobSubmission, "base", "a job trains one net; POST /comparisons takes base"),
        (JobSubmission, "baseline", "a job trains one net; POST /comparisons takes baseline"),
        (JobSubmission, "presets", "a job trains one net; POST /comparisons takes preset"),
        (JobSubmission, "spec", "put its fields beside the others"),
        (JobSubmission, "lr", "did you mean learning_rate?"),
        (JobSubmission, "norms", "did you mean norm?"),
        (JobSubmission, "nrom", "did you mean norm?"),
        (JobSubmission, "latest", None),
        (JobSubmission, "state", None),
        (ComparisonSubmission, "steps", "put steps into base, or into an arm"),
        (ComparisonSubmission, "norm", "put norm into base, or into an arm"),
        (ComparisonSubmission, "groups", "put groups into base, or into an arm"),
        (ComparisonSubmission, "epochs", "put steps into base, or into an arm"),
        (ComparisonSubmission, "norms", "did you mean arms?"),
        (ComparisonSubmission, "seed", "did you mean seeds?"),
        (ComparisonSubmission, "learning_rate", "did you mean learning_rates?"),
        (ComparisonSubmission, "xyz", None),
        (Arm, "seed", "all arms have the same seeds, in seeds of the comparison"),
        (Overrides, "random_state", "all arms have the same seeds, in seeds of the comparison"),
        (Overrides, "step", "did you mean steps?"),
    ],
)
def test_a_field_of_another_schema_says_where_it_belongs(
    schema: type[StrictModel], given: str, advice: str | None
) -> None:
    assert advise(given, list(schema.model_fields), schema.elsewhere) == advice


def test_other_words_stand_for_fields_that_there_are() -> None:
    fields = {*PREDICTION, *(name for schema in SCHEMAS for name in schema.model_fields)}

    assert OTHER_WORDS.keys() <= fields
