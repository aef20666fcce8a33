"""Indexes of ended batches by what is still kept of them, and of uploads that are over. None locks its table meanwhile."""

from importlib import import_module

from django.db import migrations, models
from django.db.models import Q

AddIndexMeanwhile = import_module("batches.migrations.0019_indexes_of_acts_and_recoveries").AddIndexMeanwhile


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("batches", "0024_retention"),
    ]

    operations = [
        AddIndexMeanwhile(
            "batch",
            models.Index(
                fields=["project", "ended_at"],
                condition=Q(ended_at__isnull=False, bodies_pruned_at=None),
                name="batch_bodies_kept",
            ),
        ),
        AddIndexMeanwhile(
            "batch",
            models.Index(
                fields=["project", "ended_at"],
                condition=Q(ended_at__isnull=False, events_pruned_at=None),
                name="batch_events_kept",
            ),
        ),
        AddIndexMeanwhile(
            "upload",
            models.Index(fields=["project", "created_at"], condition=~Q(status="pending"), name="upload_over"),
        ),
    ]
