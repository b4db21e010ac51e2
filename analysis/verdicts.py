"""Words for a difference, which never say more than its figures do."""

from typing import Literal

from analysis.paired import SIGNIFICANCE, Difference, seeds_needed

Verdict = Literal["better", "worse", "not_told_apart"]


def verdict(found: Difference, p_holm: float | None, higher_is_better: bool) -> Verdict:
    """Tell two arms apart only where interval and corrected p agree that they differ."""
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
    found: Difference,
    p_holm: float | None,
    tests: int,
    level: Verdict,
    left_out: int = 0,
) -> str:
    """Say in one sentence what was found of two arms, one of so many tests.

    `metric` is how the figure is called, as in "test accuracy"; `left_out` counts the seeds in which a run
    has none, for it diverged.
    """
    if found.mean is None or found.n == 0:
        return f"{arm} and {baseline} cannot be compared in {metric}: no seed has a figure of both."
    seeds = "1 seed" if found.n == 1 else f"{found.n} seeds"
    if found.interval is None or p_holm is None:
        return (
            f"{arm} and {baseline} were not told apart in {metric} with {seeds}: "
            f"the difference was {found.mean:+.4g}, and one seed tells nothing of chance."
        )
    low, high = found.interval
    figures = f"{found.mean:+.4g} on average (95 % interval {low:+.4g} to {high:+.4g}, Holm p {p_holm:.2g})"
    if left_out:
        more = "1 more seed" if left_out == 1 else f"{left_out} more seeds"
        rest = f"a run diverged in {more} and has none, so neither is called better"
        return f"{arm} and {baseline} over {seeds} that have a {metric} of both: {figures}; {rest}."
    if level != "not_told_apart":
        return f"{arm} was {level} than {baseline} in {metric} over {seeds}: {figures}."
    needed = seeds_needed(tests)
    hint = f" With {seeds} no difference can be told: that takes {needed}." if found.n < needed else ""
    return f"{arm} and {baseline} were not told apart in {metric} with {seeds}: {figures}.{hint}"
