"""What a migration asks of processes that run the code of the release before.

A rolling upgrade migrates first, while old processes go on. So a migration may only add what an old process does not notice:
tables, indexes, columns that may be empty or have a default in the database. Whatever takes something away from an old
process is declared with `phase = "post"` in its Migration class, and runs after the last old process is gone.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, models
from django.db.migrations import Migration, operations
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState

POST = "post"


def is_post(migration: Migration) -> bool:
    """Whether a migration waits until no old process is left."""
    return getattr(migration, "phase", "") == POST


def troubles(migration: Migration, before: ProjectState) -> list[str]:
    """What an old process cannot live with in a migration, one sentence each. `before` is the state that it finds."""
    state, fresh = before.clone(), _Fresh()
    found = []
    for operation in migration.operations:
        found += list(_of(operation, state, migration.app_label, fresh))
        operation.state_forwards(migration.app_label, state)
    return found


@dataclass(frozen=True, slots=True)
class _Fresh:
    """The tables and columns that the migration itself has made, by names in lower case. No old process knows them."""

    tables: set[str] = field(default_factory=set)
    columns: set[tuple[str, str]] = field(default_factory=set)

    def has(self, model: str, *fields: str) -> bool:
        """Whether the table is new, or each of these columns is."""
        if model.lower() in self.tables:
            return True
        return bool(fields) and all((model.lower(), name) in self.columns for name in fields)


def _of(operation: Operation, state: ProjectState, app: str, fresh: _Fresh) -> Iterator[str]:
    match operation:
        case operations.SeparateDatabaseAndState():
            inner = state.clone()
            for each in operation.database_operations:
                yield from _of(each, inner, app, fresh)
                each.state_forwards(app, inner)
        case operations.CreateModel():
            fresh.tables.add(operation.name_lower)
        case operations.DeleteModel() | operations.RenameModel() | operations.AlterModelTable():
            yield f"it takes a table away: {operation.describe()}"
        case operations.AddField():
            if not fresh.has(operation.model_name) and _must_be_given(operation.field):
                yield f"a row of an old process lacks {operation.model_name}.{operation.name}: it needs null or a db_default"
            fresh.columns.add((operation.model_name_lower, operation.name))
        case operations.RemoveField() | operations.RenameField():
            yield f"it takes a column away: {operation.describe()}"
        case operations.AlterField():
            if not fresh.has(operation.model_name, operation.name):
                yield from _narrower(_field(state, app, operation), operation)
        case operations.AddConstraint():
            if not _is_about_new_columns(operation.constraint, operation.model_name, fresh):
                yield f"a row of an old process may not meet it: {operation.describe()}"
        case operations.AlterUniqueTogether():
            if not fresh.has(operation.name) and operation.option_value:
                yield f"a row of an old process may not meet it: {operation.describe()}"


def _must_be_given(column: "models.Field[Any, Any]") -> bool:
    """Whether an INSERT without this column fails."""
    has_default = column.db_default is not models.NOT_PROVIDED
    return not (column.null or has_default or column.many_to_many or isinstance(column, models.GeneratedField))


def _field(state: ProjectState, app: str, operation: operations.AlterField) -> "models.Field[Any, Any]":
    model: ModelState = state.models[app, operation.model_name_lower]
    return model.fields[operation.name]


def _narrower(old: "models.Field[Any, Any]", operation: operations.AlterField) -> Iterator[str]:
    """Why a column takes less than before, if it does."""
    new, name = operation.field, f"{operation.model_name}.{operation.name}"
    if old.null and not new.null and new.db_default is models.NOT_PROVIDED:
        yield f"an old process may leave {name} empty"
    if old.db_default is not models.NOT_PROVIDED and new.db_default is models.NOT_PROVIDED and not new.null:
        yield f"an old process may rely on the default of {name}"
    if new.max_length is not None and (old.max_length or 0) > new.max_length:
        yield f"an old process may write more than {new.max_length} characters into {name}"
    if old.db_parameters(connection)["type"] != new.db_parameters(connection)["type"] and not _is_longer(old, new):
        yield f"{name} changes its type"


def _is_longer(old: "models.Field[Any, Any]", new: "models.Field[Any, Any]") -> bool:
    """Whether both are texts, and the new one has room for more."""
    return isinstance(old, models.CharField) and isinstance(new, models.CharField | models.TextField)


def _is_about_new_columns(constraint: models.BaseConstraint, model: str, fresh: _Fresh) -> bool:
    """Whether a row in which the new columns are empty always meets a constraint."""
    if isinstance(constraint, models.UniqueConstraint):
        return any(fresh.has(model, field) for field in constraint.fields)
    if isinstance(constraint, models.CheckConstraint) and isinstance(constraint.condition, models.Q):
        return fresh.has(model, *constraint.condition.referenced_base_fields)
    return fresh.has(model)
