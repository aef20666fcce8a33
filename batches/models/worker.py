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


class Worker(models.Model):
    """A control process, or one run of an executor; its row goes when it ends well, and grows old when it dies."""

    class Role(models.TextChoices):
        CONTROL = "control"
        EXECUTE = "execute"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    role = models.CharField(max_length=8, choices=Role.choices)
    name = models.CharField(max_length=200, help_text="Host and process.")
    in_flight = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    objects = WorkerQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["role", "name"]

    def __str__(self) -> str:
        return f"{self.role} {self.name}"
