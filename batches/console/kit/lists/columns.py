"""The columns of the list of batches. The list's address names the columns that are shown."""

from dataclasses import dataclass

from django.http import QueryDict

from batches.console.kit.lists.paging import SORTS


class BadColumn(ValueError):
    """The address names an unknown column."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `sort` is the order that a click on its head selects; only orders with an index are offered."""

    name: str
    label: str
    sort: str = ""
    is_number: bool = False

    @property
    def first_way(self) -> str:
        """The direction of the order at the first click."""
        return SORTS[self.sort].parameter


COLUMNS = {
    column.name: column
    for column in (
        Column("status", "Status"),
        Column("progress", "Progress"),
        Column("net", "After retries", is_number=True),
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
    """The columns that the query names, in their usual order; the default columns if it names none. Raises BadColumn."""
    names = [name for name in query.get("columns", "").split(",") if name] or DEFAULT
    for name in names:
        if name not in COLUMNS:
            raise BadColumn(f"There is no column “{name[:50]}”.")
    return [column for column in COLUMNS.values() if column.name in names]
