"""BatchError: one reason why a batch or one of its objects failed."""

from typing import ClassVar

from django.db import models
from uuid_utils.compat import uuid7

from batches.models.batch import Batch
from batches.rules import fingerprints


class BatchError(models.Model):
    """A reason in the words of the contract (`code`, `message`, `param`, `line`) and in those of the portal.

    `round` is empty for an error of the input, found by validation. `line` and `round` are both empty for an error of the
    batch as a whole. `kind` is a `providers.failures.Kind`. `source` is the party that has to act. `fingerprint` is the same
    for errors that differ only in ids, numbers and quoted text.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="errors", db_index=False, db_constraint=False)
    line = models.PositiveIntegerField(null=True, blank=True)
    round = models.PositiveSmallIntegerField(null=True, blank=True)
    code = models.CharField(max_length=100)
    message = models.CharField(max_length=2000)
    param = models.CharField(max_length=200, blank=True)
    kind = models.CharField(max_length=32, blank=True)
    source = models.CharField(max_length=10, blank=True)
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    fingerprint = models.CharField(max_length=fingerprints.CHARS)
    retried_at = models.DateTimeField(null=True, blank=True, help_text="When its object was sent for again.")
    created_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["batch", "line", "id"]
        indexes: ClassVar = [models.Index(fields=["batch", "fingerprint", "line"], name="error_group")]

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"
