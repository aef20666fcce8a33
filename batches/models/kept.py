"""Kept: what is no longer there of an ended batch, and since when."""

from typing import ClassVar

from django.db import models
from django.db.models import Q


class Kept(models.Model):
    """A batch of which retention has removed parts. `services.upkeep` writes these columns."""

    archived_at = models.DateTimeField(null=True, blank=True, help_text="When its result files were removed.")
    results_pruned_at = models.DateTimeField(null=True, blank=True, help_text="From then on, answers are read from its files.")
    bodies_pruned_at = models.DateTimeField(null=True, blank=True, help_text="When its requests and answers were let go.")
    events_pruned_at = models.DateTimeField(null=True, blank=True, help_text="When its timeline was removed.")

    class Meta:
        abstract: ClassVar = True


# Each index has the ended batches of which that part is still kept.
KEPT_INDEXES = (
    models.Index(fields=["ended_at"], condition=Q(ended_at__isnull=False, results_pruned_at=None), name="batch_results_kept"),
    models.Index(
        fields=["project", "ended_at"], condition=Q(ended_at__isnull=False, bodies_pruned_at=None), name="batch_bodies_kept"
    ),
    models.Index(
        fields=["project", "ended_at"], condition=Q(ended_at__isnull=False, events_pruned_at=None), name="batch_events_kept"
    ),
)
