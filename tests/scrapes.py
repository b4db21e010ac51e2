"""Metrics as a scrape has them."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: str) -> Samples:
    """The value of each sample, by its name and its labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(client: Any) -> Samples:
    """All samples, not older than this call."""
    exposition = client.app.state.exposition
    exposition.texts.forget(lambda _: True)
    exposition.standings.forget(lambda _: True)
    return samples(client.get("/metrics").text)


def value(found: Samples, name: str, **labels: str) -> float:
    """The value of a sample; 0 if there is none."""
    return found.get((name, frozenset(labels.items())), 0.0)
