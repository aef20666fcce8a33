"""ApiKey: how an internal service proves who it is."""

import hashlib
import hmac
import secrets
from datetime import datetime
from typing import ClassVar

from django.db import models
from uuid_utils.compat import uuid7

from batches.models.project import Project

PREFIX_CHARS = 11  # "by_" and eight of the random characters: enough to find the row, too few to guess the rest


class ApiKey(models.Model):
    """A bearer key of a project. Only its digest is kept; the key itself is shown once, when it is made."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="api_keys")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=PREFIX_CHARS, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering: ClassVar = ["-created_at"]
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @classmethod
    def issue(cls, *, project: Project, name: str, expires_at: datetime | None = None) -> tuple["ApiKey", str]:
        """A new stored key and its plain text, which cannot be had again."""
        plain = "by_" + secrets.token_urlsafe(32).replace("-", "x").replace("_", "y")
        key = cls.objects.create(
            project=project, name=name, prefix=plain[:PREFIX_CHARS], digest=_digest(plain), expires_at=expires_at
        )
        return key, plain

    def matches(self, plain: str) -> bool:
        """Whether this is the key, compared in constant time."""
        return hmac.compare_digest(self.digest, _digest(plain))

    def is_usable(self, *, now: datetime) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


def _digest(plain: str) -> str:
    """SHA-256 suffices: a key has 256 random bits, so there is nothing to stretch."""
    return hashlib.sha256(plain.encode("utf-8", "surrogateescape")).hexdigest()
