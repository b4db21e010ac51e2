"""The text of all metrics: written once for the scrapes of a second, without the database if it is away."""

from collections.abc import Iterable
from concurrent.futures import TimeoutError as TookTooLong
from typing import Literal

from prometheus_client import exposition
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics

from service.api.monitoring.families import Standing, families, read_standing
from service.api.shared.measures import Measures
from service.errors import NormserveError
from service.serving.lookups import Lookups
from service.store.database import Database

DATABASE_SECONDS = 3.0
"""What the database may take: a scrape usually has 10 seconds."""

TextFormat = Literal["plain", "openmetrics"]
MEDIA_TYPES: dict[TextFormat, str] = {
    "plain": "text/plain",
    "openmetrics": "application/openmetrics-text",
}
CONTENT_TYPES: dict[TextFormat, str] = {
    "plain": exposition.CONTENT_TYPE_PLAIN_0_0_4,
    "openmetrics": openmetrics.CONTENT_TYPE_LATEST,
}


class Exposition:
    """All metrics that one api process can export: those of its port and those of the database."""

    def __init__(self, measures: Measures, database: Database) -> None:
        self.measures, self.database = measures, database
        self.texts: Lookups[TextFormat, bytes] = Lookups(self._write)
        self.standings: Lookups[None, Standing] = Lookups(self._read)

    def collect(self) -> Iterable[Metric]:
        """Return all metrics; those of the database, only if it responds in time."""
        yield from self.measures.collect()
        yield from families(self._standing())

    def close(self) -> None:
        """Write no more, and wait for what is being read."""
        self.texts.close()
        self.standings.close()

    def _standing(self) -> Standing | None:
        try:
            return self.standings.join(None).result(DATABASE_SECONDS)
        except (NormserveError, TookTooLong):
            return None

    def _read(self, _: None) -> Standing:
        with self.database.snapshot() as session:
            return read_standing(session)

    def _write(self, text_format: TextFormat) -> bytes:
        write = openmetrics.generate_latest if text_format == "openmetrics" else exposition.generate_latest
        return write(self)
