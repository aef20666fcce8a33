"""File: bytes that a client uploaded, or that a batch wrote."""

from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from batches.models.api_key import ApiKey
from batches.models.project import Project
from batches.rules import identifiers

REMOVAL_PAUSE = timedelta(hours=1)  # how long after a refusal the storage is asked again to delete bytes


class Purpose(models.TextChoices):
    """The purpose of a file."""

    BATCH = "batch"
    BATCH_OUTPUT = "batch_output"
    ASSISTANTS = "assistants"
    FINE_TUNE = "fine-tune"
    VISION = "vision"
    USER_DATA = "user_data"
    EVALS = "evals"


def storage_name(file: "File", _filename: str) -> str:
    """The name of a file's bytes in the storage. It never has a name that a client chose."""
    return f"{file.project_id.hex}/{file.id.hex[:6]}/{file.id.hex}"


class FileQuerySet(models.QuerySet["File"]):
    def visible(self, *, project: Project, now: datetime) -> "FileQuerySet":
        """The files that the project's clients can see: neither deleted nor expired."""
        return self.filter(project=project).readable(now=now)

    def readable(self, *, now: datetime) -> "FileQuerySet":
        """The files that are neither deleted nor expired."""
        return self.filter(deleted_at=None).filter(Q(expires_at=None) | Q(expires_at__gt=now))

    def hidden(self, *, now: datetime) -> "FileQuerySet":
        """The deleted or expired files whose bytes are still kept."""
        return self.filter(purged_at=None).filter(Q(deleted_at__isnull=False) | Q(expires_at__lte=now))

    def removable(self, *, now: datetime) -> "FileQuerySet":
        """The files whose deletion the storage has not refused within REMOVAL_PAUSE."""
        return self.filter(Q(removal_failed_at=None) | Q(removal_failed_at__lte=now - REMOVAL_PAUSE))


class File(models.Model):
    """One file in Django's file storage. Hidden at once when deleted or expired; its bytes go when nothing reads them."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="files")
    purpose = models.CharField(max_length=20, choices=Purpose.choices)
    filename = models.CharField(max_length=255)
    bytes = models.PositiveBigIntegerField()
    content = models.FileField(upload_to=storage_name, max_length=200)
    created_by_key = models.ForeignKey(ApiKey, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    purged_at = models.DateTimeField(null=True, blank=True)
    is_draft = models.BooleanField(default=False, db_default=False)  # uploaded to be checked; no batch has it yet
    removal_failed_at = models.DateTimeField(
        "refused removal", null=True, blank=True, help_text="When the storage last refused to delete its bytes."
    )

    objects = FileQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        indexes: ClassVar = [
            models.Index(fields=["project", "-created_at", "-id"], name="file_list"),
            models.Index(fields=["expires_at"], condition=Q(purged_at=None), name="file_expiry"),
            models.Index(fields=["purged_at"], condition=Q(purged_at__isnull=False), name="file_purged"),
            models.Index(fields=["project", "bytes"], condition=Q(purged_at=None), name="file_stored"),
        ]

    def __str__(self) -> str:
        return identifiers.render("file-", self.id)

    def is_readable(self, *, now: datetime) -> bool:
        """Whether the bytes may be read: the file is neither deleted nor expired, and its bytes are kept."""
        expired = self.expires_at is not None and self.expires_at <= now
        return self.deleted_at is None and self.purged_at is None and not expired
