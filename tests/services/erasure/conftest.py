"""Where a value might still be: every row of the database, every byte of the storage, every export, every line of a log."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connection

from batches.models import Batch
from batches.services.exports.form import Form
from batches.services.exports.results_export import ResultChoice, export_results

Look = Callable[[str], list[str]]


class Kept(logging.Handler):
    """Keeps every record, with its arguments."""

    def __init__(self) -> None:
        super().__init__(0)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.getMessage()} {record.__dict__}")


@pytest.fixture
def logs() -> Iterator[list[str]]:
    """Everything that is logged meanwhile, at any level."""
    handler, root = Kept(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    for name in ("batches", "config", "providers"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield handler.lines
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def where(media_root: Path, logs: list[str]) -> Look:
    """A function that names the places in which a text is, however they write it."""

    def look(text: str) -> list[str]:
        forms = {text, ascii(text)[1:-1], text.encode("unicode_escape").decode(), text.encode().hex()}
        forms |= {"".join(char if char.isascii() else f"\\u{ord(char):04x}" for char in text)}
        places = [f"table {table}" for table, dump in tables() if any(form in dump for form in forms)]
        for path in media_root.rglob("*"):
            if path.is_file() and any(form.encode() in path.read_bytes() for form in forms):
                places.append(f"file {path.name}")
            places += [f"name {path}" for form in forms if form in str(path)]
        places += [f"export of {batch}" for batch, dump in exports() if any(form in dump for form in forms)]
        return places + [f"log: {line}" for line in logs if any(form in line for form in forms)]

    return look


def tables() -> Iterator[tuple[str, str]]:
    """Every table of the database, with all of its rows as text."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - a name of a table
            rows = [[bytes(cell) if isinstance(cell, memoryview) else cell for cell in row] for row in cursor.fetchall()]
            yield table, "\n".join(str(row) + repr(row) + "".join(str(cell) for cell in row) for row in rows)


def exports() -> Iterator[tuple[Batch, str]]:
    """The results of every batch that has ended, as each form of export has them."""
    for batch in Batch.objects.filter(ended_at__isnull=False).exclude(output_file__purged_at__isnull=False):
        for form in Form:
            export = export_results(batch, ResultChoice(form=form), among=Batch.objects.all(), with_bodies=True)
            yield batch, b"".join(export.content).decode()
