"""The lines of the list of jobs: a job each, and the runs of a comparison in one."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from models.specs.comparison import Preset
from service.api.comparisons.views import view_progress
from service.api.jobs.views import view_summaries
from service.comparing.specs import method_of, with_defaults
from service.comparing.words import counted
from service.store import comparisons, feeds
from service.store.tables import ENDED, NOT_EVALUATED, Comparison, Job

MOST_RUNS_SHOWN = 200
PRESETS: dict[Preset, str] = {
    "article": "The article's comparison",
    "article_as_written": "The article's comparison as written",
    "article_conv": "The article's comparison with convolutional nets",
    "article_lstm": "The article's comparison with recurrent nets",
    "all_norms": "All norms",
}

Line = dict[str, Any]


def lines_of(session: Session, jobs: Sequence[Job], folded: bool) -> list[Line]:
    """Return the lines of a page of jobs; with `folded`, a comparison has one, where its newest job is."""
    summaries = view_summaries(session, jobs)
    seen: set[str] = set()
    lines = []
    for job, each in zip(jobs, summaries, strict=True):
        comparison_id = each["comparison_id"]
        if not folded or comparison_id is None:
            lines.append({**_line_of_job(each), "measured_at": measured_at(job)})
        elif comparison_id not in seen:
            lines.append(_line_of_comparison(session, comparisons.get(session, comparison_id)))
            seen.add(comparison_id)
    return _with_distinct_names(session, lines)


def _with_distinct_names(session: Session, lines: Sequence[Line]) -> list[Line]:
    """Add the comparison to the names of jobs that runs of other comparisons have too."""
    homes: dict[str, set[str | None]] = {}
    for each in lines:
        homes.setdefault(each["name"], set()).add(each.get("comparison_id"))
    names = {
        found: name_of_comparison(comparisons.get(session, found))
        for found in {home for shared in homes.values() if len(shared) > 1 for home in shared if home}
    }
    return [_with_home(each, names) if len(homes[each["name"]]) > 1 else each for each in lines]


def _with_home(line: Line, names: Mapping[str, str]) -> Line:
    home = names.get(line.get("comparison_id") or "")
    return line if home is None else {**line, "name": f"{line['name']} · {home}"}


def name_of_job(job: Mapping[str, Any]) -> str:
    """Return a job's label, or else its run of a comparison, or else what it trains."""
    method = method_of(job)
    return str(job["label"] or f"{job['arm'] or method}, seed {job['seed']}")


def name_of_stored(job: Job) -> str:
    """Return the name of a job that is a row of the database."""
    return name_of_job({name: getattr(job, name) for name in ("label", "arm", "norm", "init", "seed")})


def name_of_comparison(comparison: Comparison) -> str:
    """Return a comparison's label, or else its preset, or else its arms."""
    preset = PRESETS.get(comparison.spec["preset"])
    return comparison.label or preset or ", ".join(comparisons.arms_of(comparison)[:6])


def failure_words(failure: Mapping[str, Any] | None) -> str | None:
    """Return in a few words why a job failed."""
    if failure is None:
        return None
    if failure["code"] == "diverged":
        return f"NaN at step {failure['step']:,}"
    return str(failure["code"]).replace("_", " ")


def measured_at(job: Job) -> int | None:
    """Return the step of the newest test accuracy; None without one, or if it is that of the last step."""
    if job.test_accuracy == NOT_EVALUATED or job.latest is None:
        return None
    if job.latest.get("test_accuracy") is not None:
        return None if job.step == job.spec["steps"] else job.step
    before, spacings = job.step - 1, (int(job.spec[name]) for name in ("eval_every", "checkpoint_every"))
    return max(before - before % each for each in spacings)


def _line_of_job(job: Mapping[str, Any]) -> Line:
    return {
        **job,
        "key": job["id"],
        "name": name_of_job(job),
        "method": method_of(job),
        "why": failure_words(job["failure"]),
        "ended": job["status"] in ENDED,
    }


def _line_of_comparison(session: Session, comparison: Comparison) -> Line:
    progress = comparisons.progress(session, [comparison.key])[comparison.key]
    arms, n_runs = comparison.spec["arms"], progress.statuses.total()
    runs = feeds.run_states(session, comparison) if n_runs <= MOST_RUNS_SHOWN else []
    counts = view_progress(progress)
    return {
        "key": comparison.id,
        "comparison": comparison.id,
        "name": name_of_comparison(comparison),
        "status": "succeeded" if progress.ended() else "running" if counts.running else "queued",
        "words": f"{counted(len(arms), 'arm')} × {counted(n_runs // len(arms), 'run')}",
        "n_runs": n_runs,
        "n_ended": counts.succeeded + counts.failed + counts.cancelled,
        "n_failed": counts.failed,
        # A run that failed has ended, though not all of its steps are done.
        "percent": 100.0 if progress.ended() else counts.percent,
        "methods": {arm["name"]: _method_of_arm(arm) for arm in arms},
        "runs": {arm: [run for run in runs if run.arm == arm] for arm in {run.arm: None for run in runs}},
    }


def _method_of_arm(arm: Mapping[str, Any]) -> str:
    return method_of(with_defaults({name: value for name, value in arm.items() if name != "name"}))
