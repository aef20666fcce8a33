"""Attempt: the ledger of attempts that did not settle their object."""

from typing import ClassVar

from django.db import models
from uuid_utils.compat import uuid7

from batches.models.batch import Batch


class Attempt(models.Model):
    """A failed attempt that was, or will be, followed by another. The one that settled an object is columns of its row.

    `answered` tells whether the upstream answered: the next attempt after an answer gets a new idempotency key.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="attempts", db_index=False, db_constraint=False)
    line = models.PositiveIntegerField()
    round = models.PositiveSmallIntegerField()
    number = models.PositiveSmallIntegerField(help_text="From 1, within the round.")
    kind = models.CharField(max_length=32)
    answered = models.BooleanField()
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    code = models.CharField(max_length=100, blank=True)
    message = models.CharField(max_length=2000, blank=True)
    request_id = models.CharField(max_length=200, blank=True)
    latency_ms = models.PositiveIntegerField()
    retry_after = models.FloatField(null=True, blank=True, help_text="Seconds the upstream asked to wait.")
    retry_at = models.DateTimeField(help_text="When the next attempt may start.")
    counted = models.BooleanField(default=True, db_default=True, help_text="Whether it counts against MAX_ATTEMPTS.")
    created_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["batch", "line", "round", "number"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["batch", "line", "round", "number"], name="attempt_once")]

    def __str__(self) -> str:
        return f"line {self.line}, round {self.round}, attempt {self.number}: {self.kind}"
