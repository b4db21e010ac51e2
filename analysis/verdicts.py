"""Verdicts and sentences about a difference, which claim no more than the statistics support."""

from typing import Literal

from analysis.figures import signed
from analysis.paired import PairedDifference
from analysis.seeds import SIGNIFICANCE, seeds_needed

Verdict = Literal["better", "worse", "not_told_apart"]
IN_WORDS: dict[Verdict, str] = {
    "better": "better",
    "worse": "worse",
    "not_told_apart": "no clear difference",
}


def verdict(found: PairedDifference, p_holm: float | None, higher_is_better: bool) -> Verdict:
    """Return better or worse only if the interval excludes zero and the corrected p is at most 0.05.

    A difference in loss without the seeds that diverged gets no verdict: `analysis/summary.py` sees to that.
    """
    if found.mean is None or found.interval is None or p_holm is None or p_holm > SIGNIFICANCE:
        return "not_told_apart"
    low, high = found.interval
    if low <= 0 <= high:
        return "not_told_apart"
    return "better" if (low > 0) == higher_is_better else "worse"


def sentence(
    arm: str,
    baseline: str,
    metric: str,
    found: PairedDifference,
    p_holm: float | None,
    tests: int,
    level: Verdict,
    left_out: int = 0,
) -> str:
    """Describe in one sentence how an arm compares with the baseline.

    `metric` is its name in words, such as "test accuracy"; `tests` is the number of tests that p_holm is
    corrected for; `left_out` is the number of seeds without a value because a run diverged.
    """
    if found.mean is None or found.n == 0:
        return f"{arm} and {baseline} cannot be compared in {metric}: no seed has a value of both."
    seeds = "1 seed" if found.n == 1 else f"{found.n} seeds"
    if found.interval is None or p_holm is None:
        return (
            f"{arm} and {baseline} show {IN_WORDS['not_told_apart']} in {metric} with {seeds}: "
            f"it was {signed(found.mean)}, but one seed cannot rule out chance."
        )
    low, high = found.interval
    interval = f"95 % interval {signed(low)} to {signed(high)}"
    figures = f"{signed(found.mean)} on average ({interval}, Holm p {p_holm:.2g})"
    if left_out:
        more = "1 more seed" if left_out == 1 else f"{left_out} more seeds"
        rest = f"in {more} a run diverged and has no {metric}, so neither is called better"
        return f"{arm} and {baseline} over {seeds} with a {metric} of both: {figures}; {rest}."
    if level != "not_told_apart":
        return f"{arm} was {level} than {baseline} in {metric} over {seeds}: {figures}."
    needed = seeds_needed(tests)
    hint = f" {needed} seeds are needed to show a difference." if found.n < needed else ""
    return f"{arm} and {baseline} show {IN_WORDS[level]} in {metric} with {seeds}: {figures}.{hint}"
