"""Indexes of the slices that provider jobs carry out, and of those beside them. They are built while the portal goes on."""

from importlib import import_module

from django.db import migrations, models
from django.db.models import Q

AddIndexMeanwhile = import_module("batches.migrations.0019_indexes_of_acts_and_recoveries").AddIndexMeanwhile


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("batches", "0020_provider_jobs"),
    ]

    operations = [
        AddIndexMeanwhile(
            "slice",
            models.Index(fields=["batch", "first_line"], condition=Q(pending__gt=0, provider_job=None), name="slice_free"),
        ),
        AddIndexMeanwhile(
            "slice",
            models.Index(fields=["provider_job"], condition=Q(provider_job__isnull=False), name="slice_delegated"),
        ),
    ]
