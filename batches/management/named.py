"""Rows that commands find by name, and the tables that commands print."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from django.core.management.base import CommandError

from batches.models import Project
from providers.models import Provider


def is_plain(text: str) -> bool:
    """Whether a database can compare with a text: it has neither NUL nor a byte that was no UTF-8."""
    return text.isascii() and text.isprintable()


def provider_named(name: str) -> Provider:
    """The provider of this name. Raises CommandError."""
    provider = Provider.objects.filter(name=name).first() if is_plain(name) else None
    if provider is None:
        raise CommandError(f"There is no provider {name!r}; `provider list` shows the known ones.")
    return provider


def project_named(slug: str) -> Project:
    """The project of this slug. Raises CommandError."""
    project = Project.objects.called(slug) if is_plain(slug) else None
    if project is None:
        known = ", ".join(Project.objects.values_list("slug", flat=True)) or "none"
        raise CommandError(f"There is no project {slug!r}. Known: {known}.")
    return project


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows as lines, each column as wide as its longest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def day(moment: datetime | None) -> str:
    """The day of a moment; `-` for none."""
    return f"{moment:%Y-%m-%d}" if moment else "-"
