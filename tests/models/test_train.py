"""The training loop: reproducible bits, exact histories, divergence as a result."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from models.data.digits import Digits
from models.specs import span_lengths
from models.specs.facts import NORMS
from models.specs.metrics import MetricRow
from models.specs.spec import TrainSpec
from models.training.checkpoint import load_net
from models.training.loop import Run, Training
from tests.arms import ARMS, TrainedArm
from tests.models.spans import rows_of, spans_of, stop_after

ALL = list(NORMS)
SHORT_FIELDS: dict[str, Any] = {"init": True, "steps": 70, "eval_every": 30, "checkpoint_every": 40}
SHORT = TrainSpec(norm="batch", **SHORT_FIELDS)


def timeless(rows: Sequence[MetricRow]) -> list[MetricRow]:
    return [row._replace(elapsed_seconds=0) for row in rows]


@pytest.mark.parametrize("arm", ARMS)
def test_a_run_of_the_article_lands_in_the_single_run_band(
    arm: str, trained_arm: TrainedArm, bands: dict[str, Any]
) -> None:
    rows = trained_arm(arm)[0]

    low_accuracy, high_accuracy = bands[arm]["test_acc"]["single_run"]
    low_loss, high_loss = bands[arm]["test_loss"]["single_run"]
    assert [row["step"] for row in rows] == list(range(1, 1001))
    assert low_accuracy <= rows[-1]["test_accuracy"] <= high_accuracy
    assert low_loss <= rows[-1]["test_loss"] <= high_loss


def test_validation_and_test_metrics_are_at_the_evaluated_steps(digits: Digits) -> None:
    rows = rows_of(spans_of(Training([Run(SHORT)], digits)))

    assert [row.step for row in rows if row.test_accuracy is not None] == [30, 40, 60, 70]
    assert [row.step for row in rows if row.validation_loss is not None] == [30, 40, 60, 70]


def test_checkpoints_are_taken_on_time_and_at_the_end(digits: Digits) -> None:
    spans = spans_of(Training([Run(SHORT)], digits))

    checkpoints = [checkpoint for span in spans for checkpoint in span.checkpoints]
    rows = {row.step: row for row in rows_of(spans)}
    assert [checkpoint.row for checkpoint in checkpoints] == [rows[40], rows[70]]


def test_the_last_checkpoint_holds_the_net_that_was_evaluated(digits: Digits) -> None:
    last = spans_of(Training([Run(SHORT)], digits))[-1]

    net = load_net(last.checkpoints[-1].weights, SHORT)
    loss, accuracy = net.evaluate(digits.test.images, digits.test.labels)

    assert (loss.item(), accuracy.item()) == (last.rows[-1].test_loss, last.rows[-1].test_accuracy)


@pytest.mark.slow
@pytest.mark.parametrize("norm", ALL)
def test_two_runs_of_one_spec_are_equal_except_for_their_time(norm: Any, digits: Digits) -> None:
    spec = TrainSpec(norm=norm, **SHORT_FIELDS)

    first, second = (spans_of(Training([Run(spec)], digits)) for _ in range(2))

    assert timeless(rows_of(first)) == timeless(rows_of(second))
    assert first[-1].checkpoints[-1].weights == second[-1].checkpoints[-1].weights


OPTIONS: list[dict[str, Any]] = [
    {"norm": "none", "activation": "tanh", "optimizer": "momentum"},
    {"norm": "layer", "activation": "sigmoid", "optimizer": "adam", "learning_rate": 0.001, "n_hidden": 3},
    {"norm": "weight", "weight_decay": 0.001, "sampling": "epoch", "g_init": "one", "scope": "hidden"},
    {"norm": "group", "scope": "all", "groups": 5, "n_units": 20, "n_hidden": 2},
]
SMALL_NETS: list[dict[str, Any]] = [
    *({"net": "conv", "norm": norm, "n_units": 4, "groups": 2 if norm == "group" else 8} for norm in ALL),
    *({"net": "lstm", "norm": norm, "n_units": 4, "groups": 2 if norm == "group" else 8} for norm in ALL),
    {
        "net": "lstm",
        "norm": "layer",
        "n_units": 3,
        "sequence": "rows",
        "optimizer": "adam",
        "weight_decay": 0.01,
    },
    {"net": "conv", "norm": "batch", "n_units": 3, "optimizer": "adam", "learning_rate": 0.001, "stride": 1},
    {"net": "conv", "norm": "weight", "n_units": 3, "kernel_size": 3, "n_hidden": 4, "optimizer": "momentum"},
]
SMALL_NET: dict[str, Any] = {"batch_size": 16, "steps": 12, "eval_every": 12, "checkpoint_every": 12}
VARIANTS = [{"norm": norm} for norm in ALL] + OPTIONS + [each | SMALL_NET for each in SMALL_NETS]


@pytest.mark.slow
@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_neighbours_do_not_change_the_bits_of_a_run(options: dict[str, Any], digits: Digits) -> None:
    spec = TrainSpec(**{**SHORT_FIELDS, **options, "seed": 5})
    strangers = [
        Run(spec.model_copy(update={"seed": seed, "learning_rate": 0.3 / (seed + 1), "init": seed % 2 == 0}))
        for seed in range(3)
    ]

    alone = spans_of(Training([Run(spec)], digits))
    stacked = spans_of(Training([*strangers, Run(spec)], digits), 3)

    assert timeless(rows_of(stacked)) == timeless(rows_of(alone))
    assert stacked[-1].checkpoints[-1].weights == alone[-1].checkpoints[-1].weights


@pytest.mark.slow
@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_a_resumed_run_continues_as_if_it_had_never_stopped(
    options: dict[str, Any], digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = TrainSpec(**{**SHORT_FIELDS, **options})
    undisturbed = spans_of(Training([Run(spec)], digits))
    with monkeypatch.context() as patched:
        [first] = next(Training([Run(spec)], digits).spans(stop_after(7, patched)))

    rest = spans_of(Training([Run(spec, first.resume_state)], digits))

    assert first.rows[-1].step == 7 < spec.steps
    assert timeless([*first.rows, *rows_of(rest)]) == timeless(rows_of(undisturbed))
    assert rest[-1].checkpoints[-1].weights == undisturbed[-1].checkpoints[-1].weights
    assert rest[0].rows[0].elapsed_seconds > first.rows[-1].elapsed_seconds


@pytest.mark.slow
def test_a_diverging_run_ends_at_its_first_bad_step_and_leaves_its_neighbour_alone(digits: Digits) -> None:
    healthy = TrainSpec(norm="weight", init=True, steps=60)
    wild = healthy.model_copy(update={"learning_rate": 1e6, "seed": 1})

    alone = spans_of(Training([Run(healthy)], digits))
    both = Training([Run(wild), Run(healthy)], digits)
    ended = {span.run: span for spans in both.spans() for span in spans if span.outcome}

    bad = ended[0].rows[-1]
    assert (ended[0].outcome, ended[0].checkpoints, bad.train_loss == bad.train_loss) == (
        "diverged",
        [],
        False,
    )
    assert all(row.train_loss == row.train_loss for row in ended[0].rows[:-1])
    assert ended[1].checkpoints[-1].weights == alone[-1].checkpoints[-1].weights


def test_a_dropped_run_gets_no_further_span(digits: Digits) -> None:
    training = Training([Run(SHORT), Run(SHORT.model_copy(update={"seed": 1}))], digits)

    spans = training.spans()
    first = next(spans)
    training.drop({0})
    rest = [span.run for later in spans for span in later]

    assert ([span.run for span in first], set(rest)) == ([0, 1], {1})


@pytest.mark.slow
def test_a_span_has_a_longest_time_however_long_its_state_takes_to_store(
    digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FIRST_SPAN_SECONDS", "LONGEST_SPAN_SECONDS", "LONGEST_SPAN_OF_LARGE_STATE_SECONDS"):
        monkeypatch.setattr(span_lengths, name, 1e-9)
    monkeypatch.setattr(span_lengths, "SPAN_TO_STORING", 1e9)

    spans = spans_of(Training([Run(SHORT)], digits))

    assert [len(span.rows) for span in spans] == [1] * SHORT.steps


@pytest.mark.slow
def test_a_span_that_is_stopped_ends_early_and_loses_nothing(
    digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = spans_of(Training([Run(SHORT)], digits))

    spans = [span for [span] in Training([Run(SHORT)], digits).spans(stop_after(3, monkeypatch))]

    assert spans[0].rows[-1].step == 3
    assert spans[-1].checkpoints[-1].weights == undisturbed[-1].checkpoints[-1].weights


def test_runs_that_start_from_different_steps_are_refused(
    digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(span_lengths, "FIRST_SPAN_SECONDS", 1e-9)
    first = next(Training([Run(SHORT)], digits).spans())[0]

    with pytest.raises(ValueError, match="same step"):
        Training([Run(SHORT), Run(SHORT, first.resume_state)], digits)


def test_equal_seeds_start_equally_whatever_the_norm(digits: Digits) -> None:
    starts = [Training([Run(TrainSpec(norm=norm, seed=3))], digits).starts[0] for norm in ALL]

    assert len(set(starts)) == 1


def test_another_seed_has_another_start(digits: Digits) -> None:
    first, second = (Training([Run(TrainSpec(seed=seed))], digits).starts[0] for seed in (1, 2))

    assert first.init_digest != second.init_digest
    assert first.data_digest != second.data_digest


def test_the_weights_carry_the_spec_and_nothing_else(digits: Digits) -> None:
    weights = spans_of(Training([Run(SHORT)], digits))[-1].checkpoints[-1].weights

    header = json.loads(weights[8 : 8 + int.from_bytes(weights[:8], "little")])
    assert header["__metadata__"] == {"spec": SHORT.canonical_json()}


@pytest.mark.slow
def test_a_net_whose_gains_are_drawn_like_weights_does_not_learn(digits: Digits) -> None:
    specs = [TrainSpec(norm="weight", g_init="random", seed=seed, eval_every=1000) for seed in range(2)]

    spans = list(Training([Run(spec) for spec in specs], digits).spans())[-1]

    accuracies = [span.rows[-1].test_accuracy for span in spans]
    assert all(accuracy is not None and accuracy < 0.5 for accuracy in accuracies)


def test_weight_norm_without_init_starts_with_the_loss_of_a_plain_net(digits: Digits) -> None:
    specs = [TrainSpec(norm=norm, steps=1) for norm in ("none", "weight")]

    losses = [rows_of(spans_of(Training([Run(spec)], digits)))[0].train_loss for spec in specs]

    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_a_run_that_reaches_its_time_limit_ends_with_its_rows_so_far(digits: Digits) -> None:
    patient = TrainSpec(steps=200)
    hasty = patient.model_copy(update={"max_seconds": 1e-9, "steps": 100_000})

    ended = spans_of(Training([Run(hasty)], digits))

    assert [span.outcome for span in ended] == ["time_limit"]
    assert 0 < ended[-1].rows[-1].step < 100_000
