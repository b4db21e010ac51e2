"""Errors of the drivers when the database is missing or full."""

from pathlib import Path

import pytest
from sqlalchemy import text

from service.errors import DatabaseUnavailable
from service.store.database import Database
from tests.store.rows import submit


def test_a_database_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"postgresql://nobody@/none?host={tmp_path}")

    with pytest.raises(DatabaseUnavailable), database.reading() as session:
        session.execute(text("SELECT 1"))


def test_a_database_whose_folder_is_gone_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/gone/normserve.db")
    (tmp_path / "gone").rmdir()

    with pytest.raises(DatabaseUnavailable, match="folder"):
        submit(database)
