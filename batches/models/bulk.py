"""Statements for many rows, by the fastest way of each database. Every branch on the kind of database is in this file."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from threading import Lock
from typing import Any

from django.db import OperationalError, connection, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models.sql.compiler import SQLCompiler

Row = Sequence[Any]
Converter = Callable[[Any], Any]


def insert(model: type[models.Model], fields: Sequence[str], rows: Iterable[Row]) -> None:
    """Insert rows of Python values, given in the order of `fields`. Other columns need a default in the database.

    PostgreSQL takes the rows by COPY, SQLite by one prepared statement. Must be called inside a transaction.
    """
    columns = [_field(model, name) for name in fields]
    names = ", ".join(f'"{field.column}"' for field in columns)
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Django does not translate the errors of the driver's COPY by itself.
            with connection.wrap_database_errors, cursor.copy(f'COPY "{table}" ({names}) FROM STDIN') as copy:
                for row in rows:
                    copy.write_row(row)
            return
        marks = ", ".join(["%s"] * len(columns))
        converters = [_sqlite_converter(field) for field in columns]
        values = [_converted(row, converters) for row in rows]
        cursor.executemany(f'INSERT INTO "{table}" ({names}) VALUES ({marks})', values)  # noqa: S608 - names only


def add(
    model: type[models.Model],
    fields: Sequence[str],
    rows: Sequence[Row],
    *,
    keys: Sequence[str],
    added: Sequence[str],
    least: Sequence[str] = (),
    greatest: Sequence[str] = (),
) -> None:
    """Insert rows like `insert`. A row with the same `keys` that exists already is combined with the new one.

    `added` columns become the sum, `least` columns the smaller, and `greatest` columns the larger of both values; NULL is
    ignored. `rows` must differ in their keys, and must be in the order of their keys, so that no deadlock arises.
    """
    if not rows:
        return
    columns = [_field(model, name) for name in fields]
    column_of: dict[str, str] = {name: str(field.column) for name, field in zip(fields, columns, strict=True)}
    smaller, larger = ("LEAST", "GREATEST") if connection.vendor == "postgresql" else ("MIN", "MAX")
    changes = [f"{column_of[name]} = t.{column_of[name]} + excluded.{column_of[name]}" for name in added]
    for function, chosen in ((smaller, least), (larger, greatest)):
        for column in (column_of[name] for name in chosen):
            mine, other = f"t.{column}", f"excluded.{column}"
            changes.append(f"{column} = {function}(COALESCE({mine}, {other}), COALESCE({other}, {mine}))")
    marks = ", ".join(["(" + ", ".join(["%s"] * len(columns)) + ")"] * len(rows))
    statement = (
        f"INSERT INTO {model._meta.db_table} AS t ({', '.join(column_of.values())}) VALUES {marks}"  # noqa: S608 - names only
        f" ON CONFLICT ({', '.join(column_of[name] for name in keys)}) DO UPDATE SET {', '.join(changes)}"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            statement,
            [field.get_db_prep_value(value, connection) for row in rows for field, value in zip(columns, row, strict=True)],
        )


UPDATED_AT_ONCE = 1000  # rows of one statement, so that its parameters are fewer than SQLite takes


def update_each(model: type[models.Model], fields: Sequence[str], rows: Sequence[Row]) -> None:
    """Give each of many rows values of its own. A row begins with its primary key; the values are in the order of `fields`."""
    key = model._meta.pk
    assert key is not None
    columns = [key, *(_field(model, name) for name in fields)]
    changes = ", ".join(f'"{field.column}" = {_typed(field, place)}' for place, field in enumerate(columns[1:], start=2))
    marks = "(" + placeholders(columns) + ")"
    for start in range(0, len(rows), UPDATED_AT_ONCE):
        some = rows[start : start + UPDATED_AT_ONCE]
        values = [field.get_db_prep_save(value, connection) for row in some for field, value in zip(columns, row, strict=True)]
        statement = (
            f'UPDATE "{model._meta.db_table}" SET {changes} FROM (VALUES {", ".join([marks] * len(some))}) v'  # noqa: S608 - names
            f' WHERE "{model._meta.db_table}"."{key.column}" = {_typed(key, 1)}'
        )
        with connection.cursor() as cursor:
            cursor.execute(statement, values)


def _typed(field: "models.Field[Any, Any]", place: int) -> str:
    """A column of VALUES. PostgreSQL takes such columns for text, and is told their type; in SQLite values have their own."""
    return f"CAST(v.column{place} AS {field.db_type(connection)})" if connection.vendor == "postgresql" else f"v.column{place}"


def update_if_free(rows: "models.QuerySet[Any]", **changes: object) -> int:
    """Update rows without waiting for a lock, and return how many. For changes that may be written a little later instead.

    Locked rows stay as they are. On SQLite all rows stay as they are while another connection writes.
    """
    if connection.vendor == "postgresql":
        with transaction.atomic():
            free = list(rows.select_for_update(skip_locked=True, no_key=True).order_by().values_list("pk", flat=True))
            return rows.model._default_manager.filter(pk__in=free).update(**changes) if free else 0
    with _impatient():
        try:
            with transaction.atomic():
                return rows.update(**changes)
        except OperationalError:
            return 0


@contextmanager
def _impatient() -> Iterator[None]:
    """Let SQLite refuse a statement at once instead of waiting for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        (patience,) = cursor.fetchone()
        cursor.execute("PRAGMA busy_timeout = 0")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {int(patience)}")


def _converted(row: Row, converters: Sequence[Converter | None]) -> list[Any]:
    pairs = zip(converters, row, strict=True)
    return [value if convert is None or value is None else convert(value) for convert, value in pairs]


def _sqlite_converter(field: Any) -> Converter | None:
    target = field.target_field if field.is_relation else field
    if isinstance(target, models.UUIDField):
        return _hex
    if isinstance(target, models.DateTimeField):
        return _utc_text
    return None


def _hex(value: uuid.UUID) -> str:
    return value.hex


def _utc_text(value: datetime) -> str | None:
    return connection.ops.adapt_datetimefield_value(value)


def adapt(model: type[models.Model], field: str, value: object) -> Any:
    """A value in the form that the database's driver takes in raw SQL."""
    return _field(model, field).get_db_prep_value(value, connection)


def as_uuid(value: object) -> uuid.UUID:
    """The UUID of an id as raw SQL returns it."""
    return value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))


def _field(model: type[models.Model], name: str) -> "models.Field[Any, Any]":
    field = model._meta.get_field(name)
    assert isinstance(field, models.Field)
    return field


class Epoch(models.Func):
    """A time as whole seconds since 1970, for arithmetic in a query."""

    output_field = models.BigIntegerField()

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, "EXTRACT", "CAST(EXTRACT(EPOCH FROM %(expressions)s) AS bigint)", **extra)

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> Any:
        # The percent sign is doubled twice: for this template, and for the statement that the template becomes a part of.
        return self.as_sql(compiler, connection, "strftime", "CAST(strftime('%%%%s', %(expressions)s) AS integer)", **extra)


def placeholders(values: Sequence[object]) -> str:
    """`%s, %s, …` for a raw IN list."""
    return ", ".join(["%s"] * len(values))


def join_row_by_row() -> None:
    """Until the transaction ends, let PostgreSQL join two tables by looking up each row of one in an index of the other.

    PostgreSQL's planner would read a whole table or index if it expects many rows. Its expectation of rows that have just been
    written is a guess. SQLite always joins row by row.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(_ROW_BY_ROW)


@contextmanager
def row_by_row() -> Iterator[None]:
    """A transaction that joins row by row."""
    with transaction.atomic():
        join_row_by_row()
        yield


@contextmanager
def within(*, seconds: float) -> Iterator[None]:
    """Let PostgreSQL refuse each statement of the block that takes longer. SQLite knows no such bound.

    On PostgreSQL the block is a transaction.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(round(seconds * 1000))])
        yield


_SWITCHES = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit")
_ROW_BY_ROW = "SELECT " + ", ".join(f"set_config('{name}', 'off', true)" for name in _SWITCHES)


def size_of(column: str) -> str:
    """The SQL for the size of a text column: in bytes, without reading the text, or in characters on SQLite."""
    return f"octet_length({column})" if connection.vendor == "postgresql" else f"length({column})"


def apart() -> str:
    """The SQL word after `AS` of a WITH clause that is joined with many rows. PostgreSQL hashes it, SQLite uses its index."""
    return "MATERIALIZED" if connection.vendor == "postgresql" else "NOT MATERIALIZED"


@contextmanager
def alone(work: int) -> Iterator[bool]:
    """Whether nobody else does this work meanwhile, which has a number of its own. The end of a killed process ends its claim.

    On SQLite, only threads of this process are asked.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [work])
            (is_ours,) = cursor.fetchone()
            try:
                yield is_ours
            finally:
                if is_ours:
                    cursor.execute("SELECT pg_advisory_unlock(%s)", [work])
        return
    claim = _claims.setdefault(work, Lock())
    is_ours = claim.acquire(blocking=False)
    try:
        yield is_ours
    finally:
        if is_ours:
            claim.release()


_claims: dict[int, Lock] = {}


def cursor() -> CursorWrapper:
    """A cursor for raw SQL."""
    return connection.cursor()
