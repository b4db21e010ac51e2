"""The settings, from environment variables: NORMSERVE_ and the name in capitals."""

import ipaddress
import os
import re
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.durations import parse_duration
from service.failpoints import parse

if TYPE_CHECKING:
    from sqlalchemy import URL

MEBIBYTE = 2**20
STALL_TO_SPAN = 3
"""A span, its storing behind others, and the polls of the dispatcher in between."""
LEAST_RETENTION = timedelta(hours=1)
WAITS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""The schedule that Standard Webhooks recommends: ten attempts in three days and a half."""
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Wait = Annotated[float, Field(gt=0, le=7 * 86_400, allow_inf_nan=False)]
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
_HOST_NAME = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
_ORIGIN = re.compile(rf"https?://({_HOST_NAME.pattern})(:[0-9]{{1,5}})?")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")


class Settings(BaseSettings):
    """What an operator can set; all processes of one service need the same values."""

    model_config = SettingsConfigDict(
        env_prefix="NORMSERVE_", extra="forbid", frozen=True, use_attribute_docstrings=True
    )

    data_dir: Path = Path("data")
    """Folder of the SQLite file and of the cached data sets."""
    database_url: str = ""
    """`sqlite:///…` or `postgresql://…` (15 or newer); by default normserve.db in the data folder."""
    auth: Literal["auto", "keys", "none"] = "auto"
    """Whether requests need a key: `keys` always, `none` never, `auto` once a key was made."""
    insecure_no_auth: bool = False
    """Accept any `host` without keys: then anyone who can reach it can do anything."""
    host: str = "127.0.0.1"
    """Address to listen on; one that is not loopback needs a key, or `insecure_no_auth`."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """Port to listen on."""
    hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Names under which the api is served besides the loopback names, such as `norm.example.org,api`."""
    origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Origins of other sites whose pages may use the api with a key, such as `https://lab.example.org`."""
    apis: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes that serve HTTP on the port."""
    root_path: str = ""
    """Prefix of all paths, such as `/normserve`, if a proxy serves the api below one."""
    workers: Annotated[int, Field(ge=1, le=256)] = os.cpu_count() or 1
    """Processes that train; by default one per core."""
    scheduler: Annotated[str, Field(pattern=r"^(tls://\S+)?$")] = ""
    """`tls://host:port` of a cluster's scheduler; needs PostgreSQL. By default there is none."""
    certificates: Path = Path("certificates")
    """Folder of the cluster's certificates, made by `normserve certificates`."""
    stall_seconds: Annotated[float, Field(ge=1, le=86_400)] = 300
    """Seconds without a new row or heartbeat after which a worker is killed; its job continues on another."""
    longest_span_seconds: Annotated[float, Field(ge=1, le=3600)] = 30
    """Longest time that a large net trains before it stores rows; at most a third of `stall_seconds`."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important messages to log."""
    log_format: Literal["auto", "text", "json"] = "auto"
    """`text`, `json`, or `auto`: text on a terminal, otherwise JSON."""
    max_json_bytes: Annotated[int, Field(ge=1024, le=16 * MEBIBYTE)] = 65_536
    """Largest JSON body, except for comparisons and predictions."""
    max_comparison_json_bytes: Annotated[int, Field(ge=1024, le=64 * MEBIBYTE)] = 256 * 1024
    """Largest JSON body of a comparison."""
    max_predict_json_bytes: Annotated[int, Field(ge=1024, le=64 * MEBIBYTE)] = 4 * MEBIBYTE
    """Largest JSON body of a prediction."""
    max_upload_bytes: Annotated[int, Field(ge=1024, le=64 * MEBIBYTE)] = 16 * MEBIBYTE
    """Largest upload of pictures, all files together."""
    max_images: Annotated[int, Field(ge=1, le=4096)] = 256
    """Most images in a prediction."""
    max_written_bytes: Annotated[int, Field(ge=MEBIBYTE, le=2**60)] = 500_000_000_000
    """Most bytes that a job, or a comparison with all its jobs, may write to the database (an estimate)."""
    max_queued: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Most jobs in the queue; further jobs are refused until some have started."""
    max_streams: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    """Most streams of events that an api process sends at once."""
    key_requests_per_second: Annotated[int, Field(ge=1, le=1_000_000)] = 500
    """Most requests per second of a key, in each api process; after a pause twice as many at once."""
    max_key_predictions: Annotated[int, Field(ge=1, le=100_000)] = 32
    """Most predictions of a key that an api process handles at once."""
    max_key_streams: Annotated[int, Field(ge=1, le=100_000)] = 200
    """Most streams of events that an api process sends at once to the clients with one key."""
    max_key_queued: Annotated[int, Field(ge=1, le=1_000_000)] = 5_000
    """Most jobs in the queue that were submitted with one key."""
    retention: timedelta | None = None
    """Age at which ended jobs are deleted, such as `30d`; by default they are kept."""
    webhook_networks: Annotated[tuple[Network, ...], NoDecode] = ()
    """Networks that events may be sent to besides public addresses, such as `10.0.0.0/8,127.0.0.1`."""
    webhook_retry_seconds: Annotated[tuple[Wait, ...], NoDecode, Field(min_length=1, max_length=20)] = WAITS
    """Seconds before each further attempt to deliver an event; after the last one the delivery fails."""

    failpoints: str = ""
    """Where processes die, fail or wait, for tests: `name=kill|raise|sleep|hold[@n]`, separated by commas."""

    @field_validator("auth", "log_level", "log_format", mode="before")
    @classmethod
    def _read_any_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("retention", mode="before")
    @classmethod
    def _read_age(cls, age: object) -> object:
        parsed = parse_duration(age) if isinstance(age, str) else age
        if isinstance(parsed, timedelta) and parsed < LEAST_RETENTION:
            raise ValueError("must be at least 1h")
        return parsed

    @field_validator("host")
    @classmethod
    def _stay_on_this_machine(cls, host: str, others: ValidationInfo) -> str:
        if not host:
            raise ValueError("must be an address, such as 127.0.0.1 for this machine only")
        has_no_keys = others.data.get("auth") == "none" and not others.data.get("insecure_no_auth")
        if has_no_keys and not _is_loopback(host):
            raise ValueError(
                "must be a loopback address such as 127.0.0.1 with NORMSERVE_AUTH=none; "
                "if nobody else can reach the port, NORMSERVE_INSECURE_NO_AUTH=true allows any address"
            )
        return host

    @field_validator("webhook_networks", mode="before")
    @classmethod  # called after the next one, which splits them
    def _read_networks(cls, networks: object) -> object:
        try:
            return tuple(map(ipaddress.ip_network, networks)) if isinstance(networks, tuple) else networks
        except ValueError:
            raise ValueError(
                "must be networks such as 10.0.0.0/8 or 127.0.0.1, separated by commas"
            ) from None

    @field_validator("hosts", "origins", "webhook_networks", "webhook_retry_seconds", mode="before")
    @classmethod
    def _split_names(cls, names: object) -> object:
        return tuple(filter(None, map(str.strip, names.split(",")))) if isinstance(names, str) else names

    @field_validator("hosts")
    @classmethod
    def _name_hosts(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not all(map(_HOST_NAME.fullmatch, names)):
            raise ValueError(
                "must be names such as normserve.example.org, without scheme and port, separated by commas"
            )
        return tuple(map(str.lower, names))

    @field_validator("origins")
    @classmethod
    def _name_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        lowered = tuple(map(str.lower, origins))
        if not all(map(_ORIGIN.fullmatch, lowered)):
            raise ValueError(
                "must be origins such as https://lab.example.org, without a path, separated by commas"
            )
        return lowered

    @field_validator("root_path")
    @classmethod
    def _name_a_prefix(cls, path: str) -> str:
        if not _PREFIX.fullmatch(path):
            raise ValueError("must begin with / and must not end with /, such as /normserve")
        return path

    @field_validator("failpoints")
    @classmethod
    def _name_failpoints(cls, failpoints: str) -> str:
        parse(failpoints)
        return failpoints

    @field_validator("database_url")
    @classmethod
    def _name_a_database(cls, url: str) -> str:
        if url.startswith("postgres://"):  # as libpq and hosting providers write it, but not SQLAlchemy
            url = url.replace("postgres", "postgresql", 1)
        if url and not url.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
            raise ValueError("must begin with sqlite:/// or postgresql://")
        if url:
            from sqlalchemy import make_url  # noqa: PLC0415 # it takes longer than all the rest of this module

            try:
                make_url(url)
            except ValueError:
                raise ValueError("must have a number as its port") from None
        return url

    @model_validator(mode="before")
    @classmethod
    def _know_every_variable(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Refuse a misspelt variable, which would leave a default in force."""
        prefix = str(cls.model_config["env_prefix"])
        known = [f"{prefix}{name.upper()}" for name in cls.model_fields]
        ours = [name for name in os.environ if name.upper().startswith(prefix)]
        for name in ours:
            if name.upper() not in known:
                nearest = get_close_matches(name.upper(), known, n=1, cutoff=0)
                raise ValueError(f"{name} is not a setting; the nearest name is {nearest[0]}")
        return values

    @model_validator(mode="after")
    def _share_a_database(self) -> Self:
        if self.scheduler and self.database.get_backend_name() == "sqlite":
            raise ValueError(
                "NORMSERVE_SCHEDULER needs PostgreSQL: other machines cannot share a SQLite file"
            )
        return self

    @model_validator(mode="after")
    def _let_spans_end(self) -> Self:
        least = STALL_TO_SPAN * self.longest_span_seconds
        if self.stall_seconds < least:
            raise ValueError(
                f"NORMSERVE_STALL_SECONDS must be at least {least:g}, {STALL_TO_SPAN} times "
                "NORMSERVE_LONGEST_SPAN_SECONDS, because a healthy worker may store nothing for that long"
            )
        return self

    @property
    def address(self) -> str:
        """The URL of the api."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    @property
    def dataset_dir(self) -> Path:
        """The folder where data sets are cached."""
        return self.data_dir / "datasets"

    @property
    def counts_dir(self) -> Path:
        """The folder where the apis of this address count together, while they run."""
        return self.data_dir.resolve() / "counts" / f"{self.host}-{self.port}"

    @property
    def host_names(self) -> set[str]:
        """The names under which the api is served, in lower case; an IPv6 address has brackets."""
        own = f"[{self.host}]" if ":" in self.host else self.host
        return {*LOOPBACK_NAMES, own.lower(), *self.hosts}

    @property
    def is_open(self) -> bool:
        """Whether other machines can reach the api."""
        return not _is_loopback(self.host)

    @property
    def demands_keys(self) -> bool | None:
        """Whether requests need a key; None where they do once a key was made."""
        if self.auth == "auto":
            return True if self.is_open and not self.insecure_no_auth else None
        return self.auth == "keys"

    @property
    def needs_key_to_start(self) -> bool:
        """Whether the api must not start before a key is made."""
        return self.auth == "auto" and self.demands_keys is True

    @property
    def default_file(self) -> Path:
        """The SQLite file where there is no `database_url`."""
        return self.data_dir.resolve() / "normserve.db"

    @property
    def database(self) -> "URL":
        """The URL of the database, with its default."""
        from sqlalchemy import URL, make_url  # noqa: PLC0415 # see database_url

        if self.database_url:
            return make_url(self.database_url)
        return URL.create("sqlite", database=str(self.default_file))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
