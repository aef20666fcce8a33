"""IdempotencyRecord: the record of a create call, by which a repeated call makes no second batch."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from batches.models.api_key import ApiKey
from batches.models.batch import Batch


class IdempotencyRecord(models.Model):
    """One create call: its key, its path, the digest of its body, its Idempotency-Key if any, and its batch.

    `batch` is empty until the call has made it. A call that makes something else, such as an erasure, has the id in `made_id`.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="+", db_index=False)
    path = models.CharField(max_length=200)
    token = models.CharField(max_length=255, blank=True, help_text="The Idempotency-Key header.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of what tells the call from others.")
    batch = models.ForeignKey(Batch, null=True, on_delete=models.CASCADE, related_name="+")
    made_id = models.UUIDField(null=True, help_text="What the call made, if it is no batch.")
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["api_key", "path", "token"], condition=~Q(token=""), name="idempotency_key_once")
        ]
        indexes: ClassVar = [models.Index(fields=["api_key", "digest", "-created_at"], name="idempotency_retry")]

    def __str__(self) -> str:
        return f"{self.path} {self.token or self.digest[:12]}"

    @property
    def is_finished(self) -> bool:
        """Whether the call has made what it was to make."""
        return self.batch_id is not None or self.made_id is not None
