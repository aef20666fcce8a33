"""Retention by project, legal holds, erasures, and rows that are removed piece by piece."""

import django.db.models.deletion
import uuid_utils.compat
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("batches", "0023_telemetry"),
        ("providers", "0007_region_of_batch_apis"),
    ]

    operations = [
        migrations.CreateModel(
            name="Erasure",
            fields=[
                ("lease_owner", models.UUIDField(blank=True, editable=False, null=True)),
                ("lease_epoch", models.PositiveIntegerField(default=0, editable=False)),
                ("lease_expires_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ("kind", models.CharField(choices=[("custom_id", "Custom Id"), ("metadata", "metadata pair")], max_length=9)),
                ("sealed", models.BinaryField(blank=True, default=b"")),
                ("salt", models.CharField(editable=False, max_length=32)),
                ("digest", models.CharField(help_text="SHA-256 of the salt and the value.", max_length=64)),
                ("reason", models.CharField(max_length=500)),
                ("asked_by", models.CharField(max_length=200)),
                ("asked_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("erased", models.JSONField(blank=True, default=dict)),
                ("left", models.JSONField(blank=True, default=list)),
                ("batches", models.JSONField(blank=True, default=list, help_text="The batches that had the value.")),
                ("replaced", models.JSONField(blank=True, default=list, editable=False)),
                ("file_id_done", models.UUIDField(editable=False, null=True)),
            ],
            options={
                "ordering": ["-asked_at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="Leftover",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ("batch_id", models.UUIDField()),
                ("part", models.CharField(choices=[("results", "Results"), ("everything", "Everything")], max_length=10)),
                ("table", models.CharField(blank=True, default="", max_length=63)),
                ("after_line", models.PositiveIntegerField(default=0)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["created_at", "id"],
            },
        ),
        migrations.CreateModel(
            name="LegalHold",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ("reason", models.CharField(max_length=500)),
                ("placed_by", models.CharField(max_length=200)),
                ("placed_at", models.DateTimeField()),
                ("released_by", models.CharField(blank=True, default="", max_length=200)),
                ("released_at", models.DateTimeField(blank=True, null=True)),
                ("release_reason", models.CharField(blank=True, default="", max_length=500)),
            ],
            options={
                "ordering": ["-placed_at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="RetentionPolicy",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("bodies", "Requests and answers"),
                            ("files", "Uploaded files"),
                            ("results", "Results"),
                            ("batches", "Batches"),
                            ("events", "Timelines"),
                            ("audit", "Audit entries"),
                            ("uploads", "Records of uploads"),
                        ],
                        max_length=10,
                    ),
                ),
                ("days", models.PositiveIntegerField()),
                ("set_by", models.CharField(max_length=200)),
                ("set_at", models.DateTimeField()),
            ],
            options={
                "verbose_name_plural": "retention policies",
                "ordering": ["project", "kind"],
            },
        ),
        migrations.AddField(
            model_name="batch",
            name="bodies_pruned_at",
            field=models.DateTimeField(blank=True, help_text="When its requests and answers were let go.", null=True),
        ),
        migrations.AddField(
            model_name="batch",
            name="events_pruned_at",
            field=models.DateTimeField(blank=True, help_text="When its timeline was removed.", null=True),
        ),
        migrations.AlterField(
            model_name="batch",
            name="archived_at",
            field=models.DateTimeField(blank=True, help_text="When its result files were removed.", null=True),
        ),
        migrations.AddField(
            model_name="erasure",
            name="project",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="erasures", to="batches.project"),
        ),
        migrations.AddField(
            model_name="leftover",
            name="project",
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="batches.project"),
        ),
        migrations.AddField(
            model_name="legalhold",
            name="batch",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="legal_holds",
                to="batches.batch",
            ),
        ),
        migrations.AddField(
            model_name="legalhold",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="legal_holds", to="batches.project"
            ),
        ),
        migrations.AddField(
            model_name="retentionpolicy",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="retention_policies", to="batches.project"
            ),
        ),
        migrations.AddIndex(
            model_name="erasure",
            index=models.Index(condition=models.Q(("ended_at", None)), fields=["asked_at"], name="erasure_running"),
        ),
        migrations.AddIndex(
            model_name="erasure",
            index=models.Index(fields=["project", "-asked_at"], name="erasure_list"),
        ),
        migrations.AddConstraint(
            model_name="leftover",
            constraint=models.UniqueConstraint(fields=("batch_id", "part"), name="leftover_once"),
        ),
        migrations.AddIndex(
            model_name="legalhold",
            index=models.Index(condition=models.Q(("released_at", None)), fields=["project"], name="legal_hold_active"),
        ),
        migrations.AddConstraint(
            model_name="legalhold",
            constraint=models.UniqueConstraint(
                condition=models.Q(("batch", None), ("released_at", None)), fields=("project",), name="legal_hold_of_project_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="legalhold",
            constraint=models.UniqueConstraint(
                condition=models.Q(("batch__isnull", False), ("released_at", None)),
                fields=("batch",),
                name="legal_hold_of_batch_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="retentionpolicy",
            constraint=models.UniqueConstraint(fields=("project", "kind"), name="retention_policy_once"),
        ),
        migrations.AddConstraint(
            model_name="retentionpolicy",
            constraint=models.CheckConstraint(condition=models.Q(("days__gt", 0)), name="retention_policy_days"),
        ),
    ]
