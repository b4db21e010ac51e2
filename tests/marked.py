"""The rule that every statement leaves marked rows out, checked on whatever statements the tests make."""

import re
from typing import Any

from sqlalchemy import Delete, Engine, Select, Update, event

MENTION = re.compile(r"(?:\b(?:FROM|JOIN|UPDATE)|,) (jobs|comparisons)\b(?: AS (\w+))?")
FLUSHED = re.compile(r'WHERE (jobs|comparisons)\."?key"? = \S+$')


def sees_marked(statement: str) -> list[str]:
    """The tables, or their aliases, of whose rows a statement chooses marked ones too."""
    names = {found[2] or found[1] for found in MENTION.finditer(statement)}
    if statement.startswith("UPDATE") and FLUSHED.search(statement):
        return []
    return sorted(name for name in names if f"{name}.deleted_at IS NULL" not in statement)


def watch() -> None:
    """Have every statement of this process fail that sees marked rows without saying so."""
    event.listen(Engine, "before_cursor_execute", _check)


def _check(_connection: Any, _cursor: Any, statement: str, *rest: Any) -> None:
    context = rest[1]
    compiled = context.compiled
    made_here = compiled is not None and isinstance(compiled.statement, Select | Update | Delete)
    if made_here and not context.execution_options.get("with_marked"):
        assert not sees_marked(statement), f"this sees deleted rows of {sees_marked(statement)}: {statement}"
