"""The docs are true: commands print what they show; what exists is named, with its bounds and defaults."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts
from typer.main import get_group

from service.__main__ import cli
from service.api.shared.conditional import REVALIDATE, UNCHANGING
from service.errors import NormserveError
from service.settings import Settings
from tests.api.described import APP, OPERATIONS, SCHEMA
from tests.pages import ROOT, Page, differences
from tests.process import Service

RUN = {
    "README.md": 5,
    "docs/api.md": 27,
    "docs/operating.md": 3,
    "docs/science.md": 2,
    "docs/design.md": 0,
    "docs/decisions.md": 0,
    "docs/research.md": 0,
    "docs/benchmarks.md": 0,
}
"""The pages, and how many `sh` blocks each must have: all of them are run."""
PYTHON = {
    "docs/api.md": ("tests/test_events.py", "tests/api/exports/test_exports.py"),
    "docs/science.md": ("tests/test_science.py",),
    "docs/research.md": ("tests/test_research.py",),
}
"""The pages with `python` blocks, and the tests that run them."""
NOT_RUN = {
    ("README.md", "make run"): "serves until it is stopped",
    ("docs/operating.md", "make run"): "serves until it is stopped",
    ("docs/operating.md", "sudo -u postgres createuser --pwprompt normserve"): "needs root",
    (
        "docs/operating.md",
        "NORMSERVE_DATABASE_URL=postgresql://normserve@database.internal/normserve?sslmode=require",
    ): "names the reader's hosts; tests/test_cluster.py starts such a cluster",
    ("docs/operating.md", 'echo "POSTGRES_PASSWORD=$(openssl rand -hex 24)" > .env'): "needs Docker",
    ("docs/operating.md", "docker compose stop api dispatcher worker"): "needs Docker",
    (
        "docs/operating.md",
        ".venv/bin/normserve backup normserve.backup",
    ): "needs a stopped service; tests/test_operations.py runs both",
    ("docs/operating.md", "scrape_configs:"): "is a part of the reader's prometheus.yml",
    (
        "docs/operating.md",
        "KEY=$(.venv/bin/normserve keys create laptop --scopes read,train,predict --expires 90d)",
    ): "would close the service that other pages use; tests/test_keys.py runs such commands",
    ("docs/science.md", "make figures"): "trains 200 jobs and changes the tables",
    ("docs/benchmarks.md", "make bench"): "takes many minutes",
}
"""Every `console` block by page and first line, and why no test runs it."""
PAGES = {name: Page(name) for name in RUN}
API, OPERATING, SCIENCE = (PAGES[f"docs/{name}.md"] for name in ("api", "operating", "science"))
SAID_IN_WORDS = {
    "database_url",
    "workers",
    "scheduler",
    "failpoints",
    "root_path",
    "hosts",
    "origins",
    "retention",
    "webhook_networks",
    "webhook_retry_seconds",
}
"""Settings whose default is not a value to copy."""

SCHEMAS = SCHEMA["components"]["schemas"]
REQUESTS = {
    "JobSubmission": "Submit a job",
    "ComparisonSubmission": "Comparisons",
    "PredictionRequest": "Predictions",
    "ModelTarget": "Served models",
    "WebhookSubmission": "Webhooks",
}
"""Schemas of requests, and the section that has their fields."""
MODULES = [
    path
    for folder in ("analysis", "models", "service", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
]

HAS_A_TABLE = {"norm"}
"""Fields whose values have rows in a table of their own, which is tested below."""

pages = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)


def values_of(schema: str, field: str) -> list[str]:
    """The values of a field that OpenAPI lists."""
    found: list[str] = SCHEMAS[schema]["properties"][field]["enum"]
    return found


def problems(error: type[NormserveError] = NormserveError) -> Iterator[tuple[str, int]]:
    yield error.code, error.status
    for kind in error.__subclasses__():
        yield from problems(kind)


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


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        (f"job_{'0' * 32}", f"job_{'1' * 32}"),
        ("a" * 64, "b" * 64),
        ("2026-11-28T00:00:00Z", "2027-01-01T01:02:03.4Z"),
        ('{"elapsed_seconds":1.5}', '{"elapsed_seconds":2e-1}'),
        ("0.9548", "0.9550"),
    ],
    ids=["id", "hash", "time", "seconds", "last digits"],
)
def test_what_no_two_runs_share_may_differ(output: str, shown: str) -> None:
    assert differences(output, shown) == []


@pytest.mark.parametrize("name", [name for name, blocks in RUN.items() if blocks])
def test_the_commands_of_a_page_print_what_it_shows(name: str, service: Service, tmp_path: Path) -> None:
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    blocks = PAGES[name].commands()
    script = "\necho '----8<----'\n".join(command.text for command, _ in blocks)
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
    shown = [output.text for _, output in blocks]
    assert [differences(*pair) for pair in zip(outputs, shown, strict=True)] == [[]] * len(blocks)


@pages
def test_every_command_is_run_with_its_output_or_listed_with_a_reason(page: Page) -> None:
    name = str(page.path.relative_to(ROOT))

    assert len(page.blocks("sh")) == RUN[name]
    assert [after.language for _, after in page.commands() if after.language not in {"text", "json"}] == []
    assert {each.language for each in page.fences} <= {"sh", "console", "text", "json", "python"}
    assert len(page.blocks("python")) == len(PYTHON.get(name, ()))
    assert [each.first_line() for each in page.blocks("console")] == [
        line for where, line in NOT_RUN if where == name
    ]
    assert re.search(r"^(?: {4}|\t)\S", page.prose, re.MULTILINE) is None  # indented code


@pytest.mark.parametrize(("name", "test"), [(name, test) for name in PYTHON for test in PYTHON[name]])
def test_a_test_runs_the_python_of_a_page(name: str, test: str) -> None:
    assert f'Page("{name}")' in (ROOT / test).read_text()


def test_every_page_is_held() -> None:
    assert {"README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))} == set(PAGES)


def test_the_readme_is_short() -> None:
    assert len(PAGES["README.md"].text.splitlines()) <= 150


@pages
def test_a_line_has_one_sentence(page: Page) -> None:
    lines = [line for line in page.prose.splitlines() if not line.startswith(("|", "<"))]

    assert [line for line in lines if re.search(r"[a-z`)][.?!] +[A-Z`]", line)] == []


def test_the_operations_have_rows_and_no_other_is_made_up() -> None:
    assert set(API.rows("Operations")) == OPERATIONS.keys()


def test_the_paths_of_the_inference_protocol_have_rows() -> None:
    routes = {f"{min(each.methods or ())} {each.path}" for each in iter_route_contexts(APP.routes)}
    version = "/versions/{version}"
    rows = API.rows("Open Inference Protocol")

    shown = {row.replace(f"[{version}]", text) for row in rows for text in (version, "")}

    assert {each for each in shown if " /v2" in each} == {each for each in routes if " /v2" in each}


@pytest.mark.parametrize(
    ("schema", "field"), [(schema, field) for schema in REQUESTS for field in SCHEMAS[schema]["properties"]]
)
def test_a_field_of_a_request_has_a_row_with_its_bounds_values_and_default(schema: str, field: str) -> None:
    facts = SCHEMAS[schema]["properties"][field]
    values, default, _ = API.rows(REQUESTS[schema])[field]

    for each in (facts, *facts.get("anyOf", [])):
        bounds = [each[bound] for bound in ("minimum", "maximum", "exclusiveMaximum") if bound in each]
        assert set(map(float, bounds)) <= set(map(float, re.findall(r"-?\d[\d.]*", values.replace(",", ""))))
        if field not in HAS_A_TABLE:
            assert {f"`{value}`" for value in each.get("enum", [])} <= set(re.findall(r"`\w+`", values))
    assert "default" not in facts or default.strip("`") == plainly(facts["default"])


def plainly(default: Any) -> str:
    return default if isinstance(default, str) else json.dumps(default)


WARNING_CODES: str = SCHEMAS["ResultWarning"]["properties"]["code"]["description"]


@pytest.mark.parametrize(
    ("section", "codes"),
    [
        ("States of a job", [*values_of("JobDetails", "status"), *values_of("JobFailure", "code")]),
        ("States of a job", re.findall(r"[a-z]+_[a-z_]+", WARNING_CODES)),
        ("Metric histories", list(SCHEMAS["StepMetrics"]["properties"])),
        ("Comparisons", values_of("SummaryWarning", "code")),
    ],
    ids=["states and failures", "warnings of jobs", "figures", "warnings of summaries"],
)
def test_every_code_has_a_row(section: str, codes: list[str]) -> None:
    assert set(codes) - set(API.rows(section)) == set()


def test_every_problem_has_a_row_with_its_status() -> None:
    rows = API.rows("Errors")

    assert [code for code, status in problems() if rows.get(code, [""])[0] != str(status)] == []


@pytest.mark.parametrize(("section", "field"), [("Norms", "norm"), ("Data sets", "dataset")])
def test_every_norm_and_data_set_has_a_row(section: str, field: str) -> None:
    assert set(SCIENCE.rows(section)) == set(values_of("JobSubmission", field))


@pytest.mark.parametrize("rule", [REVALIDATE, UNCHANGING])
def test_the_rules_for_caches_are_those_of_the_responses(rule: str) -> None:
    assert f"`Cache-Control: {rule}`" in API.prose


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_has_a_row_with_its_default(name: str) -> None:
    default, _ = OPERATING.rows("Settings")[f"NORMSERVE_{name.upper()}"]

    assert name in SAID_IN_WORDS or default == f"`{Settings.model_fields[name].default}`".lower()


@pages
def test_no_setting_is_made_up(page: Page) -> None:
    names = {f"NORMSERVE_{name.upper()}" for name in Settings.model_fields}

    assert set(re.findall(r"NORMSERVE_\w+", page.text)) <= names


@pytest.mark.parametrize(
    "command", [name for name, command in get_group(cli).commands.items() if not command.hidden]
)
def test_every_command_has_a_row(command: str) -> None:
    assert [row for row in OPERATING.rows("Commands") if re.match(rf"normserve {command}\b", row)]


@pages
def test_every_path_that_a_page_names_exists(page: Page) -> None:
    folders = "analysis|benchmarks|docs|migrations|models|service|tests"
    named = set(re.findall(rf"`((?:{folders})/[\w./-]*)`", page.text))

    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


@pages
def test_every_link_of_a_page_leads_somewhere(page: Page) -> None:
    assert [link for link in page.links() if not page.leads_somewhere(link)] == []


@pages
def test_a_contents_list_has_every_section(page: Page) -> None:
    listed = re.findall(r"^- \[(.+)\]\(#[\w-]+\)$", page.text, re.MULTILINE)
    sections = re.findall(r"^## (.+)$", page.prose, re.MULTILINE)

    assert listed in ([], sections)


@pages
def test_every_make_target_of_a_page_exists(page: Page) -> None:
    targets = re.findall(r"^([\w-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert set(re.findall(r"`make ([\w-]+)`", page.text)) - set(targets) == set()


DECISIONS = re.split(r"^## ", PAGES["docs/decisions.md"].text, flags=re.MULTILINE)[1:]


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda decision: decision.partition("\n")[0])
def test_a_decision_has_its_context_cost_and_the_tests_that_enforce_it(decision: str) -> None:
    labels = re.findall(r"^\*\*(.+?)\.\*\* ", decision, re.MULTILINE)

    assert labels == ["Context", "Decision", "Cost", "Enforced by"]
    assert re.search(r"`tests/[\w/]+(?:\.py|/)`", decision.partition("**Enforced by.**")[2])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_opens_with_a_sentence(path: Path) -> None:
    if_empty = "Empty."
    first = (ast.get_docstring(ast.parse(path.read_text())) or if_empty).splitlines()[0]

    assert first.endswith((".", ":"))
    assert path.name == "__init__.py" or first != if_empty
