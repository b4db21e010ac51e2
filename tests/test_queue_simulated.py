"""The rules of the queue hold whatever happens in whatever order: many simulated queues, each from a seed."""

from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from structlog.testing import capture_logs

from service.store import clock
from tests.fixtures import Figure
from tests.simulation.queue import Broken, Simulation
from tests.simulation.turns import Turns
from tests.simulation.watched import Watched

pytestmark = pytest.mark.slow

EVENTS = 200
MUST_HAPPEN = {
    *("submit", "cancel", "delete", "dispatch", "drain", "collect", "dispatcher dies", "dispatcher recovers"),
    *(
        "start",
        "repeat",
        "give up",
        "notice",
        "turn",
        "pause",
        "wake",
        "break",
        "crash",
        "unanswered",
        "failed",
    ),
    *("claimed", "finished", "diverged", "worker_lost", "asked for", "its worker was lost"),
    *("handed back to stop", "the dispatcher started again", "fenced_writes"),
}
Simulate = Callable[[range], tuple[Counter[str], list[str]]]


@pytest.fixture
def simulate(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulate]:
    """Simulate the queues of these seeds; return how often each thing has happened, and which rules broke."""
    database = Watched(sqlite_url)

    def all_of(seeds: range) -> tuple[Counter[str], list[str]]:
        happened: Counter[str] = Counter()
        violations = []
        for seed in seeds:
            simulation = Simulation(database, seed)
            monkeypatch.setattr(clock, "now", simulation.read_clock)
            try:
                with capture_logs():
                    simulation.run(EVENTS)
            except Broken as broken:
                violations.append(str(broken))
            happened += simulation.happened
        return happened, violations

    yield all_of
    database.close()


@pytest.mark.parametrize("first", range(0, 300, 50))
def test_a_queue_keeps_its_rules_whatever_happens(simulate: Simulate, first: int) -> None:
    happened, violations = simulate(range(first, first + 50))

    assert violations == []
    assert happened.keys() >= MUST_HAPPEN


@pytest.mark.long
@pytest.mark.parametrize("first", range(0, 5000, 500))
def test_thousands_of_queues_keep_their_rules(simulate: Simulate, figure: Figure, first: int) -> None:
    happened, violations = simulate(range(first, first + 500))

    figure(f"stale writes refused in queues {first} to {first + 499}", happened["fenced_writes"], "≥ 1")
    figure(f"violations in queues {first} to {first + 499}", len(violations), "0")
    assert violations == []
    assert happened.keys() >= MUST_HAPPEN


def test_a_seed_makes_the_same_events_again(simulate: Simulate) -> None:
    assert simulate(range(1)) == simulate(range(1))


@pytest.mark.parametrize("first", range(0, 300, 100))
def test_no_owner_is_served_twice_while_another_waits(first: int) -> None:
    """So shares are equal within one cohort, priorities decide first, and nobody waits for ever."""
    queues = [Turns(seed) for seed in range(first, first + 100)]
    for queue in queues:
        for _ in range(40):
            queue.arrive() if queue.random.random() < 0.3 else queue.choose()

    assert [unfair for queue in queues for unfair in queue.unfair] == []
    assert sum(len(queue.served) > 2 for queue in queues) > 50
