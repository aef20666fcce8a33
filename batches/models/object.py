"""BatchObject: one request of a batch. A narrow, hot row: no body, no offset."""

from typing import ClassVar
from uuid import UUID

from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from batches.models.batch import Batch
from batches.rules.states import ObjectStatus

LAST_LINE = 2**31 - 1  # the greatest line number
INVALID_LINE = "invalid_line"  # the kind of failure of an object that was never sent, because its line is invalid
ERASED = "erased"  # in place of the kind of failure, of an object whose request was erased: it cannot be sent again


def unnamed(line: int, pk: UUID) -> str:
    """A substitute for a custom_id that cannot be read or is already taken. No client can choose the same text."""
    return f"line {line} ({pk.hex})"


class BatchObject(models.Model):
    """One request, known by its line (from 1) and its `custom_id`. Its body is in the input file.

    `round` counts how many times the object was deliberately sent; a round may have several attempts. The columns after
    `status` describe the attempt that settled the object. No index has a column that settling changes, so that PostgreSQL
    can update rows in place. The foreign key is not checked row by row, because only `validate` inserts objects.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="batch_objects", db_index=False, db_constraint=False)
    line = models.PositiveIntegerField()
    custom_id = models.CharField(max_length=512)
    status = models.CharField(max_length=9, choices=ObjectStatus.choices, default=ObjectStatus.PENDING)
    round = models.PositiveSmallIntegerField(default=1)
    attempts = models.PositiveSmallIntegerField(default=0)
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    latency_ms = models.PositiveIntegerField(null=True, blank=True)
    input_tokens = models.PositiveIntegerField(null=True, blank=True)
    output_tokens = models.PositiveIntegerField(null=True, blank=True)
    cached_tokens = models.PositiveIntegerField(null=True, blank=True)
    reasoning_tokens = models.PositiveIntegerField(null=True, blank=True)
    other_tokens = models.IntegerField(null=True, blank=True, help_text="Of which only the sum is known.")
    cost_nanos = models.PositiveBigIntegerField(null=True, blank=True, help_text="In billionths of the portal's currency.")
    kind = models.CharField(max_length=32, blank=True, db_default="", help_text="Of failure.")
    retry_after = models.FloatField(null=True, blank=True, help_text="Seconds the upstream asked to wait.")
    request_id = models.CharField(max_length=200, blank=True, help_text="The upstream's id of the request.")
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["batch", "line"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["batch", "line"], name="object_line_once"),
            models.UniqueConstraint(fields=["batch", "custom_id"], name="object_custom_id_once"),
            models.CheckConstraint(condition=Q(status__in=ObjectStatus.values), name="object_status_known"),
            models.CheckConstraint(
                condition=Q(status=ObjectStatus.PENDING, settled_at=None)
                | (~Q(status=ObjectStatus.PENDING) & Q(settled_at__isnull=False)),
                name="object_settled_iff_not_pending",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["custom_id"], name="object_custom_id"),  # "in which batch was it?"
        ]

    def __str__(self) -> str:
        return self.custom_id

    @property
    def is_retrying(self) -> bool:
        """Whether the object failed before, and waits to be sent again."""
        return self.status == ObjectStatus.PENDING and self.round > 1
