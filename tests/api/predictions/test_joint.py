"""What several nets see together."""

import pytest

from service.api.predictions.joint import CandidateOutcome, vote


def outcome(label: str, digit: int, confidence: float) -> CandidateOutcome:
    return CandidateOutcome(label, {"predictions": [{"digit": digit, "confidence": confidence}]})


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([("a", 7, 0.5)], (7, 1.0, True, [], "The net sees 7.")),
        ([("a", 7, 0.5), ("b", 7, 0.1)], (7, 1.0, True, [], "2 of 2 nets agree on 7.")),
        (
            [("a", 7, 0.5), ("b", 7, 0.1), ("c", 1, 0.9)],
            (7, 2 / 3, False, ["c"], "2 of 3 nets see 7; c: 1."),
        ),
        ([("a", 7, 0.5), ("b", 1, 0.9)], (1, 0.5, False, ["a"], "1 of 2 nets see 1; a: 7.")),
        ([("a", 7, 0.5), ("b", 1, 0.5)], (1, 0.5, False, ["a"], "1 of 2 nets see 1; a: 7.")),
    ],
    ids=["one", "all", "most", "the surer of two", "the lower of two"],
)
def test_a_vote(
    seen: list[tuple[str, int, float]], expected: tuple[int, float, bool, list[str], str]
) -> None:
    silent = CandidateOutcome("silent", {"predictions": []})

    [found] = vote([silent, *(outcome(*each) for each in seen)])

    assert tuple(found.values()) == expected
