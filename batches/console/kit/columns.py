"""The columns of the list of batches. Which of them are shown is in the list's address."""

from dataclasses import dataclass

from django.http import QueryDict

from batches.console.kit.paging import SORTS


class BadColumn(ValueError):
    """The address names a column that there is not."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `sort` is the order that its head leads to, if it has an index."""

    name: str
    label: str
    sort: str = ""
    is_number: bool = False

    @property
    def first_way(self) -> str:
        """The order that its head leads to at first."""
        return SORTS[self.sort].parameter


COLUMNS = {
    column.name: column
    for column in (
        Column("status", "Status"),
        Column("progress", "Progress"),
        Column("project", "Project"),
        Column("provider", "Provider"),
        Column("model", "Model"),
        Column("endpoint", "Endpoint"),
        Column("dialect", "Dialect"),
        Column("key", "Created by"),
        Column("tags", "Metadata"),
        Column("priority", "Priority", sort="priority", is_number=True),
        Column("tokens", "Tokens in / out", is_number=True),
        Column("cost", "Cost", is_number=True),
        Column("deadline", "Deadline", sort="deadline"),
        Column("ended", "Ended", sort="ended"),
        Column("created", "Created", sort="created"),
    )
}
DEFAULT = ("status", "progress", "project", "provider", "model", "created")


def read_columns(query: QueryDict) -> list[Column]:
    """The columns that the query names, in their usual order; the default ones when it names none. Raises BadColumn."""
    names = [name for name in query.get("columns", "").split(",") if name] or DEFAULT
    for name in names:
        if name not in COLUMNS:
            raise BadColumn(f"There is no column “{name[:50]}”.")
    return [column for column in COLUMNS.values() if column.name in names]
