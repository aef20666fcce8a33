"""Counters over all processes, and what each process tells about itself. Both tables stay small."""

import uuid_utils.compat
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("batches", "0022_webhooks"),
    ]

    operations = [
        migrations.CreateModel(
            name="ProcessReport",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ("process", models.CharField(max_length=200, unique=True)),
                ("name", models.CharField(help_text="Host and process.", max_length=200)),
                ("role", models.CharField(max_length=16)),
                ("seen_at", models.DateTimeField()),
                ("resident_bytes", models.PositiveBigIntegerField(db_default=0, default=0)),
                ("open_files", models.PositiveIntegerField(db_default=0, default=0)),
                ("most_files", models.PositiveBigIntegerField(db_default=0, default=0)),
                ("connections_in_use", models.PositiveIntegerField(blank=True, null=True)),
                ("most_connections", models.PositiveIntegerField(blank=True, null=True)),
            ],
            options={
                "ordering": ["role", "name"],
            },
        ),
        migrations.CreateModel(
            name="MetricTotal",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=64)),
                ("labels", models.CharField(max_length=200)),
                ("total", models.FloatField()),
            ],
            options={
                "ordering": ["name", "labels"],
                "constraints": [models.UniqueConstraint(fields=("name", "labels"), name="metric_total_once")],
            },
        ),
    ]
