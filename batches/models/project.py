"""Project: the tenant. Everything that a client makes belongs to a project."""

from typing import ClassVar

from django.db import models
from uuid_utils.compat import uuid7

from batches.rules.execution import Execution
from providers.models import Provider


class ProjectQuerySet(models.QuerySet["Project"]):
    def called(self, slug: str) -> "Project | None":
        """The project with this slug; None if there is none, also for a text that no slug can be, as with NUL characters."""
        return self.filter(slug=slug).first() if slug.isprintable() else None


class Project(models.Model):
    """A tenant. Projects never see each other's objects."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.SlugField(unique=True, max_length=64)
    name = models.CharField(max_length=200, blank=True)
    max_open_batches = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: the portal's default.")
    max_pending_objects = models.PositiveBigIntegerField(null=True, blank=True, help_text="Empty: the portal's default.")
    max_stored_bytes = models.PositiveBigIntegerField(null=True, blank=True, help_text="Empty: the portal's default.")
    may_delegate = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Its requests may be stored at providers, by their batch APIs, until their results are here.",
    )
    execution = models.CharField(
        max_length=9, choices=Execution.choices, blank=True, default="", db_default="", help_text="Empty: as the provider says."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ProjectQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["slug"]

    def __str__(self) -> str:
        return self.slug


class ProviderGrant(models.Model):
    """A project's right to use a provider that is not granted to all. A default provider serves calls that name none."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="grants")
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="grants")
    is_default = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["project", "provider"], name="grant_once")]

    def __str__(self) -> str:
        return f"{self.project} may use {self.provider}"
