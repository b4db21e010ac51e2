"""Options of commands that set settings: an option goes before the variable, in child processes too."""

import inspect
import os
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, NamedTuple

import typer


class Help(NamedTuple):
    """What the help of a command shows of an option."""

    value: str
    """The kind of its value, such as <port>."""
    text: str


WHAT = {
    "port": Help("<port>", "Port to listen on, by default 8000"),
    "host": Help("<address>", "Address to listen on, by default 127.0.0.1"),
    "data_dir": Help("<folder>", "Folder of the SQLite file and of the cached data sets, by default data"),
    "workers": Help("<number>", "Number of processes that train, by default one per core"),
    "database_url": Help(
        "<url>", "sqlite:///… or postgresql://…, by default the file normserve.db in the data folder"
    ),
}
"""By setting, which checks the value: the help of its option."""

Command = Callable[..., None]


def takes(*settings: str) -> Callable[[Command], Command]:
    """Give a command an option for each of these settings, which the rest of it reads as always."""

    def add_options(command: Command) -> Command:
        @wraps(command)
        def run(**values: Any) -> None:
            for setting in settings:
                _set(variable(setting), values.pop(setting))
            command(**values)

        own = inspect.signature(command)
        options = [_parameter(setting) for setting in settings]
        run.__signature__ = own.replace(parameters=[*own.parameters.values(), *options])  # type: ignore[attr-defined] # typer reads it
        run.__annotations__ = command.__annotations__ | {each.name: each.annotation for each in options}
        return run

    return add_options


def variable(setting: str) -> str:
    """Return the name of the variable that has a setting."""
    return f"NORMSERVE_{setting.upper()}"


def _parameter(setting: str) -> inspect.Parameter:
    name = f"--{setting.replace('_', '-')}"
    value, text = WHAT[setting]
    option = typer.Option(name, metavar=value, help=f"{text} ({variable(setting)}).")
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(setting, kind, default=None, annotation=Annotated[str | None, option])


def _set(name: str, value: str | None) -> None:
    if value is None:
        return
    for other in [each for each in os.environ if each.upper() == name]:
        del os.environ[other]  # settings may be in small letters too
    os.environ[name] = value
