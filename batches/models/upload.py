"""Upload: a file that arrives in parts."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from batches.models.api_key import ApiKey
from batches.models.file import File
from batches.models.project import Project


class UploadStatus(models.TextChoices):
    """The status of an upload. Only a `pending` upload takes parts."""

    PENDING = "pending"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Upload(models.Model):
    """A promise of `bytes` bytes, which are sent in parts and then joined to a File."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="uploads")
    created_by_key = models.ForeignKey(ApiKey, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    filename = models.CharField(max_length=255)
    mime_type = models.CharField(max_length=255)
    purpose = models.CharField(max_length=20)
    bytes = models.PositiveBigIntegerField()
    file_lifetime_seconds = models.PositiveIntegerField(null=True, blank=True)
    status = models.CharField(max_length=10, choices=UploadStatus.choices, default=UploadStatus.PENDING)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    file = models.OneToOneField(File, null=True, blank=True, on_delete=models.SET_NULL, related_name="upload")

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        indexes: ClassVar = [
            models.Index(fields=["project", "bytes"], condition=Q(status=UploadStatus.PENDING), name="upload_promised"),
            models.Index(fields=["project", "created_at"], condition=~Q(status=UploadStatus.PENDING), name="upload_over"),
        ]

    def __str__(self) -> str:
        return f"upload_{self.id.hex}"


def part_storage_name(part: "UploadPart", _filename: str) -> str:
    return f"parts/{part.upload_id.hex}/{part.id.hex}"


class UploadPart(models.Model):
    """A part of an upload's bytes. The client gives the order of parts when it completes the upload."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="parts")
    bytes = models.PositiveBigIntegerField()
    content = models.FileField(upload_to=part_storage_name, max_length=200)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"part_{self.id.hex}"
