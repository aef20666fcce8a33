"""How long a project's things are kept, what may not be removed, and which rows are still to be removed."""

import uuid
from collections.abc import Iterable
from typing import ClassVar

from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from batches.models.batch import Batch
from batches.models.project import Project
from batches.rules import identifiers
from batches.rules.actors import REASON_CHARS


class RetentionKind(models.TextChoices):
    """The kinds of things that have a retention of their own in each project."""

    BODIES = "bodies", "Requests and answers"
    FILES = "files", "Uploaded files"
    RESULTS = "results", "Results"
    BATCHES = "batches", "Batches"
    EVENTS = "events", "Timelines"
    AUDIT = "audit", "Audit entries"
    UPLOADS = "uploads", "Records of uploads"
    DELIVERIES = "deliveries", "Webhook deliveries"

    @property
    def sentence(self) -> str:
        """What goes, and from when the days count."""
        return _SENTENCES[self]


_SENTENCES = {
    RetentionKind.BODIES: "Input and result files of a batch, and its result rows; from the end of the batch.",
    RetentionKind.FILES: "Files that clients uploaded, inputs of batches among them; from their upload.",
    RetentionKind.RESULTS: "Output and error files, and result rows; from the end of the batch.",
    RetentionKind.BATCHES: "Ended batches with everything that is theirs; from their end.",
    RetentionKind.EVENTS: "The timeline of a batch; from the end of the batch.",
    RetentionKind.AUDIT: "Entries of the audit log that no timeline has; from their time.",
    RetentionKind.UPLOADS: "Records of uploads in parts that have ended; from the start of the upload.",
    RetentionKind.DELIVERIES: "Deliveries of webhooks that are over, with what was sent and answered; from their last try.",
}


class RetentionPolicy(models.Model):
    """For how many days a project keeps one kind of things. Without a row, the setting of the portal holds."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="retention_policies")
    kind = models.CharField(max_length=10, choices=RetentionKind.choices)
    days = models.PositiveIntegerField()
    set_by = models.CharField(max_length=200)
    set_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["project", "kind"]
        verbose_name_plural = "retention policies"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "kind"], name="retention_policy_once"),
            models.CheckConstraint(condition=Q(days__gt=0), name="retention_policy_days"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.project}: {self.days} days"


class LegalHoldQuerySet(models.QuerySet["LegalHold"]):
    def active(self) -> "LegalHoldQuerySet":
        """The holds that nobody has released."""
        return self.filter(released_at=None)

    def on(self, project: Project, *, batches: Iterable[uuid.UUID] = ()) -> "LegalHoldQuerySet":
        """The active holds of a project as a whole, and of these of its batches."""
        return self.active().filter(Q(batch=None) | Q(batch__in=[*batches]), project=project)


class LegalHold(models.Model):
    """An order to remove nothing of a project, or of one of its batches. A released hold is kept.

    The database does not enforce `batch`: the record of a released hold outlives the batch.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="legal_holds")
    batch = models.ForeignKey(
        Batch, null=True, blank=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="legal_holds"
    )
    reason = models.CharField(max_length=REASON_CHARS)
    placed_by = models.CharField(max_length=200)
    placed_at = models.DateTimeField()
    released_by = models.CharField(max_length=200, blank=True, default="")
    released_at = models.DateTimeField(null=True, blank=True)
    release_reason = models.CharField(max_length=REASON_CHARS, blank=True, default="")

    objects = LegalHoldQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-placed_at", "-id"]
        indexes: ClassVar = [models.Index(fields=["project"], condition=Q(released_at=None), name="legal_hold_active")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["project"], condition=Q(released_at=None, batch=None), name="legal_hold_of_project_once"
            ),
            models.UniqueConstraint(
                fields=["batch"], condition=Q(released_at=None, batch__isnull=False), name="legal_hold_of_batch_once"
            ),
        ]

    def __str__(self) -> str:
        return f"legal hold of {self.place}"

    @property
    def place(self) -> str:
        """`project acme`, or `batch_…`."""
        return f"project {self.project.slug}" if self.batch_id is None else identifiers.render("batch_", self.batch_id)


class Leftover(models.Model):
    """Rows of a batch that nobody reads any more, and that are deleted piece by piece.

    The row is written in the transaction that makes the batch's rows unread: either the batch is gone, or its answers are
    read from files from then on. `table` and `after_line` say how far the deletion has come, so that it goes on after a kill.
    """

    class Part(models.TextChoices):
        RESULTS = "results"
        EVERYTHING = "everything"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    batch_id = models.UUIDField()  # no foreign key: the batch may be gone
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    part = models.CharField(max_length=10, choices=Part.choices)
    table = models.CharField(max_length=63, blank=True, default="")
    after_line = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["created_at", "id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["batch_id", "part"], name="leftover_once")]

    def __str__(self) -> str:
        return f"{self.part} of {identifiers.render('batch_', self.batch_id)}"
