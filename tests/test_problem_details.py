"""The detail of every problem that the service can raise is a sentence."""

import ast
import json
from collections.abc import Iterator

import pytest

from service import errors
from service.edge.problems import problem_body
from service.errors import NormserveError
from tests.api.work import SENTENCE
from tests.pages import ROOT

KINDS = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, NormserveError)
}


def written(text: ast.expr) -> str:
    """A text as it stands in the code; what it shows of a value is an x."""
    if isinstance(text, ast.JoinedStr):
        return "".join(written(part) for part in text.values)
    if isinstance(text, ast.BinOp):
        return written(text.left) + written(text.right)
    return str(text.value) if isinstance(text, ast.Constant) else "x"


def raised() -> Iterator[tuple[str, str]]:
    """Each place that makes an error of the API with words of its own, and these words."""
    for path in sorted((ROOT / "service").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and node.args and _name(node.func) in KINDS:
                words = node.args[0]
                if isinstance(words, ast.Constant | ast.JoinedStr | ast.BinOp):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", written(words)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


RAISED = dict(raised())


def test_most_kinds_of_errors_are_found() -> None:
    assert len(RAISED) > 60


@pytest.mark.parametrize("place", RAISED)
def test_a_problem_says_a_sentence(place: str) -> None:
    problem = json.loads(problem_body(NormserveError(RAISED[place]), "req_1"))

    assert SENTENCE.fullmatch(problem["detail"])
