"""BulkOperation: one act on many batches, the choice of these batches, and the outcome for each of them."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from uuid_utils.compat import uuid7

from batches.models.batch import Batch
from batches.models.lease import Leased
from batches.rules.actors import REASON_CHARS


class BulkAct(models.TextChoices):
    """An act that can be done to many batches at once."""

    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry", "retry failed"
    REPRIORITISE = "reprioritise"
    REROUTE = "reroute", "move"


class BulkOperation(Leased):
    """An operation, which Celery runs item by item.

    `token` makes a double click one operation. `created_before` keeps batches out that were created after the preview.
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        RUNNING = "running"
        DONE = "done"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="bulk_operations")
    actor = models.CharField(max_length=200)
    source = models.CharField(max_length=10)
    act = models.CharField(max_length=16, choices=BulkAct.choices)
    parameters = models.JSONField(default=dict, blank=True)
    query = models.CharField(max_length=2000, blank=True, help_text="The filter that chose them; empty: chosen one by one.")
    reason = models.CharField(max_length=REASON_CHARS)
    token = models.UUIDField(unique=True, default=uuid.uuid4)
    created_before = models.DateTimeField()
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.PENDING)
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    retry_of = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="retries")
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        indexes: ClassVar = [models.Index(fields=["-created_at", "-id"], name="bulk_list")]

    def __str__(self) -> str:
        return f"{self.get_act_display()} {self.total} batches"

    @property
    def left(self) -> int:
        """How many batches the operation has not acted on yet."""
        return self.total - self.done - self.skipped - self.failed


class BulkItem(models.Model):
    """One batch of an operation, and its outcome. `note` says why it was skipped or failed, or names the result of the act."""

    class Status(models.TextChoices):
        PENDING = "pending"
        DONE = "done"
        SKIPPED = "skipped"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    operation = models.ForeignKey(BulkOperation, on_delete=models.CASCADE, related_name="items", db_index=False)
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="+")
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.PENDING)
    note = models.CharField(max_length=500, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["operation", "id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["operation", "batch"], name="bulk_item_once")]
        indexes: ClassVar = [models.Index(fields=["operation", "status", "id"], name="bulk_item_todo")]

    def __str__(self) -> str:
        return f"{self.batch}: {self.status}"
