"""What several nets see together."""

import pytest

from service.api.predictions.joint import Outcome, vote


def outcome(label: str, digit: int, confidence: float) -> Outcome:
    return Outcome(label, {"predictions": [{"digit": digit, "confidence": confidence}]})


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([("a", 7, 0.5)], (7, 1.0, True, [])),
        ([("a", 7, 0.5), ("b", 7, 0.1), ("c", 1, 0.9)], (7, 2 / 3, False, ["c"])),
        ([("a", 7, 0.5), ("b", 1, 0.9)], (1, 0.5, False, ["a"])),
        ([("a", 7, 0.5), ("b", 1, 0.5)], (1, 0.5, False, ["a"])),
    ],
    ids=["one", "most", "the surer of two", "the lower of two"],
)
def test_a_vote(seen: list[tuple[str, int, float]], expected: tuple[int, float, bool, list[str]]) -> None:
    silent = Outcome("silent", {"predictions": []})

    [found] = vote([silent, *(outcome(*each) for each in seen)])

    assert tuple(found.values()) == expected
