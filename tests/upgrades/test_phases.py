"""No migration takes away what processes of the release before need, unless it is declared to wait for their end."""

from typing import Any

import pytest
from django.db import migrations, models
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import Q

from tests.upgrades.phases import is_post, troubles

APPS = ("batches", "providers")
# Migrations that a person has looked at, and why old processes live with them all the same.
REVIEWED = {
    (
        "providers",
        "0004_secrets_kept_elsewhere",
    ): "Its constraint replaces a narrower one: it adds a third place for a credential."
}


def ours() -> list[tuple[tuple[str, str], Migration]]:
    """Our migrations in their order."""
    loader = MigrationLoader(None)
    plan = [key for app in APPS for key in loader.graph.forwards_plan(loader.graph.leaf_nodes(app)[0]) if key[0] in APPS]
    return [(key, loader.disk_migrations[key]) for key in dict.fromkeys(plan)]


def test_every_migration_leaves_old_processes_what_they_need_or_waits_for_their_end() -> None:
    loader = MigrationLoader(None)
    found = {
        key: trouble
        for key, migration in ours()
        if not is_post(migration) and (trouble := troubles(migration, loader.project_state(key, at_end=False)))
    }

    assert len(ours()) > 25
    assert found.keys() == REVIEWED.keys(), (
        'Add instead of changing, or declare `phase = "post"`: see config/deploy/README.md, "Upgrades".'
    )


def test_a_migration_that_waits_is_the_last_of_its_app() -> None:
    """`migrate APP NAME` can then stop before it."""
    for app in APPS:
        phases = [is_post(migration) for (name, _), migration in ours() if name == app]
        assert phases == sorted(phases)


def before() -> ProjectState:
    """A table of an old release."""
    state = ProjectState()
    fields: list[tuple[str, models.Field[Any, Any]]] = [
        ("id", models.BigAutoField(primary_key=True)),
        ("name", models.CharField(max_length=20)),
        ("note", models.TextField(null=True)),
        ("rank", models.IntegerField(db_default=0)),
    ]
    migrations.CreateModel("Thing", fields).state_forwards("batches", state)
    return state


def found(*operations: Operation) -> list[str]:
    next_one = type("Next", (Migration,), {"operations": operations})
    return troubles(next_one("9999_next", "batches"), before())


@pytest.mark.parametrize(
    ("operation", "told"),
    [
        (migrations.RemoveField("thing", "note"), "takes a column away"),
        (migrations.RenameField("thing", "note", "remark"), "takes a column away"),
        (migrations.DeleteModel("Thing"), "takes a table away"),
        (migrations.RenameModel("Thing", "Object"), "takes a table away"),
        (migrations.AlterModelTable("thing", "things"), "takes a table away"),
        (migrations.AddField("thing", "size", models.IntegerField()), "lacks thing.size"),
        (migrations.AddField("thing", "size", models.IntegerField(default=0)), "lacks thing.size"),
        (migrations.AlterField("thing", "note", models.TextField()), "may leave thing.note empty"),
        (migrations.AlterField("thing", "rank", models.IntegerField()), "rely on the default of thing.rank"),
        (migrations.AlterField("thing", "name", models.CharField(max_length=10)), "more than 10 characters"),
        (migrations.AlterField("thing", "rank", models.CharField(max_length=9, db_default="")), "changes its type"),
        (migrations.AddConstraint("thing", models.UniqueConstraint(fields=["name"], name="once")), "may not meet it"),
        (migrations.AddConstraint("thing", models.CheckConstraint(condition=Q(rank__gt=0), name="more")), "may not meet it"),
        (migrations.AlterUniqueTogether("thing", {("name", "rank")}), "may not meet it"),
        (migrations.SeparateDatabaseAndState([migrations.RemoveField("thing", "note")]), "takes a column away"),
    ],
    ids=lambda value: "" if isinstance(value, str) else value.describe(),
)
def test_what_an_old_process_cannot_live_with_is_found(operation: Operation, told: str) -> None:
    (trouble,) = found(operation)

    assert told in trouble


@pytest.mark.parametrize(
    "operations",
    [
        [migrations.AddField("thing", "size", models.IntegerField(null=True))],
        [migrations.AddField("thing", "size", models.IntegerField(db_default=0))],
        [migrations.AlterField("thing", "name", models.CharField(max_length=40))],
        [migrations.AlterField("thing", "name", models.TextField())],
        [migrations.AlterField("thing", "rank", models.IntegerField(null=True, db_default=0))],
        [migrations.CreateModel("Other", [("id", models.BigAutoField(primary_key=True)), ("n", models.IntegerField())])],
        [
            migrations.AddField("thing", "seat", models.IntegerField(null=True)),
            migrations.AddConstraint("thing", models.UniqueConstraint(fields=["seat"], name="seat_once")),
            migrations.AddConstraint("thing", models.CheckConstraint(condition=Q(seat__gt=0), name="seat_real")),
        ],
        [migrations.SeparateDatabaseAndState(state_operations=[migrations.RemoveField("thing", "note")])],
    ],
)
def test_what_an_old_process_does_not_notice_is_not(operations: list[Operation]) -> None:
    assert found(*operations) == []


def test_a_migration_may_say_that_it_waits() -> None:
    class Later(Migration):
        phase = "post"
        operations = [migrations.RemoveField("thing", "note")]  # noqa: RUF012 - as Django has it

    assert is_post(Later("9999_later", "batches"))
    assert not is_post(Migration("9999_next", "batches"))
