"""Keyset paging: a page is the rows after a position. So a page costs the same at any depth, and new rows shift no page."""

from datetime import UTC, datetime, timedelta

from django.db.models import Q

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def behind(field: str, value: object, key: object, *, descending: bool) -> Q:
    """The condition of rows after the row with this value and key, in the order of a column and then of the primary key.

    The first condition bounds the scan of the index. The second one leaves out rows with the same value up to the given key.
    """
    way = "lt" if descending else "gt"
    return Q(**{f"{field}__{way}e": value}) & (Q(**{f"{field}__{way}": value}) | Q(**{f"pk__{way}": key}))


def moment_as_number(moment: datetime) -> int:
    """A time as a number for a position: microseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def number_as_moment(number: int) -> datetime:
    """The time of a number that `moment_as_number` made. Raises OverflowError."""
    return _EPOCH + timedelta(microseconds=number)
