"""The types of columns and the names of constraints, with the same meaning on both databases."""

from datetime import UTC, datetime

from sqlalchemy import JSON, DateTime, Dialect, Float, TypeDecorator
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, JSONB
from sqlalchemy.orm import Mapped, mapped_column

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

Document = JSON().with_variant(JSONB(), "postgresql")
Double = Float(53).with_variant(DOUBLE_PRECISION(), "postgresql")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC, on databases that keep the zone and on those that do not."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class Submitted:
    """When a row was submitted, and by whom."""

    created_by_key: Mapped[int | None]
    """The number of the API key; NULL without one."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


def one_of(column: str, values: tuple[str, ...]) -> str:
    """Return the condition that a column has one of these values, for a check constraint."""
    return f"{column} IN ({', '.join(repr(value) for value in values)})"
