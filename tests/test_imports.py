"""Who may import whom: the house's plan as a table, and every module held to it."""

import ast
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    path.relative_to(ROOT)
    for folder in ("analysis", "models", "service")
    for path in (ROOT / folder).rglob("*.py")
)
ANYWHERE = {"structlog"}


@dataclass(frozen=True)
class Room:
    """What the modules of a room may import: prefixes of ours, and libraries."""

    ours: frozenset[str]
    libraries: frozenset[str]


def room(ours: str, libraries: str) -> Room:
    return Room(frozenset(ours.split()), frozenset(libraries.split()) | ANYWHERE)


# The longest name that a module's own begins with is its room.
ROOMS = {
    # The default of a comparison's seeds is the number that its statistics need.
    "models.specs": room("models.specs analysis.seeds", "pydantic pydantic_core"),
    "models.nets": room("models.nets models.specs", "torch numpy"),
    "models.data": room("models.data models.specs", "torch numpy safetensors"),
    "models.training": room("models", "torch numpy safetensors"),
    "analysis": room("analysis", "numpy scipy tsdownsample"),
    "service.errors": room("", ""),
    "service.links": room("", ""),
    "service.callers": room("", ""),
    "service.qualities": room("", ""),
    "service.durations": room("", ""),
    "service.failpoints": room("service.errors", ""),
    "service.settings": room("service.durations service.failpoints", "pydantic pydantic_settings"),
    "service.json_lines": room("", ""),
    "service.options": room("", "typer"),
    "service.logs": room("service.settings service.json_lines", ""),
    "service.store": room(
        "models.specs service.store service.callers service.errors service.failpoints",
        "psycopg sqlalchemy alembic numpy orjson pydantic uuid_utils",
    ),
    "service.work": room(
        "models service.work service.webhooks service.store service.settings service.logs service.errors "
        "service.failpoints",
        "torch dask distributed sqlalchemy uuid_utils",
    ),
    # The dispatcher's own process needs no torch: it only names the task.
    "service.work.dispatcher": room(
        "service.store service.work.growth service.work.plan service.work.stalls service.errors",
        "sqlalchemy uuid_utils",
    ),
    "service.work.plan": room("", ""),
    "service.work.retries": room("service.errors", ""),
    "service.work.dask_settings": room("", "distributed"),
    "service.work.dask_client": room("service.work.dask_settings", "distributed"),
    "service.work.local_engine": room(
        "service.work.dask_client service.work.dask_settings", "dask distributed psutil"
    ),
    "service.work.cluster_engine": room(
        "service.work.certificates service.work.dask_client service.work.dask_settings", "dask distributed"
    ),
    "service.work.scheduler": room("", "distributed"),
    "service.work.certificates": room("", "distributed cryptography"),
    "service.work.nodes": room("service.work", "dask distributed"),
    "service.webhooks": room("service.webhooks service.store service.errors", "httpcore sqlalchemy"),
    # Some modules of it take long to import: the others import them with the first image.
    "service.serving": room(
        "models.specs service.serving service.store service.errors", "numpy PIL cachetools sqlalchemy"
    ),
    "service.serving.nets": room("models service.errors", "torch numpy"),
    "service.serving.exports": room(
        "models service.serving.onnx_graphs service.errors", "torch numpy safetensors"
    ),
    "service.serving.onnx_graphs": room(
        "models service.serving.onnx_lstm service.serving.onnx_nodes service.serving.onnx_norms", "onnx numpy"
    ),
    "service.serving.onnx_lstm": room(
        "models service.serving.onnx_nodes service.serving.onnx_norms", "numpy"
    ),
    "service.serving.onnx_norms": room("models service.serving.onnx_nodes", "numpy"),
    "service.serving.onnx_nodes": room("", "onnx numpy"),
    "service.serving.originals": room("models.data models.specs service.errors", ""),
    "service.evaluating": room(
        "models.specs analysis service.evaluating service.serving service.errors", "numpy PIL"
    ),
    "service.histories": room(
        "models.specs analysis service.comparing service.histories service.store service.errors",
        "numpy sqlalchemy",
    ),
    "service.edge.heads": room(
        "service.edge.problems service.edge.safe_headers service.errors", "uvicorn uuid_utils"
    ),
    "service.edge.key_ring": room(
        "service.edge.wrong_keys service.store service.callers service.errors", "starlette"
    ),
    "service.edge": room(
        "service.edge service.callers service.errors service.links service.qualities",
        "starlette orjson uuid_utils",
    ),
    "service.serving.intake": room("service.errors service.serving.intake", "numpy PIL scipy"),
    "service.comparing": room(
        "models.specs analysis service.comparing service.store service.errors", "numpy orjson sqlalchemy"
    ),
    # Of the analysis, the api uses the words of its schemas.
    "service.api": room(
        "models.specs service.api service.comparing service.evaluating service.histories service.serving "
        "service.store service.edge.key_ring service.callers service.errors service.failpoints service.links "
        "service.qualities "
        "analysis.curves.BandKind analysis.plots.ImageFormat analysis.plots.Theme analysis.thinning.Method "
        "analysis.samples.Interval analysis.summary.Metric analysis.verdicts.Verdict",
        "fastapi starlette pydantic orjson sqlalchemy jinja2 markdown_it",
    ),
    "service.api.monitoring": room(
        "service.api service.callers service.serving.lookups service.store service.errors",
        "fastapi prometheus_client sqlalchemy",
    ),
    "service.web": room(
        "models.specs analysis.palette analysis.figures analysis.curves.BandKind "
        "analysis.summary.HIGHER_IS_BETTER analysis.summary.Metric service.web service.api "
        "service.comparing service.evaluating service.histories service.serving service.store "
        "service.edge.problems service.edge.auth service.callers service.errors service.links",
        "fastapi starlette pydantic orjson jinja2 sqlalchemy",
    ),
    "service.api.shared.handling": room(
        "service.api.shared service.edge.operations service.errors", "fastapi starlette"
    ),
    "service.api.shared.measures": room(
        "service.edge.operations service.edge.problems", "prometheus_client starlette"
    ),
    "service.supervisor": room("", "prometheus_client"),
    "service.server": room("service", "uvicorn"),
    "service.progress": room("service.settings service.logs service.store service.errors", "rich"),
    "service.key_commands": room(
        "service.store service.database_commands service.callers service.durations service.options "
        "service.settings",
        "typer",
    ),
    "service.database_commands": room(
        "service.store service.settings service.logs service.errors service.durations service.options",
        "typer",
    ),
    "service.app": room("models service", "fastapi starlette"),
    "service.__main__": room("service", "typer"),
}

# Imports inside functions: what is slow to import and rarely needed, or must not be imported twice.
INSIDE = {
    ("analysis.chance", "scipy.stats"),
    ("analysis.matched", "scipy.stats"),
    ("analysis.samples", "scipy.stats"),
    ("analysis.plots", "matplotlib"),
    ("analysis.plots", "matplotlib.axes.Axes"),
    ("analysis.plots", "matplotlib.figure.Figure"),
    ("analysis.glyphs", "matplotlib.font_manager.findfont"),
    ("analysis.glyphs", "matplotlib.font_manager.get_font"),
    ("analysis.plots", "matplotlib.legend.Legend"),
    ("analysis.plots", "matplotlib.lines.Line2D"),
    ("models.data.originals", "torchvision.datasets"),
    ("service.__main__", "pydantic.ValidationError"),
    ("service.__main__", "service.edge.rules.rule_of"),
    ("service.__main__", "service.failpoints"),
    ("service.__main__", "service.logs.configure_logs"),
    ("service.__main__", "service.progress.ProgressLine"),
    ("service.__main__", "service.api.shared.measures.Shared"),
    ("service.__main__", "service.server.serve"),
    ("service.__main__", "service.settings.Settings"),
    ("service.__main__", "service.store.database.Database"),
    ("service.__main__", "service.store.readiness.require_usable"),
    ("service.__main__", "service.store.schema"),
    ("service.__main__", "service.work.certificates.missing"),
    ("service.__main__", "service.work.certificates.write_certificates"),
    ("service.__main__", "service.work.nodes.run_scheduler"),
    ("service.__main__", "service.work.nodes.run_worker"),
    ("service.__main__", "service.work.process.dispatch"),
    ("service.key_commands", "service.settings.Settings"),
    ("service.key_commands", "service.store.clock"),
    ("service.key_commands", "service.store.database.Database"),
    ("service.key_commands", "service.store.key_tables.ApiKey"),
    ("service.key_commands", "service.store.keys"),
    ("service.key_commands", "service.store.readiness.require_usable"),
    ("service.key_commands", "service.store.schema"),
    ("service.database_commands", "service.logs.configure_logs"),
    ("service.database_commands", "service.settings.Settings"),
    ("service.database_commands", "service.store.backups"),
    ("service.database_commands", "service.store.clock"),
    ("service.database_commands", "service.store.database.Database"),
    ("service.database_commands", "service.store.pruning"),
    ("service.database_commands", "service.store.pruning.Pruned"),
    ("service.database_commands", "service.store.schema"),
    ("service.settings", "sqlalchemy.URL"),
    ("service.settings", "sqlalchemy.make_url"),
    ("service.serving.classifying", "service.serving.nets"),
    ("service.serving.exporting", "models.nets.net.Net"),
    ("service.serving.exporting", "service.serving.exports"),
    ("service.serving.exporting", "service.serving.nets"),
    ("service.serving.gallery", "models.data.originals.Originals"),
    ("service.serving.gallery", "service.serving.originals"),
    ("service.api.predictions.views", "service.serving.intake.reports.Doubt"),
    ("service.serving.doubts", "service.serving.intake.groups.groups_of"),
    ("service.serving.doubts", "service.serving.intake.parts.parts_of"),
    ("service.serving.doubts", "service.serving.intake.reports.Doubt"),
    ("service.serving.inputs", "service.serving.intake.digits.normalise"),
    ("service.serving.inputs", "service.serving.intake.digits.normalise_all"),
    ("service.serving.inputs", "service.serving.intake.reports.Doubt"),
    ("service.serving.inputs", "service.serving.intake.reports.IntakeReport"),
    ("service.serving.predictor", "models.nets.net.Net"),
    ("service.serving.predictor", "service.serving.nets"),
    ("service.store.sqlite_engine", "pysqlite3.dbapi2"),
    ("service.supervisor", "prometheus_client.multiprocess.mark_process_dead"),
    ("service.supervisor", "structlog"),
    ("service.work.entry", "service.work.task"),
}


@dataclass(frozen=True)
class Import:
    """One import of a module."""

    name: str
    inside: bool
    relative: bool


def name_of(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def imports_of(source: str) -> Iterator[Import]:
    tree = ast.parse(source)
    top = set(map(id, tree.body))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, id(node) not in top, False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield Import(f"{node.module}.{alias.name}", id(node) not in top, node.level > 0)


def begins(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


def complaints(module: str, source: str) -> list[str]:
    """What a module imports against the table."""
    home = ROOMS[max((name for name in ROOMS if begins(module, name)), key=len, default="service.errors")]
    return [
        f"{module} may not import {each.name} {'inside a function' if each.inside else 'here'}"
        for each in imports_of(source)
        if not (
            (_is_allowed(each, home) and not each.inside) or (each.inside and (module, each.name) in INSIDE)
        )
    ]


def _is_allowed(each: Import, home: Room) -> bool:
    package = each.name.split(".")[0]
    if each.relative or package in {"tests", "benchmarks", "migrations"}:
        return False
    if package in {"analysis", "models", "service"}:
        return any(begins(each.name, prefix) for prefix in home.ours)
    return package in home.libraries | sys.stdlib_module_names


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_what_its_room_may(path: Path) -> None:
    assert complaints(name_of(path), (ROOT / path).read_text()) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("models.nets.net", "from models.training.loop import Run"),
        ("models.nets.net", "from service.settings import Settings"),
        ("models.specs.spec", "import torch"),
        ("models.specs.comparison", "from analysis.paired import holm"),
        ("analysis.paired", "import models.specs.spec"),
        ("analysis.plots", "import matplotlib"),
        ("models.data.originals", "import torchvision"),
        ("service.api.jobs.routes", "import torch"),
        ("service.api.jobs.routes", "from service.work.plan import plan"),
        ("service.api.comparisons.plots", "from analysis.plots import draw"),
        ("service.comparing.summary", "import fastapi"),
        ("service.comparing.summary", "from service.api.shared.problems import problems"),
        ("service.store.jobs", "from service.api import jobs"),
        ("service.store.jobs", "from . import spans"),
        ("service.edge.bodies", "def f():\n    import orjson"),
        ("service.new", "import service.store"),
    ],
)
def test_a_forbidden_import_is_noticed(module: str, source: str) -> None:
    assert complaints(module, source)


def folders_of(modules: dict[str, str]) -> dict[str, set[str]]:
    """By the name of each folder: the folders that its modules import from; a module of service/ is one."""
    found: dict[str, set[str]] = {}
    for module, source in modules.items():
        names = {_folder(each.name, modules) for each in imports_of(source)} - {
            None,
            _folder(module, modules),
        }
        found.setdefault(str(_folder(module, modules)), set()).update(map(str, names))
    return found


def _folder(name: str, modules: Collection[str]) -> str | None:
    """The folder of a module of ours, given as that or as a name in it."""
    module = name if name in modules else name.rpartition(".")[0]
    if module not in modules:
        return None
    return module if module.count(".") == 1 and begins(module, "service") else module.rpartition(".")[0]


@pytest.mark.slow
def test_folders_import_each_other_in_one_direction() -> None:
    modules = {name_of(path): (ROOT / path).read_text() for path in MODULES}

    order = list(TopologicalSorter(folders_of(modules)).static_order())

    assert {"models.specs", "service.store", "service.comparing", "service.api.shared", "service.app"} <= {
        *order
    }


def test_a_circle_of_folders_is_noticed() -> None:
    modules = {"models.a.one": "from models.b.two import x", "models.b.two": "import models.a.one"}

    with pytest.raises(CycleError):
        list(TopologicalSorter(folders_of(modules)).static_order())


@pytest.mark.parametrize("package", ["analysis", "models", "service"])
def test_packages_import_nothing(package: str) -> None:
    assert [path for path in (ROOT / package).rglob("__init__.py") if path.read_text()] == []


@pytest.mark.slow
def test_what_listens_and_starts_processes_imports_nothing_slow() -> None:
    code = (
        "import sys, service.__main__, service.server; from service.settings import Settings; "
        "service.server.create_app(Settings()); "
        "print([name for name in ('torch', 'scipy', 'matplotlib', 'dask') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


@pytest.mark.slow
def test_importing_the_application_is_silent_and_needs_no_environment() -> None:
    command = [sys.executable, "-W", "error", "-c", "import models.training.loop, service.app"]

    done = subprocess.run(command, env={}, capture_output=True, text=True, check=False, cwd="/")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
