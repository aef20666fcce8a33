"""Erasure: the removal of a custom_id or of a metadata pair from everything that a project keeps, and the receipt for it."""

import hashlib
import hmac
from typing import ClassVar

from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from batches.models.lease import Leased
from batches.models.project import Project
from batches.rules.actors import REASON_CHARS


class Erasure(Leased):
    """One erasure. While it runs, the value is here encrypted; afterwards there is only a salted digest of it.

    `erased` counts what was erased, by place. `left` names what could not be erased, with the reason. `replaced` has the names
    of bytes in the storage that were replaced and are still to be deleted. `file_id_done` is the last file that was searched,
    so that a killed erasure goes on where it was.
    """

    class Kind(models.TextChoices):
        CUSTOM_ID = "custom_id"
        METADATA = "metadata", "metadata pair"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="erasures")
    kind = models.CharField(max_length=9, choices=Kind.choices)
    sealed = models.BinaryField(blank=True, default=b"", editable=False)
    salt = models.CharField(max_length=32, editable=False)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the salt and the value.")
    reason = models.CharField(max_length=REASON_CHARS)
    asked_by = models.CharField(max_length=200)
    asked_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    erased = models.JSONField(default=dict, blank=True)
    left = models.JSONField(default=list, blank=True)
    batches = models.JSONField(default=list, blank=True, help_text="The batches that had the value.")
    replaced = models.JSONField(default=list, blank=True, editable=False)
    file_id_done = models.UUIDField(null=True, editable=False)

    class Meta:
        ordering: ClassVar = ["-asked_at", "-id"]
        indexes: ClassVar = [
            models.Index(fields=["asked_at"], condition=Q(ended_at=None), name="erasure_running"),
            models.Index(fields=["project", "-asked_at"], name="erasure_list"),
        ]

    def __str__(self) -> str:
        return f"erasure_{self.id.hex}"

    def is_of(self, value: str) -> bool:
        """Whether this erasure was of that value. A metadata pair is `key=value`."""
        return hmac.compare_digest(self.digest, digest_of(value, salt=self.salt))


def digest_of(value: str, *, salt: str) -> str:
    """The digest that stands for a value in a receipt."""
    return hashlib.sha256(f"{salt}:{value}".encode()).hexdigest()
