"""The docs are true: their commands print what they show, and they name everything that exists and nothing else."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.main import get_group

from service.__main__ import cli
from service.app import create_app
from service.errors import NormserveError
from service.settings import Settings
from tests.process import Service

ROOT = Path(__file__).parents[1]
RUN = {
    "README.md": 5,
    "docs/api.md": 13,
    "docs/operating.md": 3,
    "docs/science.md": 2,
    "docs/design.md": 0,
    "docs/decisions.md": 0,
    "docs/benchmarks.md": 0,
}
"""The pages, and how many of their `sh` blocks are run."""
PAGES = {name: (ROOT / name).read_text() for name in RUN}
NOT_RUN = {
    ("README.md", "make run"): "serves until it is stopped",
    ("docs/operating.md", "make run"): "serves until it is stopped",
    ("docs/operating.md", "sudo -u postgres createuser --pwprompt normserve"): "needs root and a server",
    ("docs/operating.md", "NORMSERVE_DATABASE_URL=postgresql://normserve@database.internal/normserve?sslmode=require"): (
        "names hosts of the reader's; tests/test_cluster.py starts such a cluster"
    ),
    ("docs/operating.md", 'echo "POSTGRES_PASSWORD=$(openssl rand -hex 24)" > .env'): "needs Docker",
    ("docs/operating.md", ".venv/bin/normserve backup normserve.backup"): (
        "prints a size that depends on the data; tests/test_operations.py runs it"
    ),
    ("docs/operating.md", "docker compose stop api dispatcher worker"): "needs Docker",
    ("docs/benchmarks.md", "make bench"): "takes many minutes",
    ("docs/science.md", "make figures"): "trains for a minute and changes the tables",
}
"""Every `console` block by page and first line, and why no test runs it."""
SAID_OTHERWISE = {"database_url", "workers", "scheduler", "failpoints"}
"""Settings whose default is described in words."""

OPENAPI = create_app(Settings()).openapi()
SCHEMAS = OPENAPI["components"]["schemas"]
OPERATIONS = [f"{method.upper()} {path}" for path, each in OPENAPI["paths"].items() for method in each]
MODULES = [
    path
    for folder in ("analysis", "models", "service", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
]

pages = pytest.mark.parametrize("page", PAGES)


class Fence(NamedTuple):
    """A fenced block: its language and its text."""

    language: str
    text: str


def fences(page: str) -> list[Fence]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGES[page], re.MULTILINE | re.DOTALL)
    return [Fence(*each) for each in found]


def commands(page: str) -> list[tuple[str, str]]:
    """The `sh` blocks, each with the output that follows it."""
    found = fences(page)
    return [(each.text, after.text) for each, after in zip(found, found[1:], strict=False) if each.language == "sh"]


MASKS = {
    r"\b(job|cmp|req)_[0-9a-f]{32}\b": "an id",
    r"\b[0-9a-f]{64}\b": "a hash",
    r"\b\d{4}-\d\d-\d\dT[\d:.]+Z": "a time",
    r'(?<=seconds":)\s*[\d.e-]+': "seconds",
    r"[\d.]+(?= seconds)": "some",
}
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


def differences(output: str, shown: str) -> list[tuple[str, str]]:
    """What an output has in place of what a page shows, apart from ids, hashes, times and seconds.

    Whole numbers must be equal. Others may differ by less than 0.001: kinds of CPU round differently within
    a matrix multiplication, and after 1,000 steps that moves an accuracy by a few of 10,000 images.
    """
    texts = [masked(text.strip()) for text in (output, shown)]
    words, words_shown = (NUMBER.split(text) for text in texts)
    if words != words_shown:
        return [(texts[0], texts[1])]
    numbers, numbers_shown = (NUMBER.findall(text) for text in texts)
    return [pair for pair in zip(numbers, numbers_shown, strict=True) if not close(*pair)]


def masked(text: str) -> str:
    for pattern, word in MASKS.items():
        text = re.sub(pattern, word, text)
    return text


def close(number: str, shown: str) -> bool:
    if number == shown or number.isdigit() or shown.isdigit():
        return number == shown
    return abs(float(number) - float(shown)) < 0.001


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ("test accuracy 0.8669", "test accuracy 0.8731"),
        ("1000 steps", "999 steps"),
        ('{"digit":7}', '{"digit":1}'),
        ('{"digit":7}', '{"figure":7}'),
        ("batch 0.95", "layer 0.95"),
        ("0.5\n0.6", "0.5"),
        ('{"mean":null}', '{"mean":0.5}'),
    ],
)
def test_another_output_is_noticed(output: str, shown: str) -> None:
    assert differences(output, shown)


def test_ids_times_seconds_hashes_and_last_digits_may_differ() -> None:
    first = f'{{"id":"job_{"0" * 32}","at":"2026-11-28T00:00:00Z","elapsed_seconds":1.5,"sha256":"{"a" * 64}"}} 0.1234'
    other = f'{{"id":"job_{"1" * 32}","at":"2027-01-01T01:02:03.4Z","elapsed_seconds":2e-1,"sha256":"{"b" * 64}"}} 0.1239'

    assert differences(first, other) == []


@pytest.mark.xdist_group("main job")
@pytest.mark.parametrize("page", [page for page, blocks in RUN.items() if blocks])
def test_the_commands_of_a_page_print_what_it_shows(page: str, service: Service, tmp_path: Path) -> None:
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    blocks = commands(page)
    script = "\necho '----8<----'\n".join(command for command, _ in blocks)
    script = script.replace("http://127.0.0.1:8000", str(service.client.base_url).rstrip("/"))
    script = script.replace(".venv/bin/normserve", f"{sys.executable} -m service")

    done = subprocess.run(
        ["bash", "-euo", "pipefail"],
        input=script,
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=service.environment,
    )

    assert done.returncode == 0, done.stderr
    outputs = done.stdout.split("----8<----\n")
    assert [differences(*pair) for pair in zip(outputs, (shown for _, shown in blocks), strict=True)] == [
        [] for _ in blocks
    ]


@pages
def test_every_command_of_a_page_is_run_with_its_output_or_listed_with_a_reason(page: str) -> None:
    found = fences(page)
    following = [after.language for each, after in zip(found, [*found[1:], None], strict=True) if each.language == "sh" and after]

    assert len([each for each in found if each.language == "sh"]) == RUN[page]
    assert set(following) <= {"text", "json"}
    assert {each.language for each in found} <= {"sh", "console", "text", "json"}
    assert {first_line(each) for each in found if each.language == "console"} == {
        line for name, line in NOT_RUN if name == page
    }
    assert re.search(r"^(?: {4}|\t)(?!-)\S", without_fences(page), re.MULTILINE) is None


def first_line(fence: Fence) -> str:
    return fence.text.partition("\n")[0]


def without_fences(page: str) -> str:
    return re.sub(r"^```.*?^```$", "", PAGES[page], flags=re.MULTILINE | re.DOTALL)


def test_all_pages_are_held() -> None:
    assert {"README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))} == set(PAGES)


def test_the_readme_is_short() -> None:
    assert len(PAGES["README.md"].splitlines()) <= 150


@pages
def test_a_line_has_one_sentence(page: str) -> None:
    prose = [line for line in without_fences(page).splitlines() if not line.startswith(("|", "<"))]

    assert [line for line in prose if re.search(r"[a-z`)][.?!] +[A-Z`]", line)] == []


def code_of_rows(page: str) -> set[str]:
    """What the tables of a page have in the first cell, between backticks."""
    first_cells = re.findall(r"^\| (`[^|]*`) \|", PAGES[page], re.MULTILINE)
    return {code for cell in first_cells for code in re.findall(r"`([^`]+)`", cell)}


def documented(name: str, field: str) -> Any:
    """The values of a field of a schema in OpenAPI, where it is an enumeration."""
    found = SCHEMAS[name]["properties"][field]
    return found.get("enum") or found["items"]["enum"]


def problem_codes(error: type[NormserveError] = NormserveError) -> Iterator[tuple[str, int]]:
    yield error.code, error.status
    for kind in error.__subclasses__():
        yield from problem_codes(kind)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_has_a_row(operation: str) -> None:
    assert operation in code_of_rows("docs/api.md")


def test_no_operation_is_made_up() -> None:
    rows = {code for code in code_of_rows("docs/api.md") if re.match("(GET|POST|PATCH|DELETE) ", code)}

    assert rows == set(OPERATIONS)


@pytest.mark.parametrize("schema", ["JobIn", "ComparisonIn", "PredictIn"])
def test_every_field_of_a_request_has_a_row(schema: str) -> None:
    assert set(SCHEMAS[schema]["properties"]) - code_of_rows("docs/api.md") == set()


@pytest.mark.parametrize("figure", SCHEMAS["MetricOut"]["properties"])
def test_every_figure_of_a_history_has_a_row(figure: str) -> None:
    assert figure in code_of_rows("docs/api.md")


@pytest.mark.parametrize(
    ("schema", "field"), [("JobOut", "status"), ("FailureOut", "code"), ("SummaryWarning", "code")]
)
def test_every_state_failure_and_warning_has_a_row(schema: str, field: str) -> None:
    assert set(documented(schema, field)) - code_of_rows("docs/api.md") == set()


@pytest.mark.parametrize(("code", "status"), problem_codes())
def test_every_problem_has_a_row_with_its_status(code: str, status: int) -> None:
    assert re.search(rf"^\| `{code}` \| {status} \|", PAGES["docs/api.md"], re.MULTILINE)


@pytest.mark.parametrize("norm", documented("JobIn", "norm"))
def test_every_norm_has_a_row(norm: str) -> None:
    assert norm in code_of_rows("docs/science.md")


@pytest.mark.parametrize("dataset", documented("JobIn", "dataset"))
def test_every_data_set_has_a_row(dataset: str) -> None:
    assert dataset in code_of_rows("docs/science.md")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_has_a_row_with_its_default(name: str) -> None:
    row = re.search(rf"^\| `NORMSERVE_{name.upper()}` \| (.+?) \| .+ \|$", PAGES["docs/operating.md"], re.MULTILINE)

    assert row is not None
    assert name in SAID_OTHERWISE or row[1] == f"`{Settings.model_fields[name].default}`".lower()


def test_no_setting_is_made_up() -> None:
    names = {f"NORMSERVE_{name.upper()}" for name in Settings.model_fields}

    assert set(re.findall(r"NORMSERVE_[A-Z_]+[A-Z]", "".join(PAGES.values()))) <= names


@pytest.mark.parametrize(
    "command", [name for name, command in get_group(cli).commands.items() if not command.hidden]
)
def test_every_command_has_a_row(command: str) -> None:
    assert re.search(rf"^\| `normserve {command}\b.*` \|", PAGES["docs/operating.md"], re.MULTILINE)


@pages
def test_every_path_that_a_page_names_exists(page: str) -> None:
    rooms = "analysis|benchmarks|docs|migrations|models|service|tests"
    named = set(re.findall(rf"`((?:{rooms})/[\w./-]*)`", PAGES[page]))

    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


@pages
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"", PAGES[page])
    named = [path or picture for path, picture in targets if not (path or picture).startswith("http")]

    assert [link for link in named if not leads_somewhere(ROOT / page, link)] == []


def leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    if not anchor or not target.is_file():
        return target.exists()
    headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
    return anchor in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pages
def test_every_make_target_of_a_page_exists(page: str) -> None:
    targets = re.findall(r"^([\w-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert set(re.findall(r"`make ([\w-]+)`", PAGES[page])) - set(targets) == set()


DECISIONS = re.split(r"^## ", PAGES["docs/decisions.md"], flags=re.MULTILINE)[1:]


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda decision: decision.partition("\n")[0])
def test_a_decision_has_its_context_cost_and_a_test_that_enforces_it(decision: str) -> None:
    labels = re.findall(r"^\*\*(.+?)\.\*\* ", decision, re.MULTILINE)

    assert labels == ["Context", "Decision", "Cost", "Enforced by"]
    assert re.search(r"`tests/[\w/]+(?:\.py|/)`", decision.partition("**Enforced by.**")[2])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_opens_with_a_sentence(path: Path) -> None:
    if_empty = "Empty."
    first = (ast.get_docstring(ast.parse(path.read_text())) or if_empty).splitlines()[0]

    assert first.endswith((".", ":"))
    assert path.name == "__init__.py" or first != if_empty
