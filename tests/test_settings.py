"""Settings: read from the environment, refused with their own name."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import URL

from models.specs.span_lengths import LONGEST_SPAN_OF_LARGE_STATE_SECONDS
from service.edge.rules import rule_of
from service.settings import Settings
from tests.edge.test_rules import PYDANTIC_S_PHRASES
from tests.process import completed


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.1.2.3"])
def test_a_loopback_address_is_accepted(host: str) -> None:
    assert Settings(host=host).host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.org"])  # noqa: S104 # refused
def test_an_address_that_others_can_reach_is_refused_without_keys(host: str) -> None:
    with pytest.raises(ValidationError, match="loopback"):
        Settings(host=host, auth="none")


@pytest.mark.parametrize(
    ("settings", "demands_keys", "needs_key_to_start"),
    [
        (Settings(), None, False),
        (Settings(auth="none"), False, False),
        (Settings(auth="keys"), True, False),
        (Settings(host="::"), True, True),
        (Settings(host="::", auth="keys"), True, False),
        (Settings(host="::", insecure_no_auth=True), None, False),
        (Settings(host="::", insecure_no_auth=True, auth="none"), False, False),
    ],
    ids=str,
)
def test_who_needs_a_key(settings: Settings, demands_keys: bool | None, needs_key_to_start: bool) -> None:
    assert (settings.demands_keys, settings.needs_key_to_start) == (demands_keys, needs_key_to_start)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.org"])  # noqa: S104 # asked for
def test_an_address_that_others_can_reach_is_accepted_when_that_is_said(host: str) -> None:
    settings = Settings(host=host, insecure_no_auth=True)

    assert (settings.host, settings.is_open) == (host, True)


@pytest.mark.parametrize("path", ["", "/norm", "/a/b-c_d.e~f"])
def test_a_prefix_is_accepted(path: str) -> None:
    assert Settings(root_path=path).root_path == path


@pytest.mark.parametrize(
    "path", ["/", "norm", "/norm/", "//norm", "/a//b", "/a b", "/é", "/norm?", "/norm\n", "https://host/norm"]
)
def test_another_prefix_is_refused(path: str) -> None:
    with pytest.raises(ValidationError, match="must begin with / and must not end with /"):
        Settings(root_path=path)


@pytest.mark.parametrize("names", ["http://normserve.example.org", "normserve:8000", "a b", "*", "[::1", "é"])
def test_a_host_is_a_name_alone(names: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORMSERVE_HOSTS", f"api,{names}")

    with pytest.raises(ValidationError, match="must be names such as"):
        Settings()


def test_hosts_are_split_at_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORMSERVE_HOSTS", " Norm.example.org ,[FD00::1],")

    assert Settings().hosts == ("norm.example.org", "[fd00::1]")
    assert Settings().host_names == {"127.0.0.1", "localhost", "[::1]", "norm.example.org", "[fd00::1]"}


@pytest.mark.parametrize(
    "origins", ["*", "null", "lab.example.org", "https://lab.example.org/", "ftp://x", "https://a b"]
)
def test_an_origin_is_a_scheme_and_a_host(origins: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORMSERVE_ORIGINS", f"http://localhost:3000,{origins}")

    with pytest.raises(ValidationError, match="must be origins such as"):
        Settings()


def test_origins_are_split_at_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORMSERVE_ORIGINS", "https://Lab.example.org, http://[::1]:3000,")

    assert Settings().origins == ("https://lab.example.org", "http://[::1]:3000")


def test_no_address_is_none() -> None:
    with pytest.raises(ValidationError, match="must be an address"):
        Settings(host="", insecure_no_auth=True)


def test_the_database_is_a_file_in_the_data_folder(tmp_path: Path) -> None:
    assert Settings(data_dir=tmp_path).database == URL.create("sqlite", database=f"{tmp_path}/normserve.db")


def test_the_level_and_the_format_of_logs_may_have_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORMSERVE_LOG_LEVEL", "INFO")
    monkeypatch.setenv("NORMSERVE_LOG_FORMAT", "Json")

    assert (Settings().log_level, Settings().log_format) == ("info", "json")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_url_of_postgresql_may_begin_as_others_write_it(scheme: str) -> None:
    url = Settings(database_url=f"{scheme}://me@postgres/base?application_name=postgres://").database

    assert (url.get_backend_name(), url.host, url.query) == (
        "postgresql",
        "postgres",
        {"application_name": "postgres://"},
    )


def test_an_age_of_jobs_is_a_number_and_a_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORMSERVE_RETENTION", "30d")

    assert Settings().retention == timedelta(days=30)


@pytest.mark.parametrize(
    ("age", "said"), [("30", "such as 30d"), ("P30D", "such as 30d"), ("59m", "at least 1h"), ("", "such as")]
)
def test_another_age_is_refused(age: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Settings.model_validate({"retention": age})


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("NORMSERVE_WORKRES", "NORMSERVE_WORKERS"),
        ("NORMSERVE_DATABASE", "NORMSERVE_DATABASE_URL"),
        ("NORMSERVE_LOGLEVEL", "NORMSERVE_LOG_LEVEL"),
        ("normserve_stall_second", "NORMSERVE_STALL_SECONDS"),
        ("NORMSERVE_", "NORMSERVE_PORT"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_nearest_name(
    monkeypatch: pytest.MonkeyPatch, name: str, nearest: str
) -> None:
    monkeypatch.setenv(name, "1")

    with pytest.raises(ValidationError, match=f"{name} is not a setting; the nearest name is {nearest}"):
        Settings()


def test_a_variable_in_small_letters_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("normserve_port", "7000")

    assert Settings().port == 7000


def test_a_worker_that_is_well_has_time_for_a_span() -> None:
    with pytest.raises(ValidationError, match="NORMSERVE_STALL_SECONDS must be at least 90"):
        Settings(stall_seconds=89)
    with pytest.raises(ValidationError, match="NORMSERVE_STALL_SECONDS must be at least 303"):
        Settings(longest_span_seconds=101)

    assert Settings(stall_seconds=3, longest_span_seconds=1).stall_seconds == 3


def test_spans_are_as_long_as_the_setting_says() -> None:
    assert Settings().longest_span_seconds == LONGEST_SPAN_OF_LARGE_STATE_SECONDS


@pytest.mark.parametrize("value", ["", "x", "-1", "1e99", "true", "tls://"])
@pytest.mark.parametrize("name", Settings.model_fields)
def test_no_phrase_of_pydantic_is_said_of_a_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"NORMSERVE_{name}", value)

    said = list(map(rule_of, refusals()))

    assert [rule for rule in said if PYDANTIC_S_PHRASES.search(rule) or rule == "is not valid"] == []


def refusals() -> list[Any]:
    """What is wrong with the settings."""
    try:
        Settings()
    except ValidationError as error:
        return error.errors()
    return []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("AUTH", "perhaps", "NORMSERVE_AUTH: must be 'auto', 'keys' or 'none'"),
        ("INSECURE_NO_AUTH", "perhaps", "NORMSERVE_INSECURE_NO_AUTH: must be true or false"),
        ("PORT", "http", "NORMSERVE_PORT: must be an integer"),
        ("FAILPOINTS", "in-cancel=explode", "NORMSERVE_FAILPOINTS: a failpoint is name=kill"),
        ("WORKERS", "0", "NORMSERVE_WORKERS: must be greater than or equal to 1"),
        ("STALL_SECONDS", "10", "normserve: NORMSERVE_STALL_SECONDS must be at least 90"),
        ("WORKRES", "1", "normserve: NORMSERVE_WORKRES is not a setting; the nearest name is"),
    ],
)
def test_a_wrong_setting_ends_the_command_with_its_name(name: str, value: str, said: str) -> None:
    done = completed(["up"], {**os.environ, f"NORMSERVE_{name}": value})

    assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (2, True, False)


@pytest.mark.slow
def test_workers_without_a_scheduler_are_refused_at_once() -> None:
    done = completed(["worker"], os.environ)

    said = "normserve: NORMSERVE_SCHEDULER: must be set, such as tls://scheduler.internal:8786\n"
    assert (done.returncode, done.stderr) == (1, said)
