"""Owners that take turns, simulated: the plan alone, with jobs that arrive and cohorts that end by a seed."""

import random
from collections import Counter
from dataclasses import dataclass

from service.work.plan import plan

SHAPES = ("a", "b", None)


@dataclass(frozen=True)
class Waiting:
    """A queued job, as the plan sees it."""

    key: int
    owner: int
    priority: int
    shape: str | None
    run_bytes: int | None = 1
    step: int = 0
    deaths_without_progress: int = 0


class Turns:
    """One queue, for as many cohorts as wanted; `unfair` names what broke a rule."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.queued: list[Waiting] = []
        self.turns: dict[int, int] = {}
        self.newest = self.keys = 0
        self.overtaken: dict[tuple[int, int], Counter[int]] = {}
        """How often each owner was served while this one waits for its turn, by owner and priority."""
        self.unfair: list[str] = []
        self.served: Counter[int] = Counter()

    def arrive(self) -> None:
        """Let jobs of an owner arrive: of a known one, or of a new one."""
        known = max(self.turns, default=0)
        owner = self.random.randint(0, known + 1)
        self.turns.setdefault(owner, self.newest - 1)
        priority = self.random.choice((0, 0, 0, 5))
        for _ in range(self.random.randint(1, 30)):
            self.keys += 1
            self.queued.append(Waiting(self.keys, owner, priority, self.random.choice(SHAPES)))

    def choose(self) -> None:
        """Choose cohorts for some free slots, and compare each with what waited for it."""
        room = self.random.randint(1, 3)
        for cohort in plan(self.queued, slots=4, room=room, turns=dict(self.turns)):
            self._check(cohort)
            self.newest += 2
            self.turns[cohort[0].owner] = self.newest
            self.queued = [job for job in self.queued if job not in cohort]

    def _check(self, cohort: list[Waiting]) -> None:
        owner, priority = cohort[0].owner, cohort[0].priority
        if priority < max(job.priority for job in self.queued):
            self.unfair.append(f"job {cohort[0].key} was chosen before one of higher priority")
        oldest = min(job.key for job in self.queued if (job.owner, job.priority) == (owner, priority))
        if oldest != cohort[0].key:
            self.unfair.append(f"job {cohort[0].key} was chosen before job {oldest} of its owner")
        self.overtaken = {waits: counts for waits, counts in self.overtaken.items() if waits[0] != owner}
        for other in {job.owner for job in self.queued if job.priority == priority} - {owner}:
            overtaken = self.overtaken.setdefault((other, priority), Counter())
            overtaken[owner] += 1
            if overtaken[owner] > 1:
                self.unfair.append(f"owner {owner} was served twice while owner {other} waited")
        self.served[owner] += 1
