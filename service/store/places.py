"""The place of a job in the queue: how many jobs start before it if nothing else arrives, plus 1.

Jobs that were handed over come first. The others follow in the order in which cohorts of one job would be
chosen: by priority, then owner by owner in turns, then by arrival.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from service.store.tables import Job
from service.store.waiting import QUEUED, OwnerLine, lines

WAITS = Job.submission.is_(None)
"""A queued job was not handed over."""

Ranks = Mapping[int, Mapping[int, Mapping[int, int]]]
"""How many jobs of its own line wait before a job, by priority, owner and key."""


def queue_places(session: Session, jobs: Sequence[Job]) -> dict[int, int]:
    """Return the place of each of these jobs that is queued, by key; the next to start has place 1."""
    wanted = [job.key for job in jobs if job.status == "queued"]
    if not wanted:
        return {}
    handed_over = session.scalars(select(Job.key).where(QUEUED, Job.submission.is_not(None))).all()
    first = {key: place for place, key in enumerate(sorted(handed_over), 1)}
    places = places_of(lines(session, WAITS), _ranks(session, wanted))
    return {key: len(first) + place for key, place in places.items()} | {
        key: first[key] for key in wanted if key in first
    }


def places_of(waiting: Iterable[OwnerLine], ranks: Ranks) -> dict[int, int]:
    """Return the places of the ranked jobs in a queue of these lines, which come in any order."""
    found: dict[int, int] = {}
    n_before = 0
    served: dict[int, tuple[int, ...]] = {}
    by_priority = sorted(waiting, key=lambda line: -line.priority)
    for number, (priority, group) in enumerate(groupby(by_priority, key=attrgetter("priority")), 1):
        # An owner that also has jobs of higher priority was served since then.
        level = sorted(group, key=lambda line: (served.get(line.owner, (0, line.turn)), line.owner))
        sizes = np.array([line.n_jobs for line in level])
        indices = {line.owner: index for index, line in enumerate(level)}
        for owner in indices.keys() & ranks.get(priority, {}).keys():
            for key, rank in ranks[priority][owner].items():
                found[key] = n_before + _n_earlier(sizes, indices[owner], rank) + 1
        n_before += int(sizes.sum())
        served |= {line.owner: (number, line.n_jobs, index) for index, line in enumerate(level)}
    return found


def _n_earlier(sizes: NDArray[np.int64], index: int, rank: int) -> int:
    """Return how many jobs of a level start before the one of this rank in this line."""
    # When it is chosen, the lines before its own have had one more turn than it.
    turns = np.full(len(sizes), rank)
    turns[:index] += 1
    return int(np.minimum(sizes, turns).sum())


def _ranks(session: Session, keys: Sequence[int]) -> Ranks:
    """Read the ranks of those of these jobs that wait, each line once."""
    line = (Job.priority, Job.owner)
    ends = (
        select(*line, func.min(Job.key).label("first"), func.max(Job.key).label("last"))
        .where(QUEUED, WAITS, Job.key.in_(keys))
        .group_by(*line)
        .cte("ends")
    )
    waits = and_(QUEUED, WAITS, Job.priority == ends.c.priority, Job.owner == ends.c.owner)
    earlier = select(func.count()).where(waits, Job.key < ends.c.first).scalar_subquery()
    ranks = {tuple(ends_of): rank for *ends_of, rank in session.execute(select(*ends.c[:2], earlier))}
    found: defaultdict[int, dict[int, dict[int, int]]] = defaultdict(lambda: defaultdict(dict))
    among = select(*line, Job.key).join_from(ends, Job, waits & Job.key.between(ends.c.first, ends.c.last))
    wanted = set(keys)
    for priority, owner, key in session.execute(among.order_by(Job.key)):
        rank = ranks.get((priority, owner), 0)
        ranks[priority, owner] = rank + 1
        if key in wanted:
            found[priority][owner][key] = rank
    return found
