"""Keys in a whole service: it does not let others in without one, and it leaves none lying about."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from typer.testing import CliRunner

from service.__main__ import cli
from tests.fixtures import Figure
from tests.process import PATIENCE_SECONDS, completed, free_port, start, until

KEY = re.compile(rb"normserve_[0-9a-f]{40,}")
CURES = ("normserve keys create", "NORMSERVE_HOST=127.0.0.1", "NORMSERVE_INSECURE_NO_AUTH=true")


def environment(folder: Path, **settings: str) -> dict[str, str]:
    named = {f"NORMSERVE_{name}": text for name, text in settings.items()}
    return {**os.environ, "NORMSERVE_DATA_DIR": str(folder), **named}


def run(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return completed(arguments, environment(folder, **settings))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "host"),
    [("up", "0.0.0.0"), ("api", "::"), ("api", "192.168.0.1")],  # noqa: S104 # refused
)
def test_an_open_bind_without_keys_does_not_start(
    tmp_path: Path, command: str, host: str, figure: Figure
) -> None:
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "service", command],
        env=environment(tmp_path, HOST=host, PORT=str(free_port())),
        capture_output=True,
        text=True,
        check=False,
    )
    figure(f"R27 {command} on {host}: seconds to its end", round(time.monotonic() - started, 2), "2")

    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert [cure for cure in CURES if cure not in done.stderr] == []
    assert list(tmp_path.iterdir()) == []


def test_an_open_bind_is_refused_before_anything_slow_is_imported(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "service", "api"],
        env=environment(tmp_path, HOST="0.0.0.0"),  # noqa: S104 # refused
        capture_output=True,
        text=True,
        check=False,
    )

    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert (done.returncode, "service.settings" in imported) == (2, True)
    assert imported & {"sqlalchemy", "structlog", "service.server"} == set()


@pytest.mark.slow
def test_keys_are_made_listed_and_revoked(tmp_path: Path) -> None:
    empty = run(tmp_path, "keys", "list")
    made = run(tmp_path, "keys", "create", "lap top", "--scopes", "train, read", "--expires", "90d")
    as_json = json.loads(run(tmp_path, "keys", "create", "ci", "--scopes", "admin", "--json").stdout)
    revoked = run(tmp_path, "keys", "revoke", "ci")
    listed = json.loads(run(tmp_path, "keys", "list", "--json").stdout)
    in_words = run(tmp_path, "keys", "list").stdout.splitlines()

    assert (empty.returncode, "there is no database" in empty.stderr) == (1, True)
    assert KEY.fullmatch(made.stdout.strip().encode())
    assert "cannot be shown again" in made.stderr
    assert made.stdout.strip() not in made.stderr
    assert [(key["name"], key["scopes"], key["status"]) for key in listed] == [
        ("lap top", ["read", "train"], "usable"),
        ("ci", ["admin"], "revoked"),
    ]
    assert as_json.keys() - listed[1].keys() == {"key"}
    assert revoked.stdout == f"{as_json['id']} (ci) is revoked\n"
    assert [line.split(":")[0] for line in in_words] == [f"{key['id']} {key['name']}" for key in listed]
    assert not KEY.search("".join(in_words).encode())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["keys", "create", "x", "--scopes", "read,write"], "--scopes must be some of read, train, predict"),
        (["keys", "create", "x", "--scopes", ""], "--scopes must be some of"),
        (["keys", "create", "", "--scopes", "read"], "the name must have 1 to 80 characters"),
        (["keys", "create", "x", "--scopes", "read", "--expires", "90"], "--expires must be a whole number"),
        (["keys", "create", "x", "--scopes", "read", "--expires", "0d"], "--expires must be more than 0"),
    ],
    ids=str,
)
def test_a_wrong_key_is_not_made(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(cli, arguments, env={"NORMSERVE_DATA_DIR": str(tmp_path)})

    assert (done.exit_code, said in done.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[httpx.Client, str]]:
    """An api that listens on all addresses, and its first key."""
    key = run(tmp_path, "keys", "create", "canary", "--scopes", "admin").stdout.strip()
    port = free_port()
    settings = {"HOST": "0.0.0.0", "PORT": str(port), "LOG_LEVEL": "debug", "LOG_FORMAT": "json"}  # noqa: S104
    with (tmp_path / "log").open("wb") as log:
        api = start(["api"], environment(tmp_path, **settings), log)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS) as client:
        until(lambda: is_live(client), "the api")
        yield client, key
    api.terminate()
    api.wait(PATIENCE_SECONDS)


def is_live(client: httpx.Client) -> bool:
    try:
        return client.get("/livez").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.service
def test_a_key_is_found_nowhere_but_with_its_user(guarded: tuple[httpx.Client, str], tmp_path: Path) -> None:
    client, key = guarded
    bearer = {"authorization": f"Bearer {key}"}
    canary = {"referer": f"http://x/{key}", "user-agent": key, "x-other": key, "origin": f"http://{key}"}
    asked: list[dict[str, Any]] = [
        {"url": "/jobs", "headers": bearer},
        {"url": "/jobs", "headers": {"x-api-key": key}},
        {"url": "/jobs", "headers": {"authorization": key}},
        {"url": "/jobs", "headers": {"x-api-key": f"{key}x"}},
        {"url": f"/jobs?key={key}", "headers": bearer},
        {"url": f"/jobs?{key}=1", "headers": bearer},
        {"url": f"/jobs/{key}", "headers": bearer},
        {"url": f"/{key}", "headers": bearer},
        {"url": f"/v2/models/{key}", "headers": bearer},
        {"url": "/queue", "headers": {**bearer, **canary}},
        {"url": "/queue", "headers": {"cookie": f"normserve_session={key}; {key}=1"}},
        {"url": "/jobs", "method": "POST", "headers": bearer, "json": {key: key, "norm": key}},
        {"url": "/jobs", "method": "POST", "headers": bearer, "content": f"{key}"},
        {"url": "/ui/sign-in", "method": "POST", "data": {"key": key, "next": f"/{key}"}},
        {"url": "/ui/sign-in", "method": "POST", "data": {"key": f"{key}0", key: key}},
        {"url": f"/ui/sign-in?next=/{key}", "method": "POST", "data": {"key": key}},
        {"url": "/ui/jobs", "headers": {"cookie": "normserve_session=x", "accept": f"text/html,{key}"}},
    ]
    found = [client.request(**{"method": "GET", **each}) for each in asked]
    client.cookies.clear()

    places = {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    places |= {str(response.url.path): response.content for response in found if response.status_code >= 400}
    # A process that has just ended has no command line.
    lines = {each.pid: each.info["cmdline"] or [] for each in psutil.process_iter(["cmdline"])}
    places |= {f"process {pid}": "\0".join(line).encode() for pid, line in lines.items()}
    assert {response.status_code for response in found} >= {200, 303, 401, 404, 422}
    assert [place for place, content in places.items() if key[20:60].encode() in content] == []
    assert b'"path": "/jobs/normserve_' in places[str(tmp_path / "log")]
