"""The README is true: its commands run and answer as shown, and nothing that exists is missing from it."""

import ast
import json
import re
import subprocess
import typing
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_group

from models.spec import TrainSpec
from service.__main__ import cli
from service.api.job_view import FailureCode, Status
from service.app import create_app
from service.settings import Settings
from tests.process import Service

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```\n```(?:text|json)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
OPERATIONS = [
    f"{method.upper()} {path}"
    for path, operations in create_app(Settings()).openapi()["paths"].items()
    for method in operations
]
MODULES = [
    path
    for folder in ("analysis", "models", "service", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
]


def skeleton(text: str) -> Any:
    """What stays the same from run to run: the keys of JSON, the shape of other lines."""
    try:
        return keys_of(json.loads(text))
    except ValueError:
        return re.sub(r"(job|cmp)_\w+|[\d.]+(e-\d+)?", "#", text).split("\n")


def keys_of(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: keys_of(member) for key, member in value.items()}
    return [keys_of(member) for member in value] if isinstance(value, list) else type(value).__name__


def test_the_commands_of_the_readme_answer_as_shown(service: Service) -> None:
    mark = "echo '----8<----'"
    script = f"\n{mark}\n".join(command for command, _ in BLOCKS)
    script = script.replace("http://127.0.0.1:8000", str(service.client.base_url).rstrip("/"))

    done = subprocess.run(["bash", "-e"], input=script, capture_output=True, text=True, check=True, cwd=ROOT)

    answers = done.stdout.split("----8<----\n")
    assert [skeleton(answer.strip()) for answer in answers] == [
        skeleton(shown.strip()) for _, shown in BLOCKS
    ]


def test_the_readme_has_commands() -> None:
    assert len(BLOCKS) >= 6


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_is_in_the_readme(operation: str) -> None:
    assert f"| `{operation}` |" in README


@pytest.mark.parametrize(
    "command", [name for name, command in get_group(cli).commands.items() if not command.hidden]
)
def test_every_command_is_in_the_readme(command: str) -> None:
    assert re.search(rf"`normserve {command}\b", README)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_in_the_readme(name: str) -> None:
    assert f"| `NORMSERVE_{name.upper()}` |" in README


@pytest.mark.parametrize("state", [*typing.get_args(Status), *sorted(typing.get_args(FailureCode))])
def test_every_state_and_failure_is_in_the_readme(state: str) -> None:
    assert re.search(rf"\b{state}\b", README)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:tests|models|docs)/[\w/]+\.\w+)`", README))))
def test_every_file_that_the_readme_names_exists(path: str) -> None:
    assert (ROOT / path).is_file()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`make ([\w-]+)`", README))))
def test_every_make_target_of_the_readme_exists(target: str) -> None:
    assert re.search(rf"^{target}:.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_opens_with_a_sentence(path: Path) -> None:
    if_empty = "Empty."
    first = (ast.get_docstring(ast.parse(path.read_text())) or if_empty).splitlines()[0]

    assert first.endswith((".", ":"))
    assert path.name == "__init__.py" or first != if_empty


@pytest.mark.parametrize("field", TrainSpec.model_fields)
def test_every_field_of_a_spec_is_in_the_readme(field: str) -> None:
    assert re.search(rf"^\|.*`{field}`.*\|.*\|.*\|$", README, re.MULTILINE)
