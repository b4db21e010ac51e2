"""What may and may not be concluded from a summary, in the words of the report and of the page."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.figures import signed, written
from service.comparing.words import counted, listed

Summary = Mapping[str, Any]
NOTHING = "No arm was shown to be better than another{so_far}: no difference is distinguishable from chance."
TOO_FEW = "Too few seeds{so_far} to show any difference between {arms}: {needed} are needed."
MOST_AT_FIRST = 3
"""Sentences below the headline of a page; it folds the others."""
MOST_FAILED = 3
"""Arms whose failed runs the headline counts one by one."""
MAY_CHANGE = "This may change: some runs have not ended."
ALWAYS = (
    "That two arms are equal because these seeds show no difference between them.",
    "Anything from looking at p again after each extension: p is valid for one figure, one learning rate "
    "per arm, and a number of seeds that was fixed in advance.",
    "Anything about data sets, sizes, steps or learning rates other than those above.",
    "Anything finer than the test set allows: all seeds share its 10,000 images, and their sampling error "
    "for an accuracy near 0.95 is about 0.002.",
)


@dataclass(frozen=True)
class Conclusions:
    """Sentences; those about arms come from the summary."""

    headline: str
    """Which arm is the best, and whether that may be chance."""
    shown: list[str]
    """What the seeds show about single arms."""
    no_clear_difference: list[str]
    """The differences that they do not show."""
    beware: list[str]
    """The warnings of the summary."""
    beyond: list[str]
    """What no such comparison shows."""
    may_change: str | None
    """That runs have not ended; None once all have."""

    @property
    def beware_at_first(self) -> list[str]:
        """Return the warnings that a page shows at once: at least one, and more where little is shown."""
        return self.beware[: MOST_AT_FIRST - min(len(self.shown), MOST_AT_FIRST - 1)]

    @property
    def shown_at_first(self) -> list[str]:
        """Return the most important of what the seeds show."""
        return self.shown[: MOST_AT_FIRST - len(self.beware_at_first)]

    @property
    def folded(self) -> list[str]:
        """Return what a page shows only when asked."""
        return [*self.shown[len(self.shown_at_first) :], *self.beware[len(self.beware_at_first) :]]

    @property
    def not_shown(self) -> list[str]:
        """Return all that may not be concluded."""
        return [*self.no_clear_difference, *self.beware, *self.beyond]


def conclude(summary: Summary) -> Conclusions:
    """Put into words what a summary supports, and what it does not."""
    ordered = sorted(summary["differences"], key=_by_importance)
    is_shown = [(each["verdict"] != "not_told_apart", each["sentence"]) for each in ordered]
    return Conclusions(
        headline=_headline(summary),
        shown=[sentence for shown, sentence in is_shown if shown],
        no_clear_difference=[sentence for shown, sentence in is_shown if not shown],
        beware=[f"Beware: {warning['message']}." for warning in summary["warnings"]],
        beyond=[*_between_others(summary), *ALWAYS],
        may_change=None if summary["complete"] else MAY_CHANGE,
    )


def _by_importance(difference: Mapping[str, Any]) -> tuple[bool, float]:
    return difference["metric"] != "test_accuracy", -abs(difference["mean"] or 0)


def _headline(summary: Summary) -> str:
    return " ".join([*_failed(summary["arms"]), _best(summary)])


def _failed(arms: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield which arms have runs that diverged or stayed at chance, and how many."""
    counts = [(arm["arm"], arm["n_diverged"] + arm["n_at_chance"], arm["n"]) for arm in arms]
    failed = [f"{arm} failed in {n} of {counted(of, 'run')}" for arm, n, of in counts if n]
    if len(failed) > MOST_FAILED:
        yield f"{len(failed)} of {counted(len(counts), 'arm')} failed in some of their runs."
    elif failed:
        yield f"{listed(failed)}."


def _nothing(summary: Summary, so_far: str) -> str:
    needed = next((each["seeds_needed"] for each in summary["warnings"] if each["seeds_needed"]), None)
    if needed is None:
        return NOTHING.format(so_far=so_far)
    return TOO_FEW.format(so_far=so_far, arms=counted(len(summary["arms"]), "arm"), needed=needed)


def _best(summary: Summary) -> str:
    """Return which arm is the best, or why none was shown to be."""
    so_far = "" if summary["complete"] else " so far"
    means = {arm["arm"]: arm["test_accuracy"]["mean"] for arm in summary["arms"]}
    known = [mean for mean in means.values() if mean is not None]
    if not known:
        return f"No run has a result{so_far}."
    if all(each["verdict"] == "not_told_apart" for each in summary["differences"]) and len(means) > 1:
        return _nothing(summary, so_far)
    best = [arm for arm, mean in means.items() if mean == max(known)]
    highest = f"Highest mean test accuracy{so_far}: {listed(best)}, {written(max(known))}."
    return " ".join([highest, *_certainty(summary, best)])


def _certainty(summary: Summary, best: Sequence[str]) -> Iterator[str]:
    """Yield how far the best arms are from the baseline, and whether that may be chance."""
    for each in summary["differences"]:
        if each["metric"] == "test_accuracy" and each["arm"] in best and each["mean"] is not None:
            whose = "Its" if len(best) == 1 else f"{each['arm']}'s"
            may_be = "" if each["verdict"] == "better" else "not "
            yield (
                f"{whose} difference to {summary['baseline']}, {signed(each['mean'])} on average, "
                f"is {may_be}distinguishable from chance."
            )


def _between_others(summary: Summary) -> Iterator[str]:
    """Yield that arms other than the baseline were not compared with each other, if there are some."""
    if len(summary["arms"]) > 2:
        baseline = summary["baseline"]
        yield f"Which of two arms is better if neither is {baseline}: each was compared with it only."
