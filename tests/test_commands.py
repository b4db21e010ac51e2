"""The command line: options that set settings, help, version; what fails leaves nothing behind."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperCommand, TyperOption
from typer.main import get_group

from service.__main__ import cli
from service.options import WHAT, takes, variable
from service.settings import Settings
from service.store.schema import newest
from tests.process import completed

IN_WORDS = {"workers", "database_url"}
"""Settings whose default is said in words."""
NO_SERVER = "postgres://me@127.0.0.1:1/base"


def run(folder: Path, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in a folder, with these settings and no others."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("NORMSERVE_")}
    return completed(arguments, {**others, **settings}, folder=folder)


@pytest.fixture
def taken_port() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield str(listener.getsockname()[1])


FAILING = [
    ["up", "--port", "http"],
    ["up", "--workers", "0"],
    ["up", "--host", "0.0.0.0"],  # noqa: S104 # refused
    ["up", "--database-url", NO_SERVER],
    ["api", "--database-url", NO_SERVER],
    ["dispatch", "--database-url", NO_SERVER],
    ["migrate", "--database-url", NO_SERVER],
    ["migrate", "--database-url", "mysql://me@127.0.0.1/base"],
    ["prune", "--older-than", "1d"],
    ["prune", "--older-than", "soon"],
    ["backup", "normserve.backup"],
    ["backup", "no/such/folder/normserve.backup"],
    ["restore", "normserve.backup"],
    ["worker"],
    ["scheduler"],
    ["certificates"],
    ["up", "--frob"],
]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", FAILING, ids=" ".join)
def test_a_command_that_fails_leaves_nothing_behind(tmp_path: Path, arguments: list[str]) -> None:
    done = run(tmp_path, *arguments)

    assert (done.returncode in {1, 2}, "Traceback" in done.stderr) == (True, False), done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("command", ["up", "api"])
def test_a_port_that_is_taken_leaves_nothing_behind(tmp_path: Path, command: str, taken_port: str) -> None:
    done = run(tmp_path, command, "--port", taken_port)

    said = (
        f"normserve: cannot listen on 127.0.0.1:{taken_port}: Address already in use; "
        "set NORMSERVE_PORT, such as NORMSERVE_PORT=8001, or --port\n"
    )
    assert (done.returncode, done.stderr) == (1, said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [["up", "--port", "http"], ["migrate", "--database-url", NO_SERVER], ["up", "--frob"]]
)
def test_a_command_that_fails_logs_json_where_that_is_asked_for(tmp_path: Path, arguments: list[str]) -> None:
    done = run(tmp_path, *arguments, normserve_log_format="JSON")

    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode in {1, 2}
    assert lines
    assert {frozenset(line) for line in lines} == {frozenset({"event", "level", "timestamp"})}


@pytest.mark.slow
def test_an_option_goes_before_the_variable(tmp_path: Path) -> None:
    done = run(tmp_path, "migrate", "--data-dir", "chosen", NORMSERVE_DATA_DIR="other")

    again = run(tmp_path, "migrate", "--data-dir", "chosen")

    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["chosen"]
    assert done.stdout == f"the schema is made, at revision {newest()}\n"
    assert again.stdout == f"the schema is at revision {newest()}: there was nothing to do\n"


def test_an_option_is_a_variable_for_child_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("normserve_port", "1")
    monkeypatch.setenv("NORMSERVE_HOST", "::1")
    seen = []

    @takes("port", "host", "workers")
    def command(more: str) -> None:
        seen.append((more, Settings().port, Settings().host, "NORMSERVE_WORKERS" in os.environ))

    command(more="x", port="7000", host=None, workers=None)

    assert seen == [("x", 7000, "::1", False)]
    assert "normserve_port" not in os.environ


@pytest.mark.parametrize("setting", WHAT)
def test_the_help_of_an_option_names_its_setting(setting: str) -> None:
    option = f"--{setting.replace('_', '-')}"

    helps = [
        parameter.help
        for command in get_group(cli).commands.values()
        for parameter in command.params
        if isinstance(parameter, TyperOption) and option in parameter.opts and command.name != "scheduler"
    ]
    assert len(helps) >= 1
    assert [each for each in helps if variable(setting) not in str(each)] == []
    default = Settings.model_fields[setting].default
    assert setting in IN_WORDS or f"by default {default} (" in str(helps[0])


@pytest.mark.parametrize("command", get_group(cli).commands.values(), ids=lambda command: command.name)
def test_every_argument_and_option_has_a_help_and_a_plain_kind(command: TyperCommand) -> None:
    shown = [each for each in command.params if not getattr(each, "hidden", False)]

    assert [each.name for each in shown if not getattr(each, "help", None)] == []
    assert [each.name for each in shown if each.type.name in {"text", "integer"} and not each.metavar] == []


@pytest.mark.slow
def test_the_help_names_the_settings_and_the_page_that_describes_them(tmp_path: Path) -> None:
    said = run(tmp_path, "--help").stdout

    assert [name for name in map(variable, Settings.model_fields) if name not in said] == []
    assert "docs/operating.md" in said


@pytest.mark.slow
def test_the_version_is_printed(tmp_path: Path) -> None:
    done = run(tmp_path, "--version")

    assert (done.returncode, done.stdout, done.stderr) == (0, "normserve 0.1.0\n", "")
