"""BatchMinute: the counts of one batch in one minute, for charts and estimates."""

from typing import ClassVar

from django.db import models
from uuid_utils.compat import uuid7

from batches.models.batch import Batch


class BatchMinute(models.Model):
    """The counts of the outcomes recorded in a minute.

    `retried` is the number of failed attempts that another attempt followed. The upstream turned `throttled` of them away.
    `latency_ms` is the sum over the settled objects.
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
