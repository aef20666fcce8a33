"""Keyset paging: a page is what follows a position, so it costs the same at any depth and rows never shift under it."""

from datetime import UTC, datetime, timedelta

from django.db.models import Q

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def behind(field: str, value: object, key: object, *, descending: bool) -> Q:
    """What comes after the row with this value and primary key, in the order of a column and then of the primary key.

    The second condition alone would do, but for equal values; written so, the first one bounds the scan of the index.
    """
    way = "lt" if descending else "gt"
    return Q(**{f"{field}__{way}e": value}) & (Q(**{f"{field}__{way}": value}) | Q(**{f"pk__{way}": key}))


def moment_as_number(moment: datetime) -> int:
    """A moment as it stands in a position: microseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def number_as_moment(number: int) -> datetime:
    """The moment that was written so. Raises OverflowError."""
    return _EPOCH + timedelta(microseconds=number)
