"""Error groups: failures that differ only in ids, numbers and quoted text. Each failure is counted when it is recorded."""

from typing import ClassVar

from django.db import models
from uuid_utils.compat import uuid7

from batches.models.batch import Batch
from batches.models.project import Project
from batches.rules import fingerprints

GROUP_NOTE_CHARS = 2000


class ErrorGroup(models.Model):
    """The common properties of a project's failures with one fingerprint. In `message` the variable parts are replaced."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="error_groups")
    fingerprint = models.CharField(max_length=fingerprints.CHARS)
    provider = models.CharField(max_length=64, blank=True)
    source = models.CharField(max_length=10)
    kind = models.CharField(max_length=32, blank=True)
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    code = models.CharField(max_length=100)
    message = models.CharField(max_length=500)
    sample = models.CharField(max_length=2000, help_text="The first message, as it came.")
    first_seen = models.DateTimeField()
    note = models.CharField(max_length=GROUP_NOTE_CHARS, blank=True)
    noted_by = models.CharField(max_length=200, blank=True)
    muted_at = models.DateTimeField(null=True, blank=True)
    muted_by = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering: ClassVar = ["-first_seen"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["project", "fingerprint"], name="error_group_once")]
        indexes: ClassVar = [models.Index(fields=["fingerprint"], name="error_group_fingerprint")]

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class BatchErrorGroup(models.Model):
    """An error group within one batch. `count` is the number of its failed objects that were not sent again in the batch.

    `recovered` is how many of these succeeded in a retry (`services.tally.recoveries`).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="error_groups", db_index=False, db_constraint=False)
    group = models.ForeignKey(ErrorGroup, on_delete=models.CASCADE, related_name="in_batches", db_index=False)
    count = models.PositiveIntegerField()
    recovered = models.PositiveIntegerField(default=0, db_default=0)
    first_line = models.PositiveIntegerField(null=True, blank=True)
    last_line = models.PositiveIntegerField(null=True, blank=True)
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["batch", "-count"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["batch", "group"], name="batch_error_group_once")]
        indexes: ClassVar = [models.Index(fields=["group", "-last_seen"], name="batch_error_group_recent")]

    def __str__(self) -> str:
        return f"{self.count} times {self.group}"


class ErrorGroupHour(models.Model):
    """The number of failures of an error group in one hour, over all batches."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    group = models.ForeignKey(ErrorGroup, on_delete=models.CASCADE, related_name="hours", db_index=False)
    hour = models.DateTimeField()
    count = models.PositiveIntegerField()

    class Meta:
        ordering: ClassVar = ["group", "hour"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["group", "hour"], name="error_group_hour_once")]
        indexes: ClassVar = [models.Index(fields=["hour"], name="error_group_hour")]

    def __str__(self) -> str:
        return f"{self.count} at {self.hour}"
