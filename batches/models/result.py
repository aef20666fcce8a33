"""BatchResult: the outcome of one round of one object, with the body of the answer."""

from typing import ClassVar

from django.db import models
from uuid_utils.compat import uuid7

from batches.models.batch import Batch
from batches.rules.states import ObjectStatus


class BatchResult(models.Model):
    """The settled outcome of (batch, line, round). A row is inserted once, and changed by erasure alone.

    `body` is the upstream's answer as one line of JSON. It is empty if there was no answer; then `error_code` and
    `error_message` give the reason.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="results", db_index=False, db_constraint=False)
    line = models.PositiveIntegerField()
    round = models.PositiveSmallIntegerField()
    status = models.CharField(max_length=9, choices=ObjectStatus.choices)
    attempts = models.PositiveSmallIntegerField()
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    latency_ms = models.PositiveIntegerField(null=True, blank=True)
    input_tokens = models.PositiveIntegerField(null=True, blank=True)
    output_tokens = models.PositiveIntegerField(null=True, blank=True)
    cached_tokens = models.PositiveIntegerField(null=True, blank=True)
    reasoning_tokens = models.PositiveIntegerField(null=True, blank=True)
    other_tokens = models.IntegerField(null=True, blank=True, help_text="Of which only the sum is known.")
    cost_nanos = models.PositiveBigIntegerField(null=True, blank=True)
    kind = models.CharField(max_length=32, blank=True, db_default="")
    retry_after = models.FloatField(null=True, blank=True)
    request_id = models.CharField(max_length=200, blank=True)
    error_code = models.CharField(max_length=100, blank=True)
    error_message = models.TextField(blank=True)
    body = models.TextField(blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["batch", "line", "round"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["batch", "line", "round"], name="result_once")]

    def __str__(self) -> str:
        return f"line {self.line}, round {self.round}"
