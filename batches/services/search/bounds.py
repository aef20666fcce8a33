"""Bounds of a search: how much is looked at, and for how long. A search that reaches a bound says so."""

from collections.abc import Callable

from django.db import OperationalError, connection, transaction

from batches.services.search.found import HitKind, Section

LONGEST_MS = 400  # for one statement; PostgreSQL cancels it then
MOST_SAME = 500  # objects of all projects with one custom_id; with more of them, the newest batches are looked through instead
MOST_SAME_IDS = 2000  # results of all projects with one request id, among which the searcher's own are found
NEWEST = 1000  # batches that are looked through beside an index
NEWEST_WITHOUT_INDEX = 5000  # batches, or error groups, that are looked through for words where there is no index
MOST_MATCHES = 2000  # rows that an index of words may find; the newest of them are shown
UNBOUNDED = frozenset({HitKind.FILE, HitKind.OPERATION, HitKind.PROVIDER})  # looked up by their key, or a few rows in all
_CANCELLED = "57014"  # PostgreSQL's code for a statement that took too long


def bounded(kind: HitKind, ask: Callable[[], Section]) -> Section:
    """The answer to one question; or an empty section that says that its search took too long."""
    if connection.vendor != "postgresql" or kind in UNBOUNDED:
        return ask()
    is_inside = connection.in_atomic_block
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {LONGEST_MS}")
            found = ask()
            if is_inside:
                cursor.execute("SET LOCAL statement_timeout TO DEFAULT")
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") != _CANCELLED:
            raise
        return Section(kind, [], bound=f"This search took longer than {LONGEST_MS} ms and was ended. Search for a whole id.")
    return found


def looked_through(count: int, of: str) -> str:
    """The sentence about a search that looked through the newest rows only."""
    return f"Only the newest {count:,} {of} were looked through."
