"""Indexes for slices that executors may send beside those at a batch API, and for the work on thousands of provider jobs.

They are built while the portal goes on.
"""

from importlib import import_module

from django.db import migrations, models
from django.db.models import Q

AddIndexMeanwhile = import_module("batches.migrations.0019_indexes_of_acts_and_recoveries").AddIndexMeanwhile

OPEN_JOBS = frozenset({"preparing", "sending", "uncertain", "running", "collecting"})


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("batches", "0021_index_of_delegated_slices"),
    ]

    operations = [
        AddIndexMeanwhile(
            "slice",
            models.Index(fields=["batch", "first_line"], condition=Q(pending__gt=0, provider_job=None), name="slice_free"),
        ),
        AddIndexMeanwhile(
            "providerjob",
            models.Index(
                fields=["poll_at"], condition=Q(poll_at__isnull=False) & ~Q(state="preparing"), name="provider_job_begun"
            ),
        ),
        AddIndexMeanwhile(
            "providerjob",
            models.Index(fields=["batch"], condition=Q(state__in=OPEN_JOBS, recall=""), name="provider_job_unrecalled"),
        ),
        AddIndexMeanwhile(
            "providerjob",
            models.Index(fields=["recall"], condition=Q(state__in=OPEN_JOBS) & ~Q(recall=""), name="provider_job_recalled"),
        ),
    ]
