"""BatchMinute: what went on in one batch in one minute, for charts and estimates."""

from typing import ClassVar

from django.db import models
from uuid_utils.compat import uuid7

from batches.models.batch import Batch


class BatchMinute(models.Model):
    """Counts of what was recorded in a minute.

    `retried` are failed attempts that another followed, `throttled` those of them that the upstream turned away;
    `latency_ms` is the sum over the objects that settled.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="minutes", db_index=False, db_constraint=False)
    minute = models.DateTimeField()
    succeeded = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    retried = models.PositiveIntegerField(default=0)
    throttled = models.PositiveIntegerField(default=0)
    latency_ms = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["batch", "minute"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["batch", "minute"], name="batch_minute_once")]
        indexes: ClassVar = [models.Index(fields=["minute"], name="batch_minute")]

    def __str__(self) -> str:
        return f"{self.succeeded + self.failed} objects at {self.minute}"
