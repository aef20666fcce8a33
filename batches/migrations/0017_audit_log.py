"""Records have old and new values. The audit log reads acts of a project, or of an actor, through indexes of their own."""

from typing import Any

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F, OuterRef, Q, Subquery

INDEXES = {
    "event": {"event_acts": [], "event_acts_project": ["project"], "event_acts_actor": ["actor"]},
    "auditentry": {"audit_project": ["project"], "audit_actor": ["actor"]},
}


class AddIndexMeanwhile(migrations.AddIndex):
    """Add an index without keeping writers waiting, where the database can do that."""

    def database_forwards(self, app_label: str, schema_editor: Any, _from_state: Any, to_state: Any) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.add_index(model, self.index, concurrently=True)
        else:
            schema_editor.add_index(model, self.index)


def name_projects_of_acts(apps: Any, _schema_editor: Any) -> None:
    """Give the acts until now the project of their batch. Acts are few; the moves of batches stay as they are."""
    batch = apps.get_model("batches", "Batch").objects.filter(pk=OuterRef("batch"))
    acts = ~Q(act="") | Q(to_status="cancelling") | Q(from_status=F("to_status"))
    apps.get_model("batches", "Event").objects.filter(acts, project=None).update(project=Subquery(batch.values("project")))


def added(model: str, name: str, fields: list[str]) -> AddIndexMeanwhile:
    options: dict[str, Any] = {"condition": Q(project__isnull=False)} if model == "event" else {}
    return AddIndexMeanwhile(model, models.Index(fields=[*fields, "-created_at", "-id"], name=name, **options))


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("batches", "0016_search"),
    ]

    operations = [
        migrations.AddField(
            model_name="auditentry",
            name="changes",
            field=models.JSONField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="event",
            name="project",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="batches.project",
            ),
        ),
        migrations.RunPython(name_projects_of_acts, migrations.RunPython.noop),
        *(added(model, name, fields) for model, indexes in INDEXES.items() for name, fields in indexes.items()),
    ]
