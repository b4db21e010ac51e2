"""Options of commands that set settings: an option goes before the variable, in child processes too."""

import inspect
import os
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

WHAT = {
    "port": "Port to listen on",
    "host": "Address to listen on",
    "data_dir": "Folder of the SQLite file and of the cached data sets",
    "workers": "Processes that train",
    "database_url": "sqlite:///… or postgresql://…",
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
    option = typer.Option(name, help=f"{WHAT[setting]} ({variable(setting)}).")
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(setting, kind, default=None, annotation=Annotated[str | None, option])


def _set(name: str, value: str | None) -> None:
    if value is None:
        return
    for other in [each for each in os.environ if each.upper() == name]:
        del os.environ[other]  # settings may be in small letters too
    os.environ[name] = value
