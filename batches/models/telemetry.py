"""MetricTotal: one counter over all processes; and ProcessReport: what a process last told about itself."""

from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models
from uuid_utils.compat import uuid7

REPORTS_FOR = timedelta(seconds=60)  # a process that has told nothing for so long is idle or gone


class MetricTotal(models.Model):
    """A counter that only grows. Processes add what they have counted since they last did.

    `labels` is a JSON list of the values of its labels, in the order of their names in `services.telemetry.catalogue`. The last
    value of a histogram's row is the upper bound of its bucket, or `sum`.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=64)
    labels = models.CharField(max_length=200)
    total = models.FloatField()

    class Meta:
        ordering: ClassVar = ["name", "labels"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["name", "labels"], name="metric_total_once")]

    def __str__(self) -> str:
        return f"{self.name} {self.labels}"


class ProcessReportQuerySet(models.QuerySet["ProcessReport"]):
    def lately(self, *, now: datetime) -> "ProcessReportQuerySet":
        """The processes that have told about themselves within REPORTS_FOR."""
        return self.filter(seen_at__gt=now - REPORTS_FOR)


class ProcessReport(models.Model):
    """The memory, files and database connections of one process, as it told them at `seen_at`.

    `process` is unique among all machines and containers. Only processes that share connections to PostgreSQL, which web
    processes do, have the two numbers of connections.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    process = models.CharField(max_length=200, unique=True)
    name = models.CharField(max_length=200, help_text="Host and process.")
    role = models.CharField(max_length=16)
    seen_at = models.DateTimeField()
    resident_bytes = models.PositiveBigIntegerField(default=0, db_default=0)
    open_files = models.PositiveIntegerField(default=0, db_default=0)
    most_files = models.PositiveBigIntegerField(default=0, db_default=0)
    connections_in_use = models.PositiveIntegerField(null=True, blank=True)
    most_connections = models.PositiveIntegerField(null=True, blank=True)

    objects = ProcessReportQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["role", "name"]

    def __str__(self) -> str:
        return f"{self.role} {self.name}"
