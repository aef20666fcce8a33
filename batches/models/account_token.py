"""AccountToken: a linked account, as clients of the Merge dialect name it."""

import hashlib
import secrets
from typing import ClassVar

from django.db import models
from uuid_utils.compat import uuid7

from batches.models.project import Project
from providers.models import Provider


class AccountToken(models.Model):
    """Stands for one provider in one project. Only its digest is kept; the token itself is shown once."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="account_tokens")
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="account_tokens")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.project} at {self.provider}"

    @classmethod
    def issue(cls, *, project: Project, provider: Provider) -> tuple["AccountToken", str]:
        """A new stored token and its plain text, which is shown only once."""
        plain = f"acct_{secrets.token_urlsafe(32)}"
        return cls.objects.create(project=project, provider=provider, digest=token_digest(plain)), plain


def token_digest(plain: str) -> str:
    """SHA-256 suffices: a token has 256 random bits."""
    return hashlib.sha256(plain.encode("utf-8", "surrogateescape")).hexdigest()
