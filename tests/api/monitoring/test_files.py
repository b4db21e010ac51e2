"""The alert rules, the dashboard and the table of metrics name what is exported, and nothing else."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import promql_parser
import pytest
import yaml

from service.api.monitoring.families import Standing, families
from service.api.shared.measures import Measures
from service.edge.operations import Operation
from service.store.queue_counts import Backlog
from service.store.tables import STATUSES
from tests.pages import ROOT, Page

NOW = datetime(2026, 11, 28, tzinfo=UTC)
FOLDER = ROOT / "docs" / "prometheus"
RULES = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]
PANELS = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
EXPRESSIONS = {
    **{rule["alert"]: rule["expr"] for rule in RULES},
    **{f"{each['title']} {target['refId']}": target["expr"] for each in PANELS for target in each["targets"]},
}


def exported() -> list[Any]:
    """All metrics, each with all its labels."""
    measures = Measures()
    predict = Operation("POST", "/jobs/{job_id}/predict")
    request = {"type": "http", "method": "POST", "state": {"problem": "overloaded"}}
    for status in (200, 503):
        measures.note_request(lambda _: predict, request, status, 0.1)
    standing = Standing(NOW, dict.fromkeys(STATUSES, 1), [Backlog("single_jobs", 1, NOW)], 2, {})
    return [*measures.collect(), *families(standing)]


SAMPLES = [sample for family in exported() for sample in family.samples]
LABELS = {sample.name: set(sample.labels) for sample in SAMPLES}


def selectors(expression: str) -> list[promql_parser.VectorSelector]:
    """The selectors of a PromQL expression, whose variables of Grafana are put in."""
    found: list[Any] = []
    promql_parser.walk(promql_parser.parse(expression.replace("$__rate_interval", "5m")), found.append)
    return [each for each in found if isinstance(each, promql_parser.VectorSelector)]


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_an_expression_selects_what_is_exported(expression: str) -> None:
    chosen = selectors(expression)

    assert chosen
    for each in chosen:
        wanted = {(matcher.name, matcher.value) for matcher in each.matchers.matchers}
        assert [s for s in SAMPLES if s.name == each.name and wanted <= set(s.labels.items())], each
    grouped = set(re.findall(r"\w+", " ".join(re.findall(r"by \((.*?)\)", expression))))
    assert grouped <= set().union(*(LABELS[str(each.name)] for each in chosen))


def test_a_name_that_is_not_exported_is_noticed() -> None:
    [selector] = selectors("sum by (le) (rate(normserve_made_up_bucket[$__rate_interval]))")

    assert selector.name not in LABELS


def test_there_are_four_rules_which_say_what_to_do() -> None:
    assert len(RULES) == 4
    assert {tuple(rule) for rule in RULES} == {("alert", "expr", "for", "labels", "annotations")}
    assert {tuple(rule["annotations"]) for rule in RULES} == {("summary", "description")}
    named = set(re.findall(r"normserve_\w+", str([rule["annotations"] for rule in RULES])))
    assert named <= LABELS.keys()


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {str(each.name) for expression in EXPRESSIONS.values() for each in selectors(expression)}

    families_shown = {family.name for family in exported() if shown & {s.name for s in family.samples}}
    assert families_shown == {family.name for family in exported()}


def test_every_metric_has_a_row_with_its_labels() -> None:
    rows = Page("docs/operating.md").rows("Monitoring")

    shown = {name: set(re.findall(r"\w+", labels)) for name, (_, labels, *_) in rows.items()}
    assert shown == {
        f"{family.name}{'_total' * (family.type == 'counter')}": LABELS[family.samples[0].name] - {"le"}
        for family in exported()
    }
