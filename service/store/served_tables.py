"""The tables of served models: names, and the checkpoint that each of their versions serves."""

from datetime import datetime

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from service.store.columns import UtcDateTime
from service.store.tables import Base

MOST_NAME_CHARS = 64


class ServedModel(Base):
    """A name that clients predict with. Only store/served_models.py writes here."""

    __tablename__ = "served_models"
    __table_args__ = ({"sqlite_autoincrement": True},)

    key: Mapped[int] = mapped_column(Integer, primary_key=True)
    """The order of arrival; clients never see it."""
    name: Mapped[str] = mapped_column(String(MOST_NAME_CHARS), unique=True)
    version: Mapped[int]
    """The newest version, which the name stands for."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When the newest version was added."""


class ModelVersion(Base):
    """The checkpoint that a version of a name serves; while it is here, the checkpoint cannot be deleted."""

    __tablename__ = "model_versions"
    __table_args__ = (
        ForeignKeyConstraint(["job_key", "step"], ["checkpoints.job_key", "checkpoints.step"]),
        Index(None, "job_key", "step"),
    )

    model_key: Mapped[int] = mapped_column(
        ForeignKey("served_models.key", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    job_key: Mapped[int]
    step: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
