"""Indexes for recoveries and for the audit log. They are built while the portal goes on, and no table is locked meanwhile.

The migration has no transaction. Each of its steps may be done again, so that an interrupted migration goes on when it is run
anew.
"""

from typing import Any

from django.db import migrations, models
from django.db.models import F, OuterRef, Q, Subquery

EVENTS_AT_ONCE = 20_000
IS_ACT = Q(project__isnull=False)


class AddIndexMeanwhile(migrations.AddIndex):
    """Add an index, unless it is there, without keeping writers waiting where the database can do that."""

    def database_forwards(self, app_label: str, schema_editor: Any, _from_state: Any, to_state: Any) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        if schema_editor.connection.vendor == "postgresql":
            if not is_finished(schema_editor, self.index.name):
                schema_editor.add_index(model, self.index, concurrently=True)
            return
        with schema_editor.connection.cursor() as cursor:
            known = schema_editor.connection.introspection.get_constraints(cursor, model._meta.db_table)
        if self.index.name not in known:
            schema_editor.add_index(model, self.index)


def is_finished(editor: Any, name: str) -> bool:
    """Whether PostgreSQL has the whole index. What an interrupted migration left of it is dropped."""
    with editor.connection.cursor() as cursor:
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [name])
        found = cursor.fetchone()
    if found and not found[0]:
        editor.execute(f"DROP INDEX CONCURRENTLY {name}")
    return bool(found and found[0])


def name_projects_of_acts(apps: Any, _schema_editor: Any) -> None:
    """Give the acts until now the project of their batch, piece by piece. The moves of batches stay as they are."""
    batch = apps.get_model("batches", "Batch").objects.filter(pk=OuterRef("batch"))
    rest = apps.get_model("batches", "Event").objects.order_by("pk")
    acts = ~Q(act="") | Q(to_status="cancelling") | Q(from_status=F("to_status"))
    while keys := list(rest.values_list("pk", flat=True)[:EVENTS_AT_ONCE]):
        piece = rest.filter(acts, project=None, pk__lte=keys[-1]).order_by()
        piece.update(project=Subquery(batch.values("project")))
        rest = apps.get_model("batches", "Event").objects.filter(pk__gt=keys[-1]).order_by("pk")


def _of_acts(name: str, *fields: str) -> AddIndexMeanwhile:
    return AddIndexMeanwhile("event", models.Index(fields=[*fields, "-created_at", "-id"], name=name, condition=IS_ACT))


def _of_entries(name: str, field: str) -> AddIndexMeanwhile:
    return AddIndexMeanwhile("auditentry", models.Index(fields=[field, "-created_at", "-id"], name=name))


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("batches", "0018_how_providers_stand"),
    ]

    operations = [
        AddIndexMeanwhile(
            "batch",
            models.Index(
                condition=Q(("failed__gt", F("recovered_failed")), ("expired__gt", F("recovered_expired")), _connector="OR"),
                fields=["-created_at", "-id"],
                name="batch_unresolved",
            ),
        ),
        AddIndexMeanwhile(
            "batch",
            models.Index(
                condition=Q(("ended_at__isnull", False), ("parent__isnull", False), ("recoveries_counted", False)),
                fields=["id"],
                name="batch_recoveries_uncounted",
            ),
        ),
        migrations.RunPython(name_projects_of_acts, migrations.RunPython.noop),
        _of_acts("event_acts"),
        _of_acts("event_acts_project", "project"),
        _of_acts("event_acts_actor", "actor"),
        _of_entries("audit_project", "project"),
        _of_entries("audit_actor", "actor"),
    ]
