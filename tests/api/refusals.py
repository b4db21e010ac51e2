"""What the service refuses though the schema allows it, and why the schema does not say so."""

import re
from typing import NamedTuple

JOB = "POST /jobs"
JOINT = "POST /comparisons/{comparison_id}/predict"
MODELS = "POST /predict"
PREDICTIONS = "POST /jobs/{job_id}/predict", "POST /models/{model_name}/predict", JOINT, MODELS
IMAGES = "images", "instances", "inputs"
PARTS = "file", "files", "image", "images"
POINTING = "PUT /models/{model_name}"
QUERY = "POST /metric-queries"
COMPARISONS = "POST /comparisons", "POST /comparisons/{comparison_id}/extend"
SPECS = JOB, *COMPARISONS
WITH_IDEMPOTENCY_KEY = *SPECS, "POST /webhooks", "POST /webhooks/{webhook_id}/test"
LISTS = (
    "GET /jobs",
    "GET /comparisons",
    "GET /models",
    "GET /webhooks",
    "GET /webhooks/{webhook_id}/deliveries",
    "GET /jobs/{job_id}/metrics",
    "GET /jobs/{job_id}/telemetry",
)
HISTORIES = tuple(f"GET /jobs/{{job_id}}/metrics{suffix}" for suffix in ("", ".csv", ".ndjson"))
WINDOWS = (
    *HISTORIES,
    *(f"GET /jobs/{{job_id}}/plot.{suffix}" for suffix in ("png", "svg")),
    *(
        f"GET /comparisons/{{comparison_id}}/{result}"
        for result in ("curves", "curves.csv", "plot.png", "plot.svg")
    ),
)
RESULTS = tuple(
    f"GET /comparisons/{{comparison_id}}/{result}"
    for result in (
        *("summary", "summary.csv", "curves", "curves.csv", "runs", "runs.csv"),
        *("plot.png", "plot.svg", "report.md", "report.html"),
    )
)


class Refusal(NamedTuple):
    """A rule that refused a request which fits the schema: its problem, its code and its field."""

    problem: str
    rule: str = ""
    field: str = ""


class Reason(NamedTuple):
    """Why some operations refuse values of these fields, in which no schema can say it."""

    operations: tuple[str, ...]
    rule: str
    fields: tuple[str, ...]
    reason: str
    problem: str = "validation-error"


REASONS = (
    Reason(
        SPECS,
        "not_applicable",
        (
            *("norm", "scope", "g_init", "groups", "momentum", "optimizer", "learning_rate"),
            *("net", "activation", "kernel_size", "stride", "sequence"),
        ),
        "The norm, the optimizer, the net or learning_rates decides whether the field has an effect.",
    ),
    Reason(
        SPECS,
        "too_large_for_net",
        ("net", "n_hidden", "n_units"),
        "conv and lstm may have fewer layers and units than dense.",
    ),
    Reason(
        SPECS,
        "too_few_rows",
        ("norm", "init", "batch_size"),
        "A batch needs two rows for statistics over it; whether there are any depends on norm and init.",
    ),
    Reason(
        SPECS,
        "too_few_units",
        ("norm", "n_units"),
        "A layer needs two units for statistics over them; whether there are any depends on the norm.",
    ),
    Reason(
        SPECS,
        "too_small_groups",
        ("groups", "n_units"),
        "A group needs two units; their number is n_units / groups.",
    ),
    Reason(
        SPECS,
        "uneven_groups",
        ("groups", "n_units"),
        "groups must divide n_units: a rule about two fields.",
    ),
    Reason(
        SPECS,
        "budget_exceeded",
        ("n_units", "n_hidden", "steps", "checkpoint_every", "arms", "seeds"),
        "The memory and the written bytes of a run depend on many fields, and on the operator's settings.",
    ),
    Reason(
        (*SPECS, *RESULTS),
        "vanishes_in_float32",
        ("momentum", "weight_decay", "learning_rate", "learning_rates"),
        "The numbers between 0 and the smallest of float32: the bound is 0, so that people can read it.",
    ),
    Reason(
        SPECS,
        "rounds_up_in_float32",
        ("momentum",),
        "The numbers that are 1 in float32: the bound is 1, so that people can read it.",
    ),
    Reason(
        COMPARISONS,
        "no_arms",
        ("arms",),
        "Arms or a preset: generators of clients make two classes of a schema with either.",
    ),
    Reason(
        COMPARISONS,
        "repeated",
        ("name", "seeds", "learning_rates"),
        "Names differ by one member of each item, and the seeds of a schema with uniqueItems become a set.",
    ),
    Reason(COMPARISONS, "unknown_baseline", ("baseline",), "The baseline is the name of one of the arms."),
    Reason(
        COMPARISONS,
        "too_many_runs",
        ("arms", "seeds"),
        "The product of arms, seeds and learning rates has a limit.",
    ),
    Reason(
        WITH_IDEMPOTENCY_KEY,
        "",
        ("",),
        "A key belongs to the body that it was first sent with.",
        "idempotency-key-reused",
    ),
    Reason(
        LISTS, "", ("",), "A cursor is what the page before returned, and nothing else.", "invalid-cursor"
    ),
    Reason(
        ("GET /jobs/{job_id}/events",),
        "cursor",
        ("after_step", "Last-Event-ID"),
        "The job may have fewer steps.",
        "invalid-cursor",
    ),
    Reason(
        WINDOWS,
        "window",
        ("start_step", "end_step"),
        "start_step must not be above end_step: a rule about two parameters.",
    ),
    Reason(
        HISTORIES,
        "thinning",
        ("thinning", "limit", "cursor"),
        "thinning needs max_points, and limit and cursor must be absent with it: rules about two parameters.",
    ),
    Reason(
        (QUERY,),
        "jobs_or_filter",
        ("jobs", "filter"),
        "Either of two fields: generators of clients make two classes of a schema with either.",
    ),
    Reason(
        (QUERY,),
        "repeated",
        ("jobs", "keys", "group_by"),
        "Lists with uniqueItems become sets, which lose the order of the response.",
    ),
    Reason((QUERY,), "unknown_job", ("jobs",), "Which jobs exist is not known to a schema."),
    Reason((QUERY,), "too_many_jobs", ("filter",), "How many jobs match depends on what is stored."),
    Reason(
        (QUERY,),
        "window",
        ("start_step", "end_step"),
        "start_step must not be above end_step: a rule about two fields.",
    ),
    Reason(
        RESULTS,
        "unknown_rate",
        ("learning_rate",),
        "The comparison has other learning rates.",
    ),
    Reason(
        ("GET /jobs/{job_id}/difference/{other_id}",),
        "other_dataset",
        ("other_id",),
        "Both jobs must have one data set: a rule about two jobs.",
    ),
    Reason(
        (MODELS,),
        "models",
        ("models",),
        "Models are named in the body or in the query, at least one and none twice.",
    ),
    Reason((JOINT,), "unknown_seed", ("seed",), "The comparison has other seeds."),
    Reason((JOINT,), "unknown_rate", ("learning_rate",), "The comparison has other learning rates."),
    Reason(
        (JOINT,),
        "vanishes_in_float32",
        ("learning_rate",),
        "As for the learning rate of a comparison's results.",
    ),
    Reason(
        (POINTING,),
        "reserved",
        ("model_name",),
        "Names that look like ids, and words of the inference protocol's paths: a list that grows.",
    ),
    Reason(
        PREDICTIONS,
        "images",
        IMAGES,
        "One of the three: generators of clients make classes of a schema with either.",
    ),
    Reason(
        PREDICTIONS,
        "image",
        (*IMAGES, "png", "b64"),
        "An image is 784 numbers, 28 rows of 28, or a picture; its description says so, as generators of "
        "clients would invent a name for each.",
    ),
    Reason(
        PREDICTIONS,
        "length",
        (*IMAGES, ""),
        "As for an image that is none of the three; a body of float32 has 3,136 bytes per image.",
    ),
    Reason(PREDICTIONS, "number", IMAGES, "As for an image that is none of the three."),
    Reason(PREDICTIONS, "range", (*IMAGES, ""), "The largest number depends on scale."),
    Reason(
        PREDICTIONS,
        "repeated",
        ("top_k", "scale", "return"),
        "An option is in the body or in the query: a rule about both.",
    ),
    Reason(
        PREDICTIONS,
        "control_character",
        (*IMAGES, ""),
        "No text may have control characters; where the schema has no text, it cannot say so.",
    ),
    Reason(PREDICTIONS, "", ("",), "Numbers and nesting have limits in JSON itself.", "malformed-json"),
    Reason(
        PREDICTIONS,
        "",
        ("",),
        "The body has a limit in bytes, which GET /limits shows.",
        "payload-too-large",
    ),
    Reason(
        PREDICTIONS,
        "too_long",
        (*IMAGES, *PARTS, ""),
        "The number of images has a limit of the operator, which GET /limits shows.",
    ),
    *(
        Reason(PREDICTIONS, problem, ("", *PARTS, "png", "b64"), reason, problem)
        for problem, reason in {
            "blank-image": "A picture without ink has no digit.",
            "unprocessable-image": "The bytes are not a picture of a kind that is read.",
            "image-too-large": "A picture has a limit in pixels.",
        }.items()
    ),
)


def refusal(problem: str, rule: str, pointer: str) -> Refusal:
    """Return the refusal that a problem names, without the indices of lists."""
    return Refusal(problem, rule, re.sub(r"(/\d+)+$", "", pointer).rpartition("/")[2])


def explained(operation: str) -> set[Refusal]:
    """Return the refusals of an operation that have a reason."""
    return {
        Refusal(each.problem, each.rule, field)
        for each in REASONS
        for field in each.fields
        if operation in each.operations
    }
