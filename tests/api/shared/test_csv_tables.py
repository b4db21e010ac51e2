"""Tables read back as they were, and hold no formulas."""

import csv
from io import StringIO
from typing import Any

from service.api.shared.csv_tables import write_table


def test_a_table_has_its_columns_and_reads_back_exactly() -> None:
    rows: list[dict[str, Any]] = [
        {"name": "a, b", "value": 0.1 + 0.2, "other": 1},
        {"name": None, "value": 1e-300},
    ]

    written = write_table(("name", "value"), rows)

    assert written == b'name,value\r\n"a, b",0.30000000000000004\r\n,1e-300\r\n'
    assert float([*csv.reader(StringIO(written.decode()))][1][1]) == 0.1 + 0.2


def test_a_table_can_go_on_without_its_heading() -> None:
    assert write_table(("a", "b"), [{"a": 1}], heading=False) == b"1,\r\n"


def test_a_text_that_is_like_a_formula_is_marked() -> None:
    assert write_table(("a", "b"), [{"a": "=1+1", "b": -1}], heading=False) == b"'=1+1,-1\r\n"
