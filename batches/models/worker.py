"""Worker: a process that is alive, as far as its heartbeat tells."""

from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models
from uuid_utils.compat import uuid7

ALIVE_FOR = timedelta(seconds=15)


class WorkerQuerySet(models.QuerySet["Worker"]):
    def alive(self, *, now: datetime) -> "WorkerQuerySet":
        return self.filter(seen_at__gt=now - ALIVE_FOR)

    def executors(self) -> "WorkerQuerySet":
        return self.filter(role=Worker.Role.EXECUTE)

    def seated(self) -> "WorkerQuerySet":
        """The executors with a seat."""
        return self.filter(seat__isnull=False)


class Worker(models.Model):
    """A control process, or one run of an executor. The row is deleted when the worker ends in order, and expires if it dies.

    An executor that takes up work has one of EXECUTORS seats. An executor that only waits for its requests in flight has no
    `seat`. `process` is unique to its process, also among other machines and containers.
    """

    class Role(models.TextChoices):
        CONTROL = "control"
        EXECUTE = "execute"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    role = models.CharField(max_length=8, choices=Role.choices)
    name = models.CharField(max_length=200, help_text="Host and process.")
    process = models.CharField(max_length=200, blank=True, default="", db_default="", editable=False)
    seat = models.PositiveSmallIntegerField(null=True, blank=True, editable=False)
    trouble = models.CharField(
        max_length=300, blank=True, default="", db_default="", help_text="Why it cannot carry out some of the batches."
    )
    in_flight = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    objects = WorkerQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["role", "name"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["seat"], name="worker_seat_once")]

    def __str__(self) -> str:
        return f"{self.role} {self.name}"
