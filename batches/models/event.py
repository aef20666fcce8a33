"""Event: an entry of a batch's timeline, with its time and its actor."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from batches.models.batch import Batch
from batches.models.bulk_operation import BulkOperation
from batches.models.project import Project
from batches.rules.states import Act, BatchStatus, Source

NOTE_CHARS = 1000


class Event(models.Model):
    """One entry of a batch's timeline; `from_status` is empty on its creation, and equal to `to_status` on an `act`.

    `operation` is the bulk operation that the entry is a part of. The database does not enforce it, so that this large table
    needs neither an index nor a look at every row for it.

    An event that tells of an act, and not only of a move, has the `project` of its batch. Such events are few, and their
    indexes serve the audit log.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="events", db_index=False)
    project = models.ForeignKey(
        Project, null=True, on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False, editable=False
    )
    from_status = models.CharField(max_length=12, choices=BatchStatus.choices, blank=True)
    to_status = models.CharField(max_length=12, choices=BatchStatus.choices)
    act = models.CharField(max_length=16, choices=Act.choices, blank=True, help_text="What was done besides a move.")
    version = models.PositiveIntegerField()
    actor = models.CharField(max_length=200)
    source = models.CharField(max_length=10, choices=Source.choices)
    note = models.CharField(max_length=NOTE_CHARS, blank=True)
    operation = models.ForeignKey(
        BulkOperation, null=True, blank=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["created_at", "id"]
        indexes: ClassVar = [
            models.Index(fields=["batch", "created_at", "id"], name="event_timeline"),
            models.Index(fields=["-created_at", "-id"], name="event_acts", condition=Q(project__isnull=False)),
            models.Index(fields=["project", "-created_at", "-id"], name="event_acts_project", condition=Q(project__isnull=False)),
            models.Index(fields=["actor", "-created_at", "-id"], name="event_acts_actor", condition=Q(project__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.from_status or 'new'} → {self.to_status}"
