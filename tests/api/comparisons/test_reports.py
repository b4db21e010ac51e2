"""Reports of a comparison: self-contained, honest, and safe with any name."""

import json
import re
import shlex
import tracemalloc
from base64 import b64decode, b64encode
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from service.store.tables import Job
from tests.api import planted, work

pytestmark = pytest.mark.slow

HOSTILE = "1. <img src=x onerror=alert(1)> | *b* [l](javascript:x) `c` 'q'"


class Page(HTMLParser):
    """What a page is made of: its elements with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def attributes(self, tag: str, name: str) -> list[str | None]:
        return [attributes.get(name) for found, attributes in self.elements if found == tag]


@pytest.fixture
def told(client: TestClient) -> dict[str, Any]:
    """A comparison in which ten seeds tell the arms apart."""
    arms = [{"name": "none"}, {"name": HOSTILE, "norm": "batch"}]
    return planted.comparison(
        client,
        lambda arm, seed, _: 0.95 + 0.02 * (arm != "none") + 0.001 * seed,
        seeds=10,
        arms=arms,
        label=HOSTILE,
    )


def section(report: str, name: str) -> str:
    return report.partition(f"## {name}\n")[2].partition("\n## ")[0]


def test_a_report_says_what_may_be_concluded_and_what_may_not(
    client: TestClient, told: dict[str, Any]
) -> None:
    answer = client.get(told["links"]["report.md"])

    concluded = section(answer.text, "What may be concluded")
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    assert concluded.count("was better than none in test") == 2
    assert "no clear difference in" not in section(answer.text, "What may not be concluded")
    assert "sampling error" in section(answer.text, "What may not be concluded")
    assert "0.9545 ±" in section(answer.text, "Results")
    assert section(answer.text, "Were the arms treated alike?").startswith("\nYes:")


@pytest.mark.parametrize(
    ("seeds", "listed"),
    [
        ([0, 1, 9_007_199_254_740_991], "0, 1, 9007199254740991"),
        ([42, 1337, 20_240_101], "42, 1337, 20240101"),
        ([5], "5"),
        ([0, 1], "0, 1"),
        (4, "0 to 3"),
        ([7, 0, 1, 2, 9, 10, 11, 12, 20], "7, 0 to 2, 9 to 12, 20"),
    ],
    ids=str,
)
def test_a_report_lists_the_seeds(client: TestClient, seeds: Any, listed: str) -> None:
    created = client.post("/comparisons", json={**planted.TWO_ARMS, "seeds": seeds}).json()

    report = client.get(created["links"]["report.md"])

    assert (report.status_code, f"\nSeeds: {listed}.\n" in report.text) == (200, True)


def test_seeds_far_apart_take_no_more_memory_in_any_answer(sqlite_client: TestClient) -> None:
    seeds = [0, 1, 20_240_101, 9_007_199_254_740_991]
    created = planted.comparison(
        sqlite_client, lambda arm, _seed, _: 0.9 + 0.05 * (arm == "batch"), seeds=seeds
    )
    links = [url for name, url in created["links"].items() if name not in ("cancel", "robustness")]
    assert [sqlite_client.get(url).status_code for url in links] == [200] * len(links)

    tracemalloc.start()
    answers = [sqlite_client.get(url, params={"band": "sd"} if "plot" in url else {}) for url in links]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert [answer.status_code for answer in answers] == [200] * len(links)
    assert peak < 50e6


def test_too_few_seeds_conclude_nothing(client: TestClient) -> None:
    created = planted.comparison(client, lambda arm, _seed, _: 0.9 + 0.05 * (arm == "batch"), seeds=3)

    report = client.get(created["links"]["report.md"]).text

    too_few = "Too few seeds to show any difference between 2 arms: 6 are needed."
    assert too_few in section(report, "What may be concluded")
    assert "6 are needed" in section(report, "What may not be concluded")


def test_a_report_that_is_early_says_so(client: TestClient) -> None:
    created = client.post("/comparisons", json={**planted.TWO_ARMS, "seeds": 2}).json()

    report = client.get(created["links"]["report.md"]).text

    assert "some have not ended yet" in report
    assert "As far as runs have begun" in report
    assert "No run has a result so far." in section(report, "What may be concluded")
    assert "not reached" not in report


def test_the_command_of_a_report_asks_the_same_again(client: TestClient, told: dict[str, Any]) -> None:
    report = client.get(told["links"]["report.md"]).text

    [command] = re.findall(r"```sh\n(.*)\n```", report)
    words = shlex.split(command)
    again = client.post("/comparisons", json=json.loads(words[words.index("-d") + 1])).json()
    assert words[-1] == "http://testserver/comparisons"
    assert {name: again[name] for name in ("arms", "seeds", "baseline", "jobs")} == {
        name: told[name] for name in ("arms", "seeds", "baseline", "jobs")
    }


def test_a_page_holds_all_that_it_shows_and_obeys_its_policy(
    client: TestClient, told: dict[str, Any]
) -> None:
    answer = client.get(told["links"]["report.html"])

    page = Page(answer.text)
    [style] = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    own_style = f"style-src 'sha256-{digest}'"
    assert policy == f"default-src 'none'; img-src data:; {own_style}; frame-ancestors 'none'"
    assert {tag for tag, _ in page.elements} & {"script", "link", "iframe", "a"} == set()
    assert [attributes for _, attributes in page.elements if "style" in attributes] == []
    [light], [dark] = page.attributes("img", "src"), page.attributes("source", "srcset")
    assert light is not None
    assert {light.startswith("data:image/svg+xml;base64,"), light != dark} == {True}
    assert b"<svg" in b64decode(light.partition(",")[2])


def test_names_are_text_in_a_page(client: TestClient, told: dict[str, Any]) -> None:
    page = Page(client.get(told["links"]["report.html"]).text)

    assert len(page.attributes("img", "src")) == 1
    assert page.text.count(HOSTILE) >= 5
    assert page.elements[0] == ("html", {"lang": "en"})
    assert page.attributes("ol", "start") == []


def test_a_report_that_the_client_has_is_not_sent_again(client: TestClient, told: dict[str, Any]) -> None:
    first = client.get(told["links"]["report.md"])

    again = client.get(told["links"]["report.md"], headers={"if-none-match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")


def test_a_report_is_of_one_learning_rate(client: TestClient) -> None:
    created = planted.comparison(
        client, lambda _arm, _seed, rate: 1 - rate, seeds=2, learning_rates=[0.1, 0.2]
    )

    report = client.get(created["links"]["report.md"], params={"learning_rate": 0.2}).text

    assert report.startswith("# 2 arms, 2 seeds, learning rate 0.2\n")
    assert "0.8000 ± 0.0000" in section(report, "Results")
    assert "learning_rate 0.2" in section(report, "Arms")


@pytest.mark.parametrize(
    ("digests", "sentence"),
    [
        (("a", "a"), "They ran with torch 2.13.0 on AVX2, kernels aaaaaaaaaaaa."),
        (("a", "b"), "They ran with different kernels: "),
        ((None, "a"), "They ran with different kernels: "),
    ],
    ids=["equal", "different", "one of an older release"],
)
def test_a_report_warns_of_runs_with_different_kernels(
    client: TestClient, digests: tuple[str | None, ...], sentence: str
) -> None:
    created = planted.comparison(client, lambda *_: 0.9, seeds=1)
    with work.database(client).writing() as session:
        for job, digit in zip(session.scalars(select(Job).order_by(Job.key)), digests, strict=True):
            job.torch_version, job.cpu_capability = "2.13.0", "AVX2"
            job.kernels_sha256 = digit and digit * 64

    report = client.get(created["links"]["report.md"]).text

    treated_alike = section(report, "Were the arms treated alike?")
    assert sentence in treated_alike
    assert ("Their bits may differ" in treated_alike) == (len(set(digests)) > 1)


def test_builds_that_compute_the_same_are_no_reason_to_warn(client: TestClient) -> None:
    created = planted.comparison(client, lambda *_: 0.9, seeds=1)
    with work.database(client).writing() as session:
        for job, capability in zip(session.scalars(select(Job)), ("AVX2", "AVX512"), strict=True):
            job.torch_version, job.cpu_capability, job.kernels_sha256 = "2.13.0", capability, "a" * 64

    report = client.get(created["links"]["report.md"]).text

    assert "with different builds that compute the same bits" in section(
        report, "Were the arms treated alike?"
    )
