"""EmergencyStop: an order that stops all sending or all intake until a person ends it."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from batches.models.project import Project
from providers.models import Provider

STOP_REASON_CHARS = 300


class Stopped(models.TextChoices):
    """The two kinds of stops: of sending requests to providers, and of taking in batches and files of clients."""

    SENDING = "sending"
    INTAKE = "intake"


class EmergencyStopQuerySet(models.QuerySet["EmergencyStop"]):
    def active(self) -> "EmergencyStopQuerySet":
        """The stops that have not ended. An index holds only these."""
        return self.filter(ended_at=None)

    def concerning(self, *, project: uuid.UUID, provider: uuid.UUID | None = None) -> "EmergencyStopQuerySet":
        """The stops of the whole portal, of a project, and of a provider if one is named."""
        about = Q(project=None, provider=None) | Q(project=project)
        return self.filter(about | Q(provider=provider) if provider else about)


class EmergencyStop(models.Model):
    """A stop of sending or of intake, for a provider, for a project, or for the whole portal if it names neither.

    Tenants can read its `reason`. A stop that has ended is kept.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    what = models.CharField(max_length=8, choices=Stopped.choices)
    provider = models.ForeignKey(Provider, null=True, blank=True, on_delete=models.CASCADE, related_name="emergency_stops")
    project = models.ForeignKey(Project, null=True, blank=True, on_delete=models.CASCADE, related_name="emergency_stops")
    reason = models.CharField(max_length=STOP_REASON_CHARS, help_text="One sentence. Tenants read it.")
    began_at = models.DateTimeField()
    began_by = models.CharField(max_length=200)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.CharField(max_length=200, blank=True)

    objects = EmergencyStopQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-began_at", "-id"]
        indexes: ClassVar = [models.Index(fields=["began_at"], condition=Q(ended_at=None), name="emergency_stop_active")]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(provider=None) | Q(project=None),
                name="emergency_stop_one_place",
                violation_error_message="Name a provider or a project, not both; neither: the whole portal.",
            ),
            # In each place there is at most one stop of each kind at a time.
            models.UniqueConstraint(
                fields=["what"], condition=Q(ended_at=None, provider=None, project=None), name="emergency_stop_of_portal"
            ),
            models.UniqueConstraint(
                fields=["what", "provider"],
                condition=Q(ended_at=None, provider__isnull=False),
                name="emergency_stop_of_provider",
            ),
            models.UniqueConstraint(
                fields=["what", "project"], condition=Q(ended_at=None, project__isnull=False), name="emergency_stop_of_project"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_what_display().lower()} for {self.place}"

    @property
    def place(self) -> str:
        """`provider gateway`, `project acme`, or `the whole portal`."""
        if self.provider is not None:
            return f"provider {self.provider.name}"
        return f"project {self.project.slug}" if self.project is not None else "the whole portal"

    @property
    def is_of_portal(self) -> bool:
        """Whether the stop holds for the whole portal."""
        return self.provider_id is None and self.project_id is None

    def is_about(self, provider: Provider) -> bool:
        """Whether the stop concerns this provider, perhaps for one project only."""
        return self.provider_id in (None, provider.pk)

    @property
    def sentence(self) -> str:
        """`Sending is stopped for provider gateway.`"""
        return f"{self.get_what_display()} is stopped for {self.place}."
