"""Keyset paging: a page is what follows a position, so it costs the same at any depth and rows never shift under it."""

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from django.db.models import Model, Q, QuerySet

from batches.models import Batch, BatchObject

M = TypeVar("M", bound=Model)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COUNT_CAP = 10_000
_POSITION = re.compile(r"(\d{1,18})-([0-9a-f]{32})", re.ASCII)
_LINE = re.compile(r"\d{1,9}", re.ASCII)


class BadPosition(ValueError):
    """The address names a page that cannot be understood."""


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """Rows, and the positions where the pages on either side begin, where there are any."""

    rows: list[M]
    back: str | None = None
    forward: str | None = None


def batches_page(queryset: QuerySet[Batch], *, older: str | None, newer: str | None, size: int) -> Page[Batch]:
    """Batches, the newest first, older or newer than a position. Raises BadPosition."""
    if older and newer:
        raise BadPosition("A page is either older or newer than a position.")
    if newer:
        when, key = _read(newer)
        after = Q(created_at__gt=when) | Q(created_at=when, pk__gt=key)
        rows = list(queryset.filter(after).order_by("created_at", "pk")[: size + 1])
        more = len(rows) > size
        rows = rows[:size][::-1]
        return Page(rows, back=_position(rows[0]) if more else None, forward=_position(rows[-1]) if rows else None)
    if older:
        when, key = _read(older)
        queryset = queryset.filter(Q(created_at__lt=when) | Q(created_at=when, pk__lt=key))
    rows = list(queryset.order_by("-created_at", "-pk")[: size + 1])
    more = len(rows) > size
    rows = rows[:size]
    return Page(rows, back=_position(rows[0]) if older and rows else None, forward=_position(rows[-1]) if more and rows else None)


def objects_page(queryset: QuerySet[BatchObject], *, after: str | None, before: str | None, size: int) -> Page[BatchObject]:
    """Objects by line, behind or before one. Raises BadPosition."""
    if after and before:
        raise BadPosition("A page is either behind or before a line.")
    if before:
        rows = list(queryset.filter(line__lt=_read_line(before)).order_by("-line")[: size + 1])
        more = len(rows) > size
        rows = rows[:size][::-1]
        return Page(rows, back=str(rows[0].line) if more else None, forward=str(rows[-1].line) if rows else None)
    if after:
        queryset = queryset.filter(line__gt=_read_line(after))
    rows = list(queryset.order_by("line")[: size + 1])
    more = len(rows) > size
    rows = rows[:size]
    return Page(rows, back=str(rows[0].line) if after and rows else None, forward=str(rows[-1].line) if more else None)


def capped_count(queryset: QuerySet[M]) -> int:
    """How many rows there are, but never more than COUNT_CAP + 1."""
    return queryset.order_by()[: COUNT_CAP + 1].count()


def _position(batch: Batch) -> str:
    return f"{(batch.created_at - EPOCH) // timedelta(microseconds=1)}-{batch.pk.hex}"


def _read(position: str) -> tuple[datetime, uuid.UUID]:
    match = _POSITION.fullmatch(position)
    if match is None:
        raise BadPosition("The address names a page that does not exist.")
    try:
        return EPOCH + timedelta(microseconds=int(match[1])), uuid.UUID(match[2])
    except OverflowError:
        raise BadPosition("The address names a page that does not exist.") from None


def _read_line(position: str) -> int:
    if not _LINE.fullmatch(position):
        raise BadPosition("The address names a page that does not exist.")
    return int(position)
