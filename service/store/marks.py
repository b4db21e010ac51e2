"""Marks of what is deleted: a session sees no job and no comparison whose `deleted_at` is set.

What belongs to a marked row stays until it is swept (sweeping.py), and is reached through its row only.
"""

from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria

from service.store.tables import Comparison, Job

WITH_MARKED = {"with_marked": True}
"""Execution options of the few statements that see marked rows too."""

# A function, because SQLAlchemy does not adapt a finished expression to an alias in a join.
_NOT_MARKED = [
    with_loader_criteria(table, lambda each: each.deleted_at.is_(None), include_aliases=True)
    for table in (Job, Comparison)
]


class UnmarkedSession(Session):
    """A session that adds the condition to every select, update and delete, whatever its joins and aliases.

    Text is not changed, nor a flush, which writes only what was selected before, nor a statement that names a
    subquery only: it must name an entity too. tests/marked.py checks every statement that the tests make.
    """


@event.listens_for(UnmarkedSession, "do_orm_execute")
def _hide_marked(statement: ORMExecuteState) -> None:
    chooses_rows = statement.is_select or statement.is_update or statement.is_delete
    if chooses_rows and not statement.execution_options.get("with_marked"):
        statement.statement = statement.statement.options(*_NOT_MARKED)
